// Traffic rules as calls meet them.
#include "selector/selector_fixture.h"

namespace micro::selector {
namespace {

using ::testing::ElementsAre;
using ::testing::Key;
using ::testing::UnorderedElementsAre;

std::shared_ptr<const TrafficRules> Traffic(const std::string& rules) {
  const auto parsed = ParseTraffic("services: {greeter: {rules: " + rules + "}}", "test");
  EXPECT_THAT(parsed, IsOk());
  return std::make_shared<const TrafficRules>(*parsed);
}

class TrafficTest : public ::testing::Test {
 protected:
  void SetUp() override {
    world_.Register(Greeter("1", {"a", "b"}));
    world_.RegisterAndDiscover(Greeter("2", {"c"}));
  }
  void Set(const std::string& rules) { world_.selector.SetTraffic(Traffic(rules)); }

  World world_{"random", kForLong};
};

TEST_F(TrafficTest, SharesCallsAmongVersionsByWeight) {
  Set("[{route: [{version: 1, weight: 90}, {version: 2, weight: 10}]}]");
  auto chosen = world_.Count(10'000);
  EXPECT_NEAR(chosen["c"], 1000, 300);
  EXPECT_NEAR(chosen["a"], 4500, 600);
  Set("[{route: {version: 2}}]");
  EXPECT_THAT(world_.Count(100), ElementsAre(Key("c")));
  world_.selector.SetTraffic(nullptr);
  EXPECT_NEAR(world_.Count(9000)["c"], 3000, 600);
}

TEST_F(TrafficTest, FollowsTheFirstRuleThatMatches) {
  Set("[{match: {X-Canary: yes}, route: {version: 2}}, {route: {version: 1}}]");
  EXPECT_THAT(world_.Count(100), UnorderedElementsAre(Key("a"), Key("b")));
  Metadata canary;
  canary.Set("X-Canary", "yes");
  for (int i = 0; i < 20; ++i) {
    const auto pick = world_.selector.Select("greeter", {}, {.metadata = &canary});
    EXPECT_EQ(pick->node().id, "c");
  }
}

TEST_F(TrafficTest, PassesOverAVersionWithoutNodes) {
  Set("[{route: [{version: 2, weight: 1}, {version: 3, weight: 1000}]}]");
  EXPECT_THAT(world_.Count(100), ElementsAre(Key("c")));
}

TEST_F(TrafficTest, NamesARuleOfWhoseVersionsThereIsNoNode) {
  Set("[{name: future, route: {version: 3}}]");
  EXPECT_THAT(world_.selector.Select("greeter", {}),
              StatusIs(absl::StatusCode::kUnavailable,
                       "error selecting greeter node: none available (3 known, none of the "
                       "versions of traffic rule \"future\")"));
}

TEST_F(TrafficTest, LeavesAVersionWhoseNodesAreLeftOut) {
  Set("[{route: [{version: 1, weight: 1}, {version: 2, weight: 1000}]}]");
  world_.MarkForLong("c");
  EXPECT_THAT(world_.Count(100), UnorderedElementsAre(Key("a"), Key("b")));
}

TEST(TrafficTrial, BringsAVersionBackWhoseNodesWereAllLeftOut) {
  World world("random", {.unreachable_for = absl::Milliseconds(1)});
  world.Register(Greeter("1", {"a", "b"}));
  world.RegisterAndDiscover(Greeter("2", {"c"}));
  world.selector.SetTraffic(
      Traffic("[{route: [{version: 1, weight: 1}, {version: 2, weight: 1000}]}]"));
  world.End(Only("c"), absl::UnavailableError("refused"), /*unreachable=*/true);
  std::optional<Pick> trial;
  ASSERT_TRUE(Eventually([&] {
    trial = *world.selector.Select("greeter", {});
    return trial->node().id == "c";
  }));
  EXPECT_THAT(world.Count(100), UnorderedElementsAre(Key("a"), Key("b"))) << "while it is tried";
  trial->Done(absl::OkStatus());
  EXPECT_GT(world.Count(100)["c"], 50);
}

TEST_F(TrafficTest, StaysWithTheRuleWhenACallIsTriedAgain) {
  Set("[{route: {version: 1}}]");
  EXPECT_THAT(world_.Count(50, {.avoid = {"a"}}), ElementsAre(Key("b")));
  EXPECT_THAT(world_.Count(50, {.avoid = {"a", "b"}}), UnorderedElementsAre(Key("a"), Key("b")));
}

TEST_F(TrafficTest, SaysWhatIsKnownAndWhichRulesThereAre) {
  Set("[{name: canary, endpoint: Greeter.Hello, route: [{version: 1, weight: 9}, {version: 3}]}]");
  world_.MarkForLong("b");
  Pick running = *world_.selector.Select("greeter", Only("a"));
  const auto report = world_.selector.Describe("greeter");
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->strategy, "random");
  EXPECT_THAT(report->registry_status, IsOk());
  ASSERT_EQ(report->nodes.size(), 3u);
  EXPECT_EQ(report->nodes[0].id, "a");
  EXPECT_EQ(report->nodes[0].state, "usable");
  EXPECT_EQ(report->nodes[0].in_flight, 1);
  EXPECT_FALSE(report->nodes[0].ejection.has_value());
  EXPECT_EQ(report->nodes[1].state, "ejected");
  EXPECT_EQ(report->nodes[1].ejection->why, "refused");
  EXPECT_EQ(report->nodes[2].version, "2");
  ASSERT_EQ(report->rules.size(), 1u);
  EXPECT_EQ(report->rules[0].when, "endpoint Greeter.Hello");
  ASSERT_EQ(report->rules[0].routes.size(), 2u);
  EXPECT_EQ(report->rules[0].routes[0].nodes, 2u);
  EXPECT_EQ(report->rules[0].routes[1].nodes, 0u);
  EXPECT_THAT(world_.selector.Describe("nobody"), StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace micro::selector
