// Which of its nodes the strategy p2c chooses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/plugin_table.h"
#include "selector/node_state.h"
#include "selector/strategy.h"

namespace micro::selector {
namespace {

using ::testing::Key;
using ::testing::UnorderedElementsAre;

std::unique_ptr<Strategy> NewStrategy(const std::string& name) {
  return *PluginTable<Strategy>::Create(name, {});
}

// Nodes as a strategy sees them, whose calls took so long.
class Group {
 public:
  explicit Group(const std::vector<absl::Duration>& latencies) {
    for (const absl::Duration latency : latencies) {
      states_.push_back(new NodeState({.id = std::to_string(states_.size())}));
      candidates_.push_back({states_.back().get(), nullptr});
      if (latency > absl::ZeroDuration()) {
        states_.back()->lane().latency_ns = absl::ToInt64Nanoseconds(latency);
        states_.back()->lane().measured_at = TicksNow();
      }
    }
  }
  NodeState& operator[](size_t index) { return *states_[index]; }
  const Candidates& candidates() const { return candidates_; }

 private:
  std::vector<NodeStatePtr> states_;
  Candidates candidates_;
};

Ticks In(absl::Duration later) {
  return TicksNow() +
         static_cast<Ticks>(absl::ToDoubleNanoseconds(later) / internal::ticks_scale.nanos);
}

size_t Choose(Picker& picker, absl::Duration later = absl::ZeroDuration()) {
  return picker.Choose({.now = In(later)});
}

TEST(P2cStrategy, PrefersTheFasterOfTwo) {
  Group nodes({absl::Milliseconds(50), absl::Milliseconds(1)});
  const auto p2c = NewStrategy("p2c")->NewPicker(nodes.candidates());
  for (int i = 0; i < 100; ++i) EXPECT_EQ(Choose(*p2c), 1u);
}

TEST(P2cStrategy, LeavesTheFasterWhenItIsBusy) {
  Group nodes({absl::Milliseconds(50), absl::Milliseconds(1)});
  const auto p2c = NewStrategy("p2c")->NewPicker(nodes.candidates());
  nodes[1].lane().begun = 100;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(Choose(*p2c), 0u);
}

TEST(P2cStrategy, TriesANodeThatWasNeverCalled) {
  Group nodes({absl::Milliseconds(1), absl::ZeroDuration()});
  const auto p2c = NewStrategy("p2c")->NewPicker(nodes.candidates());
  for (int i = 0; i < 100; ++i) EXPECT_EQ(Choose(*p2c), 1u);
}

TEST(P2cStrategy, TriesASlowNodeAgainThatWasNotCalledForLong) {
  Group nodes({absl::Milliseconds(50), absl::Milliseconds(1)});
  const auto p2c = NewStrategy("p2c")->NewPicker(nodes.candidates());
  nodes[1].lane().measured_at = In(absl::Seconds(11));  // is called all the time
  EXPECT_EQ(Choose(*p2c, absl::Seconds(1)), 1u);
  EXPECT_EQ(Choose(*p2c, absl::Seconds(10)), 0u);
}

TEST(P2cStrategy, NeverChoosesTheWorstOfMany) {
  Group nodes({absl::Milliseconds(2), absl::Milliseconds(100), absl::Milliseconds(1),
               absl::Milliseconds(3)});
  const auto p2c = NewStrategy("p2c")->NewPicker(nodes.candidates());
  std::map<size_t, int> chosen;
  for (int i = 0; i < 6000; ++i) ++chosen[Choose(*p2c)];
  EXPECT_THAT(chosen, UnorderedElementsAre(Key(0u), Key(2u), Key(3u)));
  EXPECT_GT(chosen[2],
            chosen[0]);  // of six pairs it wins three, the next one two, and the third one
  EXPECT_GT(chosen[0], chosen[3]);
}

TEST(P2cStrategy, TakesTheOnlyNode) {
  Group nodes({absl::Seconds(1)});
  EXPECT_EQ(Choose(*NewStrategy("p2c")->NewPicker(nodes.candidates())), 0u);
}

}  // namespace
}  // namespace micro::selector
