// The strategy "p2c", the power of two choices: of two random nodes the one with the smaller
// product of average latency and calls in flight. A slow or stuck node is left within a few calls,
// without anyone knowing all nodes.
#include "core/plugin_table.h"
#include "core/random.h"
#include "selector/selector.h"

namespace micro::selector {
namespace {

// The expected wait for one more call. A node that was never called costs nothing, so that it is
// tried.
double Cost(const NodeState& state) {
  const auto in_flight = static_cast<double>(state.in_flight.load(std::memory_order_relaxed));
  return static_cast<double>(state.latency_ns.load(std::memory_order_relaxed)) * (in_flight + 1) +
         in_flight;
}

class P2cStrategy final : public Strategy {
 public:
  std::string_view name() const override { return "p2c"; }
  size_t Choose(const std::vector<Candidate>& candidates) override {
    const size_t count = candidates.size();
    if (count == 1) return 0;
    const size_t a = RandomBelow(count);
    const size_t b = (a + 1 + RandomBelow(count - 1)) % count;  // another one
    return Cost(*candidates[b].state) < Cost(*candidates[a].state) ? b : a;
  }
};

MICRO_PLUGIN(Strategy, "p2c",
             [](const Strategy::PluginOptions&) { return std::make_unique<P2cStrategy>(); });

}  // namespace
}  // namespace micro::selector
