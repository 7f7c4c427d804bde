// The strategy "roundrobin": one node after the other. It counts through all calls of the process,
// where go-micro's begins anew, at random, with each call.
#include <atomic>

#include "core/plugin_table.h"
#include "core/random.h"
#include "selector/selector.h"

namespace micro::selector {
namespace {

class RoundRobinStrategy final : public Strategy {
 public:
  std::string_view name() const override { return "roundrobin"; }
  size_t Choose(const std::vector<Candidate>& candidates) override {
    return next_.fetch_add(1, std::memory_order_relaxed) % candidates.size();
  }

 private:
  // Starts anywhere, so that the processes of a fleet do not all begin with the same node.
  std::atomic<uint64_t> next_ = RandomBelow(1 << 20);
};

MICRO_PLUGIN(Strategy, "roundrobin",
             [](const Strategy::PluginOptions&) { return std::make_unique<RoundRobinStrategy>(); });

}  // namespace
}  // namespace micro::selector
