// The strategy by itself, and behind its flag.
#include <gtest/gtest.h>

#include "core/plugin_table.h"
#include "core/testing/status_matchers.h"
#include "micro/service.h"
#include "selector/selector.h"

namespace {

using micro::IsOk;
using micro::PluginTable;
using micro::selector::Candidate;
using micro::selector::NodeState;
using micro::selector::Strategy;

Candidate WithCallsInFlight(int calls) {
  Candidate candidate{.state = std::make_shared<NodeState>(), .service = nullptr};
  candidate.state->in_flight = calls;
  return candidate;
}

TEST(LeastBusy, ChoosesTheNodeWithTheFewestCallsInFlight) {
  const auto strategy = PluginTable<Strategy>::Create("leastbusy", {});
  ASSERT_THAT(strategy, IsOk());
  EXPECT_EQ((*strategy)->Choose({WithCallsInFlight(3), WithCallsInFlight(1), WithCallsInFlight(2)}),
            1u);
}

TEST(LeastBusy, IsKnownToTheFlag) {
  const auto service = micro::NewService({.name = "caller", .registry = "memory"});
  EXPECT_THAT(service->Init({"--selector=leastbusy"}), IsOk());
}

}  // namespace
