#include "selector/plight.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/async.h"
#include "core/testing/eventually.h"
#include "core/testing/status_matchers.h"
#include "core/testing/virtual_clock.h"
#include "registry/testing/scripted_registry.h"
#include "selector/selector.h"

namespace micro::selector {
namespace {

using ::testing::IsEmpty;
using ::testing::MatchesRegex;

// ---- Nodes that are left out ----

class EjectedTextTest : public ::testing::Test {
 protected:
  ~EjectedTextTest() override { health_->SetNodes({}); }

  void HaveNodes(int count) {
    for (int i = 0; i < count; ++i) {
      nodes_.push_back(new NodeState({.id = std::to_string(i)}, health_));
      candidates_.push_back({nodes_.back().get(), nullptr});
    }
    health_->SetNodes(nodes_);
  }
  void CannotReach(size_t node) {
    health_->Failed(*nodes_[node], absl::UnavailableError("refused"), /*unreachable=*/true);
  }
  void FailOften(size_t node) {
    for (int i = 0; i < 5; ++i)
      health_->Failed(*nodes_[node], absl::InternalError("broken"), false);
  }
  std::string Text() { return EjectedText(candidates_, nodes_.size(), *health_, clock_.Now()); }

  VirtualClock clock_;
  const std::shared_ptr<Health> health_ =
      std::make_shared<Health>(EjectionOptions{.unreachable_for = absl::Hours(1),
                                               .failing_for = absl::Hours(1),
                                               .longest = absl::Hours(1)},
                               clock_, [] {});
  std::vector<NodeStatePtr> nodes_;
  Candidates candidates_;
};

TEST_F(EjectedTextTest, SaysNothingWhileANodeIsLeft) {
  HaveNodes(3);
  CannotReach(0);
  CannotReach(1);
  EXPECT_THAT(Text(), IsEmpty());
}

TEST_F(EjectedTextTest, SaysNothingOfNoNodes) { EXPECT_THAT(Text(), IsEmpty()); }

TEST_F(EjectedTextTest, CountsTheNodesByWhatIsWrongWithThem) {
  HaveNodes(3);
  FailOften(0);
  CannotReach(1);
  clock_.Advance(absl::Seconds(4));
  CannotReach(2);
  clock_.Advance(absl::Milliseconds(2100));
  EXPECT_EQ(Text(), "all 3 nodes are ejected (2 unreachable, 1 failing), the last 2.1s ago");
}

TEST_F(EjectedTextTest, HasWordsForASingleNode) {
  HaveNodes(1);
  CannotReach(0);
  EXPECT_EQ(Text(), "its only node is ejected (unreachable) for 0");
}

TEST_F(EjectedTextTest, SaysOfHowManyWhereACallMayNotGoToAll) {
  HaveNodes(3);
  CannotReach(1);
  candidates_ = {candidates_[1]};
  EXPECT_EQ(Text(),
            "all 1 of 3 nodes that the call may go to are ejected (1 unreachable), the last 0 ago");
}

TEST_F(EjectedTextTest, CountsANodeOnTrialUntilItHasDoneWell) {
  HaveNodes(1);
  CannotReach(0);
  clock_.Advance(absl::Hours(1));
  ASSERT_TRUE(nodes_[0]->TakeTrial());
  EXPECT_EQ(Text(), "its only node is ejected (unreachable) for 1h");
  health_->Succeeded(*nodes_[0]);
  EXPECT_THAT(Text(), IsEmpty());
}

// ---- A selector's ----

registry::Service Greeter(const std::string& version, const std::vector<std::string>& ids) {
  registry::Service service{.name = "greeter", .version = version};
  for (const std::string& id : ids) service.nodes.push_back({.id = id, .address = id + ":80"});
  return service;
}

class SelectorPlight : public ::testing::Test {
 protected:
  ~SelectorPlight() override { cache_->Stop(); }

  void Know(const registry::Service& service) {
    EXPECT_THAT(BlockOn(registry_->Register(Context(), service, {})), IsOk());
    EXPECT_THAT(BlockOn(selector_.Discover(Context(), "greeter")), IsOk());
    ASSERT_TRUE(Eventually(
        [&] { return selector_.Select("greeter", {.filters = {Version(service.version)}}).ok(); }));
  }
  // Until no call goes to a node that can be reached.
  void CannotReach(const std::string& version, int nodes) {
    const SelectOptions options{.filters = {Version(version)}};
    SelectOptions tried = options;
    for (int i = 0; i < nodes; ++i) {
      absl::StatusOr<Pick> pick = selector_.Select("greeter", tried);
      ASSERT_THAT(pick, IsOk());
      tried.avoid.push_back(pick->node().id);
      pick->Done(absl::UnavailableError("refused"), /*unreachable=*/true);
    }
  }

  registry::RegistryScript script_;
  const std::shared_ptr<registry::Registry> registry_ =
      *registry::ScriptedRegistryFactory(script_)({.addresses = {"plight-test"}});
  const std::shared_ptr<registry::Cache> cache_ = std::make_shared<registry::Cache>(
      registry_, registry::CacheOptions{.ttl = absl::Milliseconds(5)});
  Selector selector_{*PluginTable<Strategy>::Create("random", {}),
                     cache_,
                     {.ejection = {.unreachable_for = absl::Hours(1), .longest = absl::Hours(1)}}};
};

TEST_F(SelectorPlight, IsNoneWhereNothingIsWrongOrKnown) {
  const Plight unknown = selector_.PlightOf("greeter", {}, {});
  EXPECT_THAT(unknown.ejected, IsEmpty());
  EXPECT_THAT(unknown.age, IsEmpty());
  Know(Greeter("1", {"a"}));
  const Plight known = selector_.PlightOf("greeter", {}, {});
  EXPECT_THAT(known.ejected, IsEmpty());
  EXPECT_THAT(known.age, IsEmpty());
}

TEST_F(SelectorPlight, CountsTheNodesThatPassTheCallsFilters) {
  Know(Greeter("1", {"a", "b"}));
  Know(Greeter("2", {"c"}));
  CannotReach("1", 2);
  EXPECT_THAT(selector_.PlightOf("greeter", {}, {}).ejected, IsEmpty());
  EXPECT_THAT(selector_.PlightOf("greeter", {.filters = {Version("1")}}, {}).ejected,
              MatchesRegex("all 2 of 3 nodes that the call may go to are ejected "
                           "\\(2 unreachable\\), the last .* ago"));
}

TEST_F(SelectorPlight, CountsTheNodesOfTheVersionsThatTheTrafficRuleNames) {
  Know(Greeter("1", {"a", "b"}));
  Know(Greeter("2", {"c"}));
  auto rules = std::make_shared<TrafficRules>();
  rules->services["greeter"] = {
      {.name = "stay", .routes = {{.version = "1", .weight = 1}, {.version = "2", .weight = 0}}}};
  selector_.SetTraffic(rules);
  CannotReach("1", 2);
  EXPECT_THAT(selector_.PlightOf("greeter", {}, {}).ejected, MatchesRegex("all 2 of 3 nodes .*"));
}

TEST_F(SelectorPlight, HasTheAgeOfNodesWhoseRegistryIsDown) {
  Know(Greeter("1", {"a"}));
  script_.down = true;
  EXPECT_TRUE(Eventually([&] { return !selector_.PlightOf("greeter", {}, {}).age.empty(); }));
  EXPECT_THAT(selector_.PlightOf("greeter", {}, {}).age,
              MatchesRegex("nodes as of .* ago: registry scripted cannot be asked "
                           "\\([0-9]+ lookups? failed in .*\\): the registry is down"));
  script_.down = false;
  EXPECT_TRUE(Eventually([&] { return selector_.PlightOf("greeter", {}, {}).age.empty(); }));
}

}  // namespace
}  // namespace micro::selector
