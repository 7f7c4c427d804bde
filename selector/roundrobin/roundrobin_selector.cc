// The strategy "roundrobin": one node after the other. It counts through all calls of a thread, where
// go-micro's begins anew, at random, with each call.
#include <atomic>

#include "core/lane.h"
#include "core/plugin_table.h"
#include "core/random.h"
#include "selector/strategy.h"

namespace micro::selector {
namespace {

class RoundRobinPicker final : public Picker {
 public:
  explicit RoundRobinPicker(size_t count) : count_(count) {
    // Starts anywhere, so that the processes of a fleet do not all begin with the same node.
    for (Lane& lane : lanes_) lane.next = RandomBelow(count);
  }
  size_t Choose(const CallInfo&) override {
    return lanes_[ThisLane()].next.fetch_add(1, std::memory_order_relaxed) % count_;
  }

 private:
  struct alignas(kCacheLine) Lane {
    std::atomic<uint64_t> next = 0;
  };
  const size_t count_;
  Lane lanes_[kLanes];
};

class RoundRobinStrategy final : public Strategy {
 public:
  std::string_view name() const override { return "roundrobin"; }
  std::unique_ptr<Picker> NewPicker(const Candidates& candidates) override {
    return std::make_unique<RoundRobinPicker>(candidates.size());
  }
};

MICRO_PLUGIN(Strategy, "roundrobin",
             [](const Strategy::PluginOptions&) { return std::make_unique<RoundRobinStrategy>(); });

}  // namespace
}  // namespace micro::selector
