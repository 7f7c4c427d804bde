// The strategy "random": each node with equal chance. go-micro's default.
#include "core/plugin_table.h"
#include "core/random.h"
#include "selector/selector.h"

namespace micro::selector {
namespace {

class RandomStrategy final : public Strategy {
 public:
  std::string_view name() const override { return "random"; }
  size_t Choose(const std::vector<Candidate>& candidates) override {
    return RandomBelow(candidates.size());
  }
};

MICRO_PLUGIN(Strategy, "random",
             [](const Strategy::PluginOptions&) { return std::make_unique<RandomStrategy>(); });

}  // namespace
}  // namespace micro::selector
