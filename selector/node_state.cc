#include "selector/node_state.h"

#include <algorithm>
#include <charconv>

namespace micro::selector {
namespace {

constexpr double kMostWeight = 1000;

double WeightOf(const registry::Node& node) {
  const auto text = node.metadata.find("weight");
  if (text == node.metadata.end()) return 1;
  const std::string& value = text->second;
  double weight = 1;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), weight);
  const bool whole = error == std::errc() && end == value.data() + value.size();
  return whole && weight >= 0 && weight <= kMostWeight ? weight : 1;
}

}  // namespace

NodeState::NodeState(registry::Node known, std::shared_ptr<Health> watching)
    : node(std::move(known)), health(std::move(watching)), weight(WeightOf(node)) {}

int64_t NodeState::in_flight() const {
  int64_t running = 0;
  for (size_t i = 0; i < kLanes; ++i) running += lanes_[i].in_flight();
  return running;
}

int64_t NodeState::calls() const {
  int64_t calls = 0;
  for (size_t i = 0; i < kLanes; ++i) {
    calls += lanes_[i].ended.load(std::memory_order_relaxed) -
             lanes_[i].abandoned.load(std::memory_order_relaxed);
  }
  return calls;
}

absl::Duration NodeState::latency() const {
  double sum = 0, count = 0;
  for (size_t i = 0; i < kLanes; ++i) {
    const auto measured = static_cast<double>(lanes_[i].measured.load(std::memory_order_relaxed));
    sum += measured * static_cast<double>(lanes_[i].latency_ns.load(std::memory_order_relaxed));
    count += measured;
  }
  return count == 0 ? absl::ZeroDuration() : absl::Nanoseconds(sum / count);
}

void NodeState::Measure(Lane& lane, Ticks began, Ticks now) {
  const int64_t nanos = TicksToNanos(now - began);
  const int64_t before = lane.latency_ns.load(std::memory_order_relaxed);
  // Slow calls count at once, so that a node that stalls is left quickly; good ones win trust back
  // gradually.
  int64_t average = nanos;
  if (before != 0) {
    average = nanos > before ? before + (nanos - before) / 2 : before - (before - nanos) / 8;
  }
  average = std::max<int64_t>(average, 1);
  lane.latency_ns.store(average, std::memory_order_relaxed);
  const int64_t measured = lane.measured.load(std::memory_order_relaxed) + 1;
  lane.measured.store(measured, std::memory_order_relaxed);
  lane.measured_at.store(now, std::memory_order_relaxed);
  if (measured % 16 == 1) shared_latency_ns_.store(average, std::memory_order_relaxed);
}

}  // namespace micro::selector
