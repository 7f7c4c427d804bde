#include "registry/mdns/mdns_responder.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "core/random.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace micro::registry {
namespace {

constexpr size_t kMaxQuestions = 8;         // of one query that are answered
constexpr uint16_t kUnanswerable = 0x7a0f;  // flags: another operation, an error, a part of a query
constexpr uint16_t kResponseFlags = dns::kResponse | dns::kAuthoritative;

// The TTL in whole seconds, at least one.
uint32_t TtlSeconds(absl::Duration ttl) {
  if (ttl <= absl::ZeroDuration()) return kDefaultTtl;
  const int64_t seconds = absl::ToInt64Seconds(absl::Ceil(ttl, absl::Seconds(1)));
  return static_cast<uint32_t>(std::min<int64_t>(seconds, 1 << 30));
}

// The packet of records that were found to fit when they were registered.
void AddPacket(const dns::Message& message, std::vector<std::string>& packets) {
  if (absl::StatusOr<std::string> packet = dns::Pack(message); packet.ok()) {
    packets.push_back(*std::move(packet));
  }
}

dns::Message Announcement(std::vector<dns::Record> records) {
  return {.flags = kResponseFlags, .answers = std::move(records)};
}

dns::Message Goodbye(std::vector<dns::Record> records) {
  for (dns::Record& record : records) record.ttl = 0;
  return Announcement(std::move(records));
}

// As go-micro asks before it announces: the instance, with what it is going to be.
dns::Message Probe(const std::string& name, const std::vector<dns::Record>& records) {
  dns::Message probe{.questions = {{.name = name, .type = dns::kPtr}}};
  for (dns::Record record : records) {
    if (auto* srv = std::get_if<dns::Srv>(&record.data)) srv->priority = srv->weight = 0;
    if (record.name == name) probe.authorities.push_back(std::move(record));
  }
  return probe;
}

// Those of an instance's records that a question of `type` for it asks for.
std::vector<dns::Record> Matching(const std::vector<dns::Record>& records, uint16_t type) {
  if (type == dns::kAny) return records;
  std::vector<dns::Record> matching;
  for (const dns::Record& record : records) {
    const bool address = std::holds_alternative<dns::A>(record.data) ||
                         std::holds_alternative<dns::Aaaa>(record.data);
    const bool wanted =
        (type == dns::kSrv && (std::holds_alternative<dns::Srv>(record.data) || address)) ||
        (type == dns::kTxt && std::holds_alternative<dns::Txt>(record.data)) ||
        (type == dns::kA && std::holds_alternative<dns::A>(record.data)) ||
        (type == dns::kAaaa && std::holds_alternative<dns::Aaaa>(record.data));
    if (wanted) matching.push_back(record);
  }
  return matching;
}

}  // namespace

absl::Status MdnsResponder::Register(const Service& service, absl::Duration ttl, absl::Time now) {
  std::vector<Registration> checked;
  for (const Node& node : service.nodes) {
    Registration registration;
    Service alone = service;
    alone.nodes = {node};
    registration.instance = {InstanceName(node.id, service.name), TtlSeconds(ttl),
                             std::move(alone)};
    absl::StatusOr<std::vector<dns::Record>> records =
        InstanceRecords(registration.instance, host_);
    if (!records.ok()) {
      return absl::InvalidArgumentError(
          fmt::format("node \"{}\" of service \"{}\" cannot be announced: {}", node.id,
                      service.name, ToStd(records.status().message())));
    }
    registration.records = *std::move(records);
    if (ttl > absl::ZeroDuration()) registration.expires = now + ttl;
    registration.due = now;
    checked.push_back(std::move(registration));
  }
  RETURN_IF_ERROR(dns::Pack({.answers = ListRecords(service.name, host_)}).status());
  for (Registration& registration : checked) {
    const auto [place, is_new] = registrations_.try_emplace(registration.instance.name);
    Registration& known = place->second;
    if (!is_new && known.records == registration.records) {
      known.expires = registration.expires;
      if (known.step <= kLastAnnouncement) continue;  // it is being announced as it is
      registration.step = kLastAnnouncement;
    } else if (!is_new && known.step >= kFirstAnnouncement) {
      registration.step = kFirstAnnouncement;
    } else if (!is_new) {
      registration.step = known.step;
      registration.due = known.due;
    }
    known = std::move(registration);
  }
  return absl::OkStatus();
}

std::vector<std::string> MdnsResponder::Deregister(const Service& service) {
  std::vector<std::string> packets;
  for (const Node& node : service.nodes) {
    const auto place = registrations_.find(InstanceName(node.id, service.name));
    if (place == registrations_.end()) continue;
    AddPacket(Goodbye(std::move(place->second.records)), packets);
    registrations_.erase(place);
  }
  return packets;
}

std::vector<std::string> MdnsResponder::DeregisterAll() {
  std::vector<std::string> packets;
  for (auto& [name, registration] : registrations_) {
    AddPacket(Goodbye(std::move(registration.records)), packets);
  }
  registrations_.clear();
  return packets;
}

std::vector<std::string> MdnsResponder::Answer(const dns::Message& query) const {
  std::vector<std::string> packets;
  if (query.is_response() || (query.flags & kUnanswerable) != 0) return packets;
  for (size_t i = 0; i < query.questions.size() && i < kMaxQuestions; ++i) {
    const auto end = query.questions.begin() + i;
    if (std::find(query.questions.begin(), end, *end) == end)
      AnswerQuestion(*end, query.id, packets);
  }
  return packets;
}

void MdnsResponder::AnswerQuestion(const dns::Question& question, uint16_t id,
                                   std::vector<std::string>& packets) const {
  if ((question.question_class & ~dns::kUnicastBit) != dns::kInternet) return;
  const bool keeps_id = (question.question_class & dns::kUnicastBit) != 0;
  const bool pointers = question.type == dns::kPtr || question.type == dns::kAny;
  const auto answer = [&](std::vector<dns::Record> records) {
    if (records.empty()) return;
    AddPacket({.id = keeps_id ? id : uint16_t{0},
               .flags = kResponseFlags,
               .questions = {question},
               .answers = std::move(records)},
              packets);
  };
  std::set<std::string_view> listed;
  for (const auto& [name, registration] : registrations_) {
    const std::string& service = registration.instance.service.name;
    if (question.name == name) {
      answer(Matching(registration.records, question.type));
    } else if (pointers && question.name == ServiceName(service)) {
      answer(ServiceRecords(registration.instance, registration.records));
    } else if (pointers && question.name == kListName && listed.insert(service).second) {
      answer(ListRecords(service, host_));
    }
  }
}

std::string MdnsResponder::TakeStep(Registration& registration, absl::Time now) const {
  const bool probe = registration.step <= kLastProbe;
  std::vector<std::string> packets;
  AddPacket(probe ? Probe(registration.instance.name, registration.records)
                  : Announcement(registration.records),
            packets);
  if (probe) {
    registration.due = now + absl::Milliseconds(RandomBelow(250));
  } else if (registration.step == kLastAnnouncement) {
    registration.due = absl::InfiniteFuture();
  } else {
    registration.due = now + absl::Seconds(registration.step == kFirstAnnouncement ? 1 : 2);
  }
  ++registration.step;
  return packets.empty() ? "" : std::move(packets.front());
}

std::vector<std::string> MdnsResponder::TakeDue(absl::Time now) {
  std::vector<std::string> packets;
  for (auto place = registrations_.begin(); place != registrations_.end();) {
    Registration& registration = place->second;
    if (registration.expires <= now) {
      AddPacket(Goodbye(std::move(registration.records)), packets);
      place = registrations_.erase(place);
      continue;
    }
    if (registration.due <= now) packets.push_back(TakeStep(registration, now));
    ++place;
  }
  return packets;
}

absl::Time MdnsResponder::next_due() const {
  absl::Time due = absl::InfiniteFuture();
  for (const auto& [name, registration] : registrations_) {
    due = std::min({due, registration.due, registration.expires});
  }
  return due;
}

}  // namespace micro::registry
