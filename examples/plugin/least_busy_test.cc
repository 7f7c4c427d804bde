// The strategy by itself, and behind its flag.
#include <gtest/gtest.h>

#include "core/plugin_table.h"
#include "core/testing/status_matchers.h"
#include "micro/service.h"
#include "selector/strategy.h"

namespace {

using micro::IsOk;
using micro::PluginTable;
using micro::selector::Candidates;
using micro::selector::NodeState;
using micro::selector::NodeStatePtr;
using micro::selector::Strategy;

TEST(LeastBusy, ChoosesTheNodeWithTheFewestCallsInFlight) {
  const auto strategy = PluginTable<Strategy>::Create("leastbusy", {});
  ASSERT_THAT(strategy, IsOk());
  const NodeStatePtr busy(new NodeState({.id = "busy"})), idle(new NodeState({.id = "idle"}));
  busy->lane().begun = 3;
  idle->lane().begun = 1;
  const Candidates nodes = {{busy.get()}, {idle.get()}};
  EXPECT_EQ((*strategy)->NewPicker(nodes)->Choose({}), 1u);
}

TEST(LeastBusy, IsKnownToTheFlag) {
  const auto service = micro::NewService({.name = "caller", .registry = "memory"});
  EXPECT_THAT(service->Init({"--selector=leastbusy"}), IsOk());
}

}  // namespace
