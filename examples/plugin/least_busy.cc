// A selector strategy of one's own: "leastbusy", the node with the fewest calls of this process in
// flight. Linking this target is all it takes: --selector=leastbusy knows it from then on.
#include <algorithm>

#include "core/plugin_table.h"
#include "selector/strategy.h"

namespace {

using micro::selector::CallInfo;
using micro::selector::Candidate;
using micro::selector::Candidates;
using micro::selector::Picker;
using micro::selector::Strategy;

class LeastBusyPicker final : public Picker {
 public:
  explicit LeastBusyPicker(const Candidates& candidates) : candidates_(candidates) {}

  size_t Choose(const CallInfo&) override {
    const auto less_busy = [](const Candidate& a, const Candidate& b) {
      return a.state->in_flight() < b.state->in_flight();
    };
    const auto choice = std::min_element(candidates_.begin(), candidates_.end(), less_busy);
    return static_cast<size_t>(choice - candidates_.begin());
  }

 private:
  const Candidates& candidates_;
};

class LeastBusy final : public Strategy {
 public:
  std::string_view name() const override { return "leastbusy"; }
  std::unique_ptr<Picker> NewPicker(const Candidates& candidates) override {
    return std::make_unique<LeastBusyPicker>(candidates);
  }
};

MICRO_PLUGIN(Strategy, "leastbusy",
             [](const Strategy::PluginOptions&) { return std::make_unique<LeastBusy>(); });

}  // namespace
