#include "registry/mdns/mdns_peer.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "core/clock.h"
#include "core/executor.h"
#include "core/log.h"
#include "core/status_macros.h"

namespace micro::registry {
namespace {

constexpr size_t kMaxLinks = 32;
constexpr size_t kMaxFound = 10000;                     // instances in one lookup
constexpr size_t kMaxAskedFor = 64;                     // incomplete instances in one lookup
constexpr absl::Duration kLinksAge = absl::Seconds(1);  // until interfaces are looked for again

// This machine's name as go-micro writes it: without a domain.
std::string HostName() {
  char name[256] = "";
  if (gethostname(name, sizeof(name) - 1) != 0 || name[0] == '\0') return "localhost.";
  const std::string host = fmt::format("{}.", name);
  return dns::CheckName(host).ok() ? host : "localhost.";
}

// Wakes who waits for a lookup elsewhere than on the caller's thread, which may hold locks.
void Finish(const std::shared_ptr<OneShot<bool>>& done, absl::StatusOr<bool> result) {
  Executor::Default().Post([done, result = std::move(result)] { done->TrySet(result); });
}

int PollTimeout(absl::Time due) {
  if (due == absl::InfiniteFuture()) return -1;
  const absl::Duration wait =
      std::clamp(due - Clock::Real().Now(), absl::ZeroDuration(), absl::Hours(1));
  return static_cast<int>(absl::ToInt64Milliseconds(absl::Ceil(wait, absl::Milliseconds(1))));
}

}  // namespace

// Doubles are dropped: a node answers once for each interface that the question went out by.
void MdnsLookup::Add(const Instance& instance) {
  if (const auto known = instances_.find(instance.name); known != instances_.end()) {
    bytes_ -= known->second.bytes;
    instances_.erase(known);
  }
  if (instance.ttl == 0 || instances_.size() >= kMaxFound) return;
  if (bytes_ + instance.bytes > kMaxInstancesBytes) return;
  bytes_ += instance.bytes;
  instances_.emplace(instance.name, instance);
}

MdnsPeer::MdnsPeer(std::vector<std::string> interfaces)
    : interfaces_(std::move(interfaces)), responder_(HostName()) {}

MdnsPeer::~MdnsPeer() {
  {
    MutexLock lock(mutex_);
    Multicast(responder_.DeregisterAll());
    stopping_ = true;
    for (const auto& lookup : lookups_) {
      Finish(lookup->done_, absl::UnavailableError("the mDNS registry was closed"));
    }
    lookups_.clear();
  }
  Wake();
  if (thread_.joinable()) thread_.join();
  if (wake_ >= 0) close(wake_);
}

absl::Status MdnsPeer::Start() {
  RETURN_IF_ERROR(FindLinks());
  if (started_) return absl::OkStatus();
  wake_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (wake_ < 0) return absl::UnavailableError("mDNS: no eventfd can be had");
  started_ = true;
  thread_ = std::thread([this] { Run(); });
  return absl::OkStatus();
}

// Opens interfaces that came and closes those that went. The thread holds on to what it polls.
absl::Status MdnsPeer::FindLinks() {
  const absl::Time now = Clock::Real().Now();
  if (!links_.empty() && now - links_found_ < kLinksAge) return absl::OkStatus();
  links_found_ = now;
  absl::Status status = absl::UnavailableError(
      interfaces_.empty() ? "mDNS: no network interface is up"
                          : fmt::format("mDNS: no interface is up with a name or address among {}",
                                        fmt::join(interfaces_, ", ")));
  Links found;
  for (const NetworkInterface& interface : FindInterfaces(interfaces_)) {
    if (found.size() >= kMaxLinks) break;
    const auto known = std::find_if(links_.begin(), links_.end(), [&](const auto& link) {
      return link->interface().index == interface.index &&
             link->interface().address.s_addr == interface.address.s_addr;
    });
    if (known != links_.end()) {
      found.push_back(*known);
    } else if (auto link = MdnsLink::Open(interface); link.ok()) {
      found.push_back(*std::move(link));
    } else {
      status = link.status();
      log::Debug("interface cannot be used for mDNS",
                 {{"interface", interface.name}, {"error", status}});
    }
  }
  links_ = std::move(found);
  return links_.empty() ? status : absl::OkStatus();
}

void MdnsPeer::Multicast(const std::vector<std::string>& packets) {
  for (const std::string& packet : packets) {
    for (const auto& link : links_) link->Multicast(packet);
  }
}

void MdnsPeer::Ask(const std::string& name, uint16_t type) {
  const absl::StatusOr<std::string> packet =
      dns::Pack({.questions = {{.name = name, .type = type}}});
  if (!packet.ok()) return;
  for (const auto& link : links_) link->Ask(*packet);
}

void MdnsPeer::Wake() {
  const uint64_t one = 1;
  if (wake_ >= 0 && write(wake_, &one, sizeof(one)) < 0) return;  // it is awake already
}

absl::Status MdnsPeer::Register(const Service& service, absl::Duration ttl) {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(Start());
  RETURN_IF_ERROR(responder_.Register(service, ttl, Clock::Real().Now()));
  Wake();
  return absl::OkStatus();
}

void MdnsPeer::Deregister(const Service& service) {
  MutexLock lock(mutex_);
  Multicast(responder_.Deregister(service));
}

absl::StatusOr<std::unique_ptr<Watcher>> MdnsPeer::Watch(const WatchOptions& options) {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(Start());
  Wake();
  return feed_.Watch(options);
}

absl::StatusOr<std::shared_ptr<MdnsLookup>> MdnsPeer::Lookup(const std::string& name,
                                                             absl::Duration window) {
  auto lookup = std::make_shared<MdnsLookup>();
  lookup->question_ = name;
  ASSIGN_OR_RETURN(lookup->packet_, dns::Pack({.questions = {{.name = name}}}));
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(Start());
  const absl::Time now = Clock::Real().Now();
  lookup->asks_again_ = now + window / 2;
  lookup->ends_ = now + window;
  lookups_.push_back(lookup);
  for (const auto& link : links_) link->Ask(lookup->packet_);
  Wake();
  return lookup;
}

void MdnsPeer::Run() {
  Links links;
  std::vector<pollfd> polled;
  while (true) {
    int timeout = -1;
    {
      MutexLock lock(mutex_);
      if (stopping_) return;
      timeout = PollTimeout(DoDue(Clock::Real().Now()));
      links = links_;
    }
    polled.assign(1, {wake_, POLLIN, 0});
    for (const auto& link : links) {
      polled.push_back({link->group_socket(), POLLIN, 0});
      polled.push_back({link->question_socket(), POLLIN, 0});
    }
    if (poll(polled.data(), polled.size(), timeout) <= 0) continue;
    uint64_t wakes = 0;
    if (polled[0].revents != 0 && read(wake_, &wakes, sizeof(wakes)) < 0) continue;
    for (size_t i = 1; i < polled.size(); ++i) {
      if (polled[i].revents == 0) continue;
      const MdnsLink& link = *links[(i - 1) / 2];
      const bool multicast = i % 2 == 1;
      ReceiveFrom(polled[i].fd, [&](std::string_view packet, const sockaddr_in& from) {
        Receive(link, packet, from, multicast);
      });
    }
  }
}

// Does what time brings; when it is to be called again.
absl::Time MdnsPeer::DoDue(absl::Time now) {
  Multicast(responder_.TakeDue(now));
  AdvanceLookups(now);
  if (feed_.watched()) {
    const MdnsObserver::Due due = observer_.TakeDue(now);
    for (const std::string& name : due.ask) Ask(name, dns::kAny);
    for (const Event& event : due.events) feed_.Publish(event);
  } else {
    observer_.Clear();
  }
  absl::Time next = std::min(responder_.next_due(), observer_.next_due());
  for (const auto& lookup : lookups_) next = std::min({next, lookup->ends_, lookup->asks_again_});
  return next;
}

void MdnsPeer::AdvanceLookups(absl::Time now) {
  std::vector<std::shared_ptr<MdnsLookup>> waiting;
  for (const auto& lookup : lookups_) {
    if (lookup->ends_ <= now) {
      Finish(lookup->done_, true);
      continue;
    }
    waiting.push_back(lookup);
    if (lookup->asks_again_ > now) continue;
    lookup->asks_again_ = absl::InfiniteFuture();
    if (lookup->answered_) continue;
    for (const auto& link : links_) link->Ask(lookup->packet_);
  }
  lookups_ = std::move(waiting);
}

void MdnsPeer::Receive(const MdnsLink& link, std::string_view packet, const sockaddr_in& from,
                       bool multicast) {
  const absl::StatusOr<dns::Message> message = dns::Parse(packet);
  if (!message.ok()) return;
  if (!message->is_response()) {
    MutexLock lock(mutex_);
    for (const std::string& answer : responder_.Answer(*message)) link.Reply(answer, from);
    return;
  }
  {
    MutexLock lock(mutex_);
    if (lookups_.empty() && !feed_.watched()) return;
  }
  const Announced announced = ReadResponse(*message);
  MutexLock lock(mutex_);
  TellLookups(announced);
  if (feed_.watched()) TellWatchers(announced, multicast);
}

void MdnsPeer::TellLookups(const Announced& announced) {
  for (const auto& lookup : lookups_) {
    for (const Instance& instance : announced.instances) {
      if (ServiceName(instance.service.name) != lookup->question_) continue;
      lookup->answered_ = true;
      lookup->Add(instance);
    }
    for (const std::string& service : announced.listed) {
      if (lookup->question_ != kListName || lookup->listed_.size() >= kMaxFound) break;
      lookup->answered_ = true;
      lookup->listed_.insert(service);
    }
    for (const std::string& name : announced.incomplete) {
      const std::string suffix = fmt::format(".{}", lookup->question_);
      if (name.size() <= suffix.size() || !name.ends_with(suffix)) continue;
      if (lookup->asked_for_.size() >= kMaxAskedFor || !lookup->asked_for_.insert(name).second)
        continue;
      Ask(name, dns::kAny);
    }
  }
}

void MdnsPeer::TellWatchers(const Announced& announced, bool multicast) {
  const absl::Time now = Clock::Real().Now();
  for (const Instance& instance : announced.instances) {
    if (!multicast) {
      observer_.OnAnswered(instance, now);
      continue;
    }
    for (const Event& event : observer_.OnAnnounced(instance, now)) feed_.Publish(event);
  }
}

}  // namespace micro::registry
