// The strategy "least": the node with the fewest calls in flight, of this process and all its
// threads; of several such a random one. Of more than 32 nodes it looks at 32, next to each other in
// a random place, so that a choice costs no more with more nodes.
#include <algorithm>

#include "core/plugin_table.h"
#include "core/random.h"
#include "selector/strategy.h"

namespace micro::selector {
namespace {

constexpr size_t kLooked = 32;

class LeastPicker final : public Picker {
 public:
  explicit LeastPicker(const Candidates& candidates) : candidates_(candidates) {}

  size_t Choose(const CallInfo&) override {
    const size_t count = candidates_.size();
    const size_t first = RandomBelow(count);
    size_t choice = first;
    int64_t least = candidates_[first].state->in_flight();
    for (size_t i = 1; i < std::min(count, kLooked) && least > 0; ++i) {
      const size_t other = first + i < count ? first + i : first + i - count;
      const int64_t in_flight = candidates_[other].state->in_flight();
      if (in_flight >= least) continue;
      least = in_flight;
      choice = other;
    }
    return choice;
  }

 private:
  const Candidates& candidates_;
};

class LeastStrategy final : public Strategy {
 public:
  std::string_view name() const override { return "least"; }
  std::unique_ptr<Picker> NewPicker(const Candidates& candidates) override {
    return std::make_unique<LeastPicker>(candidates);
  }
};

MICRO_PLUGIN(Strategy, "least",
             [](const Strategy::PluginOptions&) { return std::make_unique<LeastStrategy>(); });

}  // namespace
}  // namespace micro::selector
