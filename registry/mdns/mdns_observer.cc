#include "registry/mdns/mdns_observer.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace micro::registry {
namespace {

// The parts of its TTL after which a silent node is asked for (RFC 6762, 5.2), and then its end.
constexpr double kAskAfter[] = {0.80, 0.90, 0.95, 1.0};
constexpr double kAnswerTime = 0.05;
constexpr int kQuestions = std::size(kAskAfter) - 1;

// How long copies of a leave, which comes by every interface, may be late.
constexpr absl::Duration kLeaveEcho = absl::Seconds(1);

}  // namespace

void MdnsObserver::SetDue(const std::string& name, Seen& seen, absl::Time due) {
  by_due_.erase({seen.due, name});
  seen.due = due;
  by_due_.emplace(due, name);
}

bool MdnsObserver::HasRoomFor(const Instance& instance) const {
  const auto known = seen_.find(instance.name);
  const size_t freed = known != seen_.end() ? known->second.bytes : 0;
  return (known != seen_.end() || seen_.size() < kMaxNodes) &&
         bytes_ - freed + instance.bytes <= kMaxInstancesBytes;
}

// Puts `service` in place of what is known; what was known.
Service MdnsObserver::Replace(Seen& seen, Service service, size_t bytes) {
  bytes_ = bytes_ - seen.bytes + bytes;
  seen.bytes = bytes;
  return std::exchange(seen.service, std::move(service));
}

void MdnsObserver::Hear(const Instance& instance, absl::Time now, Seen& seen) {
  seen.heard = now;
  seen.ttl = absl::Seconds(instance.ttl);
  seen.asked = 0;
  seen.gone = false;
  SetDue(instance.name, seen, now + seen.ttl * kAskAfter[0]);
}

std::vector<Event> MdnsObserver::OnAnnounced(const Instance& instance, absl::Time now) {
  const auto known = seen_.find(instance.name);
  const bool is_leave_of_known = known != seen_.end() && instance.ttl == 0;
  if (!is_leave_of_known && !HasRoomFor(instance)) return {};
  Seen& seen = known != seen_.end() ? known->second : seen_[instance.name];
  const bool was_there = known != seen_.end() && !seen.gone;
  if (instance.ttl == 0) {
    if (seen.gone) return {};
    Service before = Replace(seen, {}, 0);
    Event event{Action::kDelete, was_there ? std::move(before) : instance.service};
    seen.gone = true;
    SetDue(instance.name, seen, now + kLeaveEcho);
    return {std::move(event)};
  }
  Hear(instance, now, seen);
  const bool was_told = std::exchange(seen.told, true) && was_there;
  if (was_told && seen.service == instance.service) return {};
  std::vector<Event> events;
  Service before = Replace(seen, instance.service, instance.bytes);
  const bool same_version =
      before.name == seen.service.name && before.version == seen.service.version;
  if (was_there && !same_version) events.push_back({Action::kDelete, std::move(before)});
  events.push_back({was_told && same_version ? Action::kUpdate : Action::kCreate, seen.service});
  return events;
}

void MdnsObserver::OnAnswered(const Instance& instance, absl::Time now) {
  if (instance.ttl == 0) return;
  const auto known = seen_.find(instance.name);
  if (known != seen_.end()) {
    // An answer may have been sent before a leave that was read first.
    if (!known->second.gone) Hear(instance, now, known->second);
  } else if (HasRoomFor(instance)) {
    Seen& seen = seen_[instance.name];
    Replace(seen, instance.service, instance.bytes);
    Hear(instance, now, seen);
  }
}

MdnsObserver::Due MdnsObserver::TakeDue(absl::Time now) {
  Due due;
  while (!by_due_.empty() && by_due_.begin()->first <= now) {
    const std::string name = by_due_.begin()->second;
    const auto place = seen_.find(name);
    Seen& seen = place->second;
    if (!seen.gone && seen.asked < kQuestions) {
      due.ask.push_back(name);
      ++seen.asked;
      // Time for an answer, also when this thread comes late.
      SetDue(name, seen,
             std::max(seen.heard + seen.ttl * kAskAfter[seen.asked], now + seen.ttl * kAnswerTime));
      continue;
    }
    Service before = Replace(seen, {}, 0);
    if (!seen.gone) due.events.push_back({Action::kDelete, std::move(before)});
    by_due_.erase(by_due_.begin());
    seen_.erase(place);
  }
  return due;
}

absl::Time MdnsObserver::next_due() const {
  return by_due_.empty() ? absl::InfiniteFuture() : by_due_.begin()->first;
}

void MdnsObserver::Clear() {
  seen_.clear();
  by_due_.clear();
  bytes_ = 0;
}

}  // namespace micro::registry
