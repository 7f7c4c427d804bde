#include "registry/nats/nats_peer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/clock.h"
#include "core/executor.h"
#include "core/log.h"
#include "core/random.h"
#include "core/status_macros.h"
#include "registry/nats/nats_message.h"
#include "registry/service_json.h"

namespace micro::registry {
namespace {

constexpr absl::Duration kBetweenComplaints = absl::Seconds(1);

absl::Status Closed() { return absl::UnavailableError("the NATS registry was closed"); }

absl::Status CheckPrefix(std::string_view prefix) {
  const absl::Status status = nats::CheckSubject(prefix);
  if (status.ok() && prefix.find_first_of("*>") == std::string_view::npos) return status;
  return absl::InvalidArgumentError(
      fmt::format("\"{}\" cannot stand in place of micro.nats (flag --registry_prefix): words "
                  "without blanks, * and >, joined by dots",
                  prefix.substr(0, 200)));
}

}  // namespace

NatsPeer::NatsPeer(const std::string& prefix)
    : query_subject_(prefix + ".query"),
      watch_subject_(prefix + ".watch"),
      inbox_(fmt::format("_INBOX.{}.", RandomUuid())) {}

absl::StatusOr<std::shared_ptr<NatsPeer>> NatsPeer::Make(const Options& options) {
  if (!options.prefix.empty()) RETURN_IF_ERROR(CheckPrefix(options.prefix));
  std::shared_ptr<NatsPeer> made(
      new NatsPeer(options.prefix.empty() ? "micro.nats" : options.prefix));
  ASSIGN_OR_RETURN(made->connection_,
                   nats::Connection::Make({.addresses = options.addresses,
                                           .username = options.username,
                                           .password = options.password,
                                           .token = options.token,
                                           .tls = options.tls,
                                           .tls_ca = options.tls_ca,
                                           .tls_cert = options.tls_cert,
                                           .tls_key = options.tls_key,
                                           .tls_server_name = options.tls_server_name,
                                           .reconnected = [weak = made->weak_from_this()] {
                                             if (const auto self = weak.lock())
                                               self->TellAll(Action::kCreate);
                                           }}));
  return made;
}

// The first time that it is needed.
void NatsPeer::Subscribe(bool& subscribed, std::string subject,
                         void (NatsPeer::*handle)(const nats::Message&)) {
  if (std::exchange(subscribed, true)) return;
  // Its subject is one: the prefix was looked at.
  (void)connection_->Subscribe(
      {.subject = std::move(subject),
       .handle = [weak = weak_from_this(), handle](const nats::Message& message) {
         if (const auto self = weak.lock()) (self.get()->*handle)(message);
       }});
}

void NatsPeer::Tell(Action action, const Service& service) {
  connection_->Send({.subject = watch_subject_, .payload = NatsEventJson({action, service})});
}

void NatsPeer::TellAll(Action action) {
  MutexLock lock(mutex_);
  for (const Service& service : records_.Find("")) Tell(action, service);
}

NatsRegistration NatsPeer::Register(const Service& service, absl::Duration ttl) {
  absl::Time expires = absl::InfiniteFuture();
  if (ttl > absl::ZeroDuration()) {
    expires = Clock::Real().Now() + ttl;
    Clock::Real().At(expires, [weak = weak_from_this()] {
      Executor::Default().Post([weak] {
        if (const auto self = weak.lock()) self->Expire();
      });
    });
  }
  MutexLock lock(mutex_);
  Subscribe(hears_queries_, query_subject_, &NatsPeer::OnQuery);
  return {.number = records_.Register(service, expires),
          .told = connection_->Publish(
              {.subject = watch_subject_, .payload = NatsEventJson({Action::kCreate, service})})};
}

void NatsPeer::Withdraw(const Service& service, const NatsRegistration& registration) {
  MutexLock lock(mutex_);
  const Service withdrawn = records_.Withdraw(service, registration.number);
  if (!withdrawn.nodes.empty()) Tell(Action::kDelete, withdrawn);
}

nats::Receipt NatsPeer::Deregister(const Service& service) {
  MutexLock lock(mutex_);
  records_.Deregister(service);
  return connection_->Publish(
      {.subject = watch_subject_, .payload = NatsEventJson({Action::kDelete, service})});
}

void NatsPeer::Forget(const Service& service) {
  MutexLock lock(mutex_);
  records_.Deregister(service);
}

void NatsPeer::Expire() {
  MutexLock lock(mutex_);
  for (const Service& lost : records_.TakeExpired(Clock::Real().Now())) Tell(Action::kDelete, lost);
}

NatsLookup NatsPeer::Ask(const std::string& service) {
  MutexLock lock(mutex_);
  Subscribe(hears_answers_, inbox_ + "*", &NatsPeer::OnAnswer);
  const std::string token = fmt::format("{}", ++lookups_);
  auto closed = std::make_shared<OneShot<bool>>();
  pending_.emplace(token, Pending{.answers = NatsAnswers(service), .closed = closed});
  return {
      .token = token,
      .asked = connection_->Publish(
          {.subject = query_subject_, .reply = inbox_ + token, .payload = NatsQueryJson(service)}),
      .closed = std::move(closed)};
}

std::vector<Service> NatsPeer::TakeAnswers(const NatsLookup& lookup) {
  MutexLock lock(mutex_);
  const auto pending = pending_.find(lookup.token);
  std::vector<Service> found = pending->second.answers.Take();
  pending_.erase(pending);
  return found;
}

std::unique_ptr<Watcher> NatsPeer::Watch(const WatchOptions& options) {
  MutexLock lock(mutex_);
  Subscribe(hears_events_, watch_subject_, &NatsPeer::OnEvent);
  return feed_.Watch(options);
}

void NatsPeer::Close() {
  TellAll(Action::kDelete);
  connection_->Close();
  feed_.Close(Closed());
  MutexLock lock(mutex_);
  for (const auto& [token, pending] : pending_) {
    Executor::Default().Post([closed = pending.closed] { closed->TrySet(Closed()); });
  }
}

void NatsPeer::OnQuery(const nats::Message& message) {
  const absl::StatusOr<std::string> name = ParseNatsQuery(message.payload);
  if (!name.ok()) return Complain(name.status(), "", "");
  if (message.reply.empty()) return;
  MutexLock lock(mutex_);
  for (const Service& service : records_.Find(*name)) {
    connection_->Send({.subject = message.reply, .payload = ToJson(service)});
  }
}

void NatsPeer::OnAnswer(const nats::Message& message) {
  std::string_view token = message.subject;
  token.remove_prefix(std::min(inbox_.size(), token.size()));
  {
    MutexLock lock(mutex_);
    const auto pending = pending_.find(token);
    if (pending == pending_.end() || pending->second.full) return;  // too late, or too many
  }
  absl::StatusOr<Service> answer = ParseService(message.payload);
  if (!answer.ok()) return Complain(answer.status(), "", "");
  DropBadNodes(*answer);
  absl::Status added;
  {
    MutexLock lock(mutex_);
    const auto pending = pending_.find(token);
    if (pending == pending_.end()) return;
    added = pending->second.answers.Add(*answer);
    pending->second.full = absl::IsResourceExhausted(added);
  }
  Complain(added, answer->name, answer->nodes.empty() ? "" : answer->nodes.front().id);
}

void NatsPeer::OnEvent(const nats::Message& message) {
  if (!feed_.watched()) return;
  absl::StatusOr<Event> event = ParseNatsEvent(message.payload);
  if (!event.ok()) return Complain(event.status(), "", "");
  if (event->action != Action::kDelete) {  // what goes need not have been callable
    DropBadNodes(event->service);
    if (event->service.nodes.empty()) return;
  }
  feed_.Publish(*event);
}

// Takes out the nodes that nobody could call.
void NatsPeer::DropBadNodes(Service& service) {
  std::erase_if(service.nodes, [&](const Node& node) {
    const absl::Status status = Validate({.name = service.name, .nodes = {node}});
    Complain(status, service.name, node.id);
    return !status.ok();
  });
}

// Says what is wrong with what a peer sent, once a second at most.
void NatsPeer::Complain(const absl::Status& status, std::string_view service,
                        std::string_view node) {
  if (status.ok()) return;
  int kept = 0;
  {
    MutexLock lock(mutex_);
    const absl::Time now = Clock::Real().Now();
    if (now < complains_again_) {
      ++complaints_kept_;
      return;
    }
    complains_again_ = now + kBetweenComplaints;
    kept = std::exchange(complaints_kept_, 0);
  }
  log::Error("passed over what a NATS peer says", {{"service", service.substr(0, 200)},
                                                   {"node", node.substr(0, 200)},
                                                   {"error", status},
                                                   {"others", kept}});
}

}  // namespace micro::registry
