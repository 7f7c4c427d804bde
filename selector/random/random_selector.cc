// The strategy "random": each node with equal chance. go-micro's default.
#include "core/plugin_table.h"
#include "core/random.h"
#include "selector/strategy.h"

namespace micro::selector {
namespace {

class RandomPicker final : public Picker {
 public:
  explicit RandomPicker(size_t count) : count_(count) {}
  size_t Choose(const CallInfo&) override { return RandomBelow(count_); }

 private:
  const size_t count_;
};

class RandomStrategy final : public Strategy {
 public:
  std::string_view name() const override { return "random"; }
  std::unique_ptr<Picker> NewPicker(const Candidates& candidates) override {
    return std::make_unique<RandomPicker>(candidates.size());
  }
};

MICRO_PLUGIN(Strategy, "random",
             [](const Strategy::PluginOptions&) { return std::make_unique<RandomStrategy>(); });

}  // namespace
}  // namespace micro::selector
