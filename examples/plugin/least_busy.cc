// A selector strategy of one's own: "leastbusy", the node with the fewest calls of this process in
// flight. Linking this target is all it takes: --selector=leastbusy knows it from then on.
#include <algorithm>

#include "core/plugin_table.h"
#include "selector/selector.h"

namespace {

using micro::selector::Candidate;
using micro::selector::Strategy;

class LeastBusy final : public Strategy {
 public:
  std::string_view name() const override { return "leastbusy"; }

  size_t Choose(const std::vector<Candidate>& candidates) override {
    const auto less_busy = [](const Candidate& a, const Candidate& b) {
      return a.state->in_flight < b.state->in_flight;
    };
    const auto choice = std::min_element(candidates.begin(), candidates.end(), less_busy);
    return static_cast<size_t>(choice - candidates.begin());
  }
};

MICRO_PLUGIN(Strategy, "leastbusy",
             [](const Strategy::PluginOptions&) { return std::make_unique<LeastBusy>(); });

}  // namespace
