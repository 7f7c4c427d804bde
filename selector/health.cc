#include "selector/health.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace micro::selector {

Health::Health(EjectionOptions options, Clock& clock, std::function<void()> changed)
    : options_(options), clock_(clock), changed_(std::move(changed)) {}

bool Health::IsFailure(const absl::Status& error) {
  switch (error.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kDataLoss:
      return true;
    default:
      return false;
  }
}

void Health::SetNodes(const std::vector<NodeStatePtr>& nodes) {
  std::map<const NodeState*, Record> gone;  // freed without the lock
  MutexLock lock(mutex_);
  gone.swap(records_);
  for (const NodeStatePtr& node : nodes) {
    const auto known = gone.find(node.get());
    if (known != gone.end()) {
      records_.insert(gone.extract(known));
    } else {
      records_[node.get()] = {.node = node, .calls_before = node->calls()};
    }
  }
}

// A node's failures are compared with the others': all are counted from the same moment.
void Health::OpenWindow(absl::Time now) {
  window_end_ = now + options_.window;
  for (auto& [node, record] : records_) {
    record.failures = 0;
    record.calls_before = node->calls();
  }
}

bool Health::MayEjectOneMore() const {
  const auto out = std::count_if(records_.begin(), records_.end(),
                                 [](const auto& entry) { return !entry.first->usable(); });
  return static_cast<double>(out + 1) <= options_.most * static_cast<double>(records_.size());
}

// Why the node is to be left out; empty: it is not.
std::string Health::Verdict(const Record& record, const absl::Status& error) const {
  const auto rate = [](int64_t failures, int64_t calls) {
    return static_cast<double>(failures) / static_cast<double>(std::max<int64_t>(calls, 1));
  };
  const int64_t calls = std::max(record.node->calls() - record.calls_before, record.failures);
  int64_t others_failures = 0, others_calls = 0;
  for (const auto& [node, other] : records_) {
    if (&other == &record) continue;
    others_failures += other.failures;
    others_calls += node->calls() - other.calls_before;
  }
  const double own = rate(record.failures, calls), others = rate(others_failures, others_calls);
  if (own < 2 * others) return "";
  if (record.in_a_row >= options_.failures_in_a_row) {
    return fmt::format("{} failures in a row, last: {}", record.in_a_row,
                       std::string(error.message()));
  }
  if (record.failures >= options_.least_failures && own >= options_.failure_rate) {
    return fmt::format("{} of {} calls failed, last: {}", record.failures, calls,
                       std::string(error.message()));
  }
  return "";
}

void Health::Eject(Record& record, std::string why, bool unreachable, absl::Time now) {
  // A node that did well for as long as it was out last time begins anew.
  const absl::Duration last = record.ejection.until - record.ejection.since;
  if (record.ejection.times > 0 && record.node->usable() && now - record.fine_since > last)
    record.ejection.times = 0;
  const absl::Duration first = unreachable ? options_.unreachable_for : options_.failing_for;
  const absl::Duration pause =
      std::min(first * (int64_t{1} << std::min(record.ejection.times, 20)), options_.longest);
  record.ejection = {.since = now,
                     .until = now + pause,
                     .why = std::move(why),
                     .times = record.ejection.times + 1,
                     .unreachable = unreachable};
  record.node->set_phase(NodeState::kEjected);
  clock_.At(record.ejection.until, [weak = weak_from_this(), node = record.node.get()] {
    if (const auto self = weak.lock()) self->LetTry(node);
  });
}

void Health::Failed(NodeState& node, const absl::Status& error, bool unreachable) {
  if (!options_.enabled || (!unreachable && !IsFailure(error))) return;
  {
    MutexLock lock(mutex_);
    const auto place = records_.find(&node);
    if (place == records_.end()) return;
    Record& record = place->second;
    const absl::Time now = clock_.Now();
    if (now >= window_end_) OpenWindow(now);
    ++record.failures;
    ++record.in_a_row;
    node.set_suspected(true);
    const NodeState::Phase phase = node.phase();
    if (phase == NodeState::kEjected || phase == NodeState::kOnTrial) return;
    if (phase == NodeState::kTried) {
      Eject(record, std::string(error.message()), unreachable, now);
    } else if (unreachable) {
      Eject(record, std::string(error.message()), true, now);
    } else {
      std::string why = MayEjectOneMore() ? Verdict(record, error) : "";
      if (why.empty()) return;
      Eject(record, std::move(why), false, now);
    }
  }
  changed_();
}

void Health::Succeeded(NodeState& node) {
  {
    MutexLock lock(mutex_);
    const auto place = records_.find(&node);
    if (place == records_.end()) return;
    Record& record = place->second;
    record.in_a_row = 0;
    node.set_suspected(false);
    const NodeState::Phase phase = node.phase();
    // What answers is reachable; that it fails less is for the call that tries it to show.
    if (phase == NodeState::kUsable || (phase != NodeState::kTried && !record.ejection.unreachable))
      return;
    node.set_phase(NodeState::kUsable);
    record.fine_since = clock_.Now();
    record.failures = 0;
    record.calls_before = node.calls();
  }
  changed_();
}

void Health::TrialAbandoned(NodeState& node) {
  if (node.phase() == NodeState::kTried) node.set_phase(NodeState::kOnTrial);
}

// The node's time is over.
void Health::LetTry(const NodeState* node) {
  {
    MutexLock lock(mutex_);
    const auto place = records_.find(node);
    if (place == records_.end() || place->second.node->phase() != NodeState::kEjected) return;
    if (clock_.Now() < place->second.ejection.until) return;  // it was left out again meanwhile
    place->second.node->set_phase(NodeState::kOnTrial);
  }
  changed_();
}

std::unique_ptr<Ejection> Health::EjectionOf(const NodeState& node) const {
  MutexLock lock(mutex_);
  const auto place = records_.find(&node);
  if (place == records_.end() || node.usable()) return nullptr;
  return std::make_unique<Ejection>(place->second.ejection);
}

}  // namespace micro::selector
