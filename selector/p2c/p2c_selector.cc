// The strategy "p2c", the power of two choices: of two random nodes the one with the smaller
// product of average latency and calls in flight. A slow or stuck node is left within a few calls,
// without anyone knowing all nodes.
//
// Each lane (core/lane.h) looks at what its own calls have shown, as if it were alone.
#include <algorithm>

#include "core/plugin_table.h"
#include "core/random.h"
#include "selector/strategy.h"

namespace micro::selector {
namespace {

// Since nobody calls a node that was slow, what is known of it fades: halved about once a second,
// until it is called again.
int64_t Faded(int64_t latency, Ticks idle) {
  const int64_t seconds = TicksToNanos(std::max<Ticks>(idle, 0)) >> 30;
  return seconds == 0 ? latency : latency >> std::min<int64_t>(seconds, 40);
}

// What a call costs that is the first of its node and has no answer yet: the others are better.
constexpr int64_t kUnanswered = 1'000'000'000;

class P2cPicker final : public Picker {
 public:
  explicit P2cPicker(const Candidates& candidates) : candidates_(candidates) {}

  size_t Choose(const CallInfo& call) override {
    const size_t count = candidates_.size();
    if (count == 1) return 0;
    const size_t lane = ThisLane();
    const size_t a = RandomBelow(count);
    size_t b = RandomBelow(count - 1);  // another one
    b += b >= a ? 1 : 0;
    return Cost(b, lane, call.now) < Cost(a, lane, call.now) ? b : a;
  }

 private:
  // The expected wait for one more call. A node that was never called costs nothing, so that it is
  // tried.
  int64_t Cost(size_t index, size_t lane_index, Ticks now) const {
    NodeState& state = *candidates_[index].state;
    const NodeState::Lane& lane = state.lane(lane_index);
    const int64_t in_flight = lane.in_flight(), latency = state.LatencyNs(lane);
    if (in_flight > 0) {  // a node that lets calls wait is not idle
      return latency > 0 ? latency * (in_flight + 1) : kUnanswered * in_flight;
    }
    return Faded(latency, now - lane.measured_at.load(std::memory_order_relaxed));
  }

  const Candidates& candidates_;
};

class P2cStrategy final : public Strategy {
 public:
  std::string_view name() const override { return "p2c"; }
  bool timed() const override { return true; }
  std::unique_ptr<Picker> NewPicker(const Candidates& candidates) override {
    return std::make_unique<P2cPicker>(candidates);
  }
};

MICRO_PLUGIN(Strategy, "p2c",
             [](const Strategy::PluginOptions&) { return std::make_unique<P2cStrategy>(); });

}  // namespace
}  // namespace micro::selector
