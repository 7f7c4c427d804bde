// The strategy "weighted": each node as often as its metadata `weight` says, against the others'. A
// node of weight 0 gets no calls while another has any.
#include <cstdint>
#include <vector>

#include "core/plugin_table.h"
#include "core/random.h"
#include "selector/strategy.h"

namespace micro::selector {
namespace {

// Vose's alias method: a column for each node, shared with at most one other; a choice takes a
// column, and one of the two in it.
class WeightedPicker final : public Picker {
 public:
  explicit WeightedPicker(const Candidates& candidates) : columns_(candidates.size()) {
    double sum = 0;
    for (const Candidate& candidate : candidates) sum += candidate.state->weight;
    std::vector<double> share;  // of the average
    for (const Candidate& candidate : candidates) {
      share.push_back(
          sum == 0 ? 1 : candidate.state->weight * static_cast<double>(columns_.size()) / sum);
    }
    std::vector<size_t> small, large;
    for (size_t i = 0; i < share.size(); ++i) (share[i] < 1 ? small : large).push_back(i);
    while (!small.empty() && !large.empty()) {
      const size_t less = small.back(), more = large.back();
      small.pop_back();
      columns_[less] = {share[less], more};
      share[more] -= 1 - share[less];
      if (share[more] < 1) {
        large.pop_back();
        small.push_back(more);
      }
    }
    // What rounding left over fills its column.
    for (const auto& rest : {small, large}) {
      for (const size_t i : rest) columns_[i] = {1, i};
    }
  }

  size_t Choose(const CallInfo&) override {
    const size_t i = RandomBelow(columns_.size());
    return RandomUnit() < columns_[i].own ? i : columns_[i].other;
  }

 private:
  struct Column {
    double own = 1;  // chance of the column's own node
    size_t other = 0;
  };
  std::vector<Column> columns_;
};

class WeightedStrategy final : public Strategy {
 public:
  std::string_view name() const override { return "weighted"; }
  std::unique_ptr<Picker> NewPicker(const Candidates& candidates) override {
    return std::make_unique<WeightedPicker>(candidates);
  }
};

MICRO_PLUGIN(Strategy, "weighted",
             [](const Strategy::PluginOptions&) { return std::make_unique<WeightedStrategy>(); });

}  // namespace
}  // namespace micro::selector
