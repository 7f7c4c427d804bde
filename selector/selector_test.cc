#include "selector/selector.h"

#include <optional>
#include <thread>

#include "selector/selector_fixture.h"

namespace micro::selector {
namespace {

using ::testing::ElementsAre;
using ::testing::Key;
using ::testing::MatchesRegex;
using ::testing::UnorderedElementsAre;

// ---- Strategies ----

TEST(RandomStrategy, ChoosesEachNodeOfAllVersionsAboutEquallyOften) {
  World world("random");
  world.Register(Greeter("1", {"a", "b"}));
  world.RegisterAndDiscover(Greeter("2", {"c", "d"}));
  const auto chosen = world.Count(8000);
  EXPECT_THAT(chosen, UnorderedElementsAre(Key("a"), Key("b"), Key("c"), Key("d")));
  for (const auto& [id, count] : chosen) {
    EXPECT_GT(count, 1600) << id;  // ten standard deviations
    EXPECT_LT(count, 2400) << id;
  }
}

TEST(RoundRobinStrategy, ChoosesEachNodeOnceInEveryRound) {
  World world("roundrobin");
  world.Register(Greeter("1", {"a", "b"}));
  world.RegisterAndDiscover(Greeter("2", {"c"}));
  for (int round = 0; round < 5; ++round) {
    EXPECT_EQ(world.Count(3), (std::map<std::string, int>{{"a", 1}, {"b", 1}, {"c", 1}}));
  }
}

TEST(P2cStrategy, SpreadsCallsThatRunAtOnce) {
  World world("p2c");
  world.RegisterAndDiscover(Greeter("1", {"a", "b"}));
  std::vector<Pick> running;
  std::map<std::string, int> chosen;
  for (int i = 0; i < 20; ++i) {
    running.push_back(*world.selector.Select("greeter", {}));
    ++chosen[running.back().node().id];
  }
  EXPECT_EQ(chosen, (std::map<std::string, int>{{"a", 10}, {"b", 10}}));
}

// ---- Filters ----

TEST(Selector, KeepsToTheVersionThatIsAskedFor) {
  World world("random");
  world.Register(Greeter("1", {"a", "b"}));
  world.RegisterAndDiscover(Greeter("2", {"c"}));
  EXPECT_THAT(world.Count(200, {.filters = {Version("1")}}),
              UnorderedElementsAre(Key("a"), Key("b")));
  EXPECT_THAT(world.Count(20, {.filters = {Version("2")}}), ElementsAre(Key("c")));
}

TEST(Selector, KeepsToVersionsThatHaveTheEndpoint) {
  World world("random");
  world.Register(Greeter("1", {"a"}));
  registry::Service newer = Greeter("2", {"b"});
  newer.endpoints.push_back({.name = "Greeter.Goodbye"});
  world.RegisterAndDiscover(newer);
  EXPECT_THAT(world.Count(20, {.filters = {Endpoint("Greeter.Goodbye")}}), ElementsAre(Key("b")));
  EXPECT_THAT(world.Count(200, {.filters = {Endpoint("Greeter.Hello")}}),
              UnorderedElementsAre(Key("a"), Key("b")));
}

TEST(Selector, KeepsToNodesWithTheLabel) {
  World world("random");
  world.RegisterAndDiscover(Greeter("1", {"a", "b", "c"}));
  EXPECT_THAT(world.Count(20, Only("b")), ElementsAre(Key("b")));
  EXPECT_THAT(world.selector.Select("greeter", {.filters = {Label("zone", "")}}),
              StatusIs(absl::StatusCode::kUnavailable));
}

TEST(Selector, AsksThatAllFiltersAgree) {
  World world("random");
  world.Register(Greeter("1", {"a", "b"}));
  world.RegisterAndDiscover(Greeter("2", {"c"}));
  const Filter not_a = [](const registry::Service&, const registry::Node& node) {
    return node.id != "a";
  };
  EXPECT_THAT(world.Count(50, {.filters = {Version("1"), not_a}}), ElementsAre(Key("b")));
}

TEST(Selector, TellsHowManyNodesPassedNoFilter) {
  World world("random");
  world.Register(Greeter("1", {"a", "b"}));
  world.RegisterAndDiscover(Greeter("2", {"c"}));
  EXPECT_THAT(
      world.selector.Select("greeter", {.filters = {Version("3")}}),
      StatusIs(absl::StatusCode::kUnavailable,
               "error selecting greeter node: none available (3 known, none passed the filters)"));
}

// ---- Avoiding ----

TEST(Selector, TakesANodeToAvoidOnlyWhenThereIsNoOther) {
  World world("random");
  world.RegisterAndDiscover(Greeter("1", {"a", "b", "c"}));
  EXPECT_THAT(world.Count(100, {.avoid = {"a", "c"}}), ElementsAre(Key("b")));
  EXPECT_THAT(world.Count(200, {.avoid = {"a", "b", "c"}}),
              UnorderedElementsAre(Key("a"), Key("b"), Key("c")));
}

TEST(Selector, LeavesOutANodeThatWasUnreachable) {
  World world("random", kForLong);
  world.RegisterAndDiscover(Greeter("1", {"a", "b"}));
  world.MarkForLong("a");
  EXPECT_THAT(world.Count(100), ElementsAre(Key("b")));
}

TEST(Selector, ReturnsToALeftOutNodeAfterAWhile) {
  World world("roundrobin");
  world.RegisterAndDiscover(Greeter("1", {"a", "b"}));
  world.End(Only("a"), absl::UnavailableError("refused"), /*unreachable=*/true);
  EXPECT_TRUE(Eventually([&] { return world.Count(2).contains("a"); }));
}

TEST(Selector, TakesALeftOutNodeWhenThereIsNoOther) {
  World world("random", kForLong);
  world.RegisterAndDiscover(Greeter("1", {"a", "b"}));
  world.MarkForLong("a");
  world.MarkForLong("b");
  EXPECT_THAT(world.Count(200), UnorderedElementsAre(Key("a"), Key("b")));
}

TEST(Selector, PrefersALeftOutNodeToOneThatThisCallHasTried) {
  World world("random", kForLong);
  world.RegisterAndDiscover(Greeter("1", {"a", "b"}));
  world.MarkForLong("a");
  EXPECT_THAT(world.Count(100, {.avoid = {"b"}}), ElementsAre(Key("a")));
}

TEST(Selector, TrustsANodeAgainThatAnswered) {
  World world("roundrobin", kForLong);
  world.RegisterAndDiscover(Greeter("1", {"a", "b"}));
  world.MarkForLong("a");
  world.End(Only("a"), absl::OkStatus());
  EXPECT_EQ(world.Count(10), (std::map<std::string, int>{{"a", 5}, {"b", 5}}));
}

TEST(Selector, DoesNotLeaveOutANodeForOneError) {
  World world("roundrobin");
  world.RegisterAndDiscover(Greeter("1", {"a", "b"}));
  for (const absl::Status& error :
       {absl::InternalError(""), absl::NotFoundError(""), absl::DeadlineExceededError(""),
        absl::CancelledError(""), absl::ResourceExhaustedError(""), absl::UnavailableError("")}) {
    world.End(Only("a"), error);
    world.End(Only("a"), absl::OkStatus());
    EXPECT_THAT(world.Count(2), UnorderedElementsAre(Key("a"), Key("b"))) << error;
  }
}

TEST(Selector, LeavesOutANodeThatFailsWhereOthersDoNot) {
  World world("roundrobin");
  world.RegisterAndDiscover(Greeter("1", {"a", "b", "c"}));
  for (int i = 0; i < 5; ++i) {
    world.End(Only("b"), absl::OkStatus());
    world.End(Only("a"), absl::InternalError("broken"));
  }
  EXPECT_THAT(world.Count(100), UnorderedElementsAre(Key("b"), Key("c")));
}

registry::Service Placed(const std::map<std::string, std::string>& places) {
  registry::Service service{.name = "greeter", .version = "1"};
  for (const auto& [id, place] : places) {
    service.nodes.push_back(
        {.id = id, .address = id + ":80", .metadata = {{"id", id}, {"locality", place}}});
  }
  return service;
}

TEST(Locality, PrefersNodesThatAreNear) {
  World world("random", {.locality = "eu/a", .ejection = kForLong});
  world.RegisterAndDiscover(
      Placed({{"a1", "eu/a"}, {"a2", "eu/a"}, {"b", "eu/b"}, {"us", "us/a"}, {"none", ""}}));
  EXPECT_THAT(world.Count(100), UnorderedElementsAre(Key("a1"), Key("a2")));
  world.MarkForLong("a1");
  EXPECT_THAT(world.Count(100), ElementsAre(Key("a2")));
  world.MarkForLong("a2");
  EXPECT_THAT(world.Count(100), UnorderedElementsAre(Key("b"), Key("us"), Key("none")))
      << "of eu, one of three is too few";
}

TEST(Locality, TakesAllWhereNoneIsNear) {
  World world("random", {.locality = "asia/a"});
  world.RegisterAndDiscover(Placed({{"b", "eu/b"}, {"us", "us/a"}}));
  EXPECT_THAT(world.Count(100), UnorderedElementsAre(Key("b"), Key("us")));
}

// ---- What is known of a node ----

// Takes the first node, and lets the test look at all.
class Looking final : public Strategy {
 public:
  explicit Looking(Candidates& seen) : seen_(seen) {}
  std::string_view name() const override { return "looking"; }
  bool timed() const override { return true; }
  std::unique_ptr<Picker> NewPicker(const Candidates& candidates) override {
    struct First final : Picker {
      First(Candidates& seen, const Candidates& all) : seen(seen), all(all) {}
      size_t Choose(const CallInfo&) override {
        seen = all;
        return 0;
      }
      Candidates& seen;
      const Candidates& all;
    };
    return std::make_unique<First>(seen_, candidates);
  }

 private:
  Candidates& seen_;
};

class NodeStates : public ::testing::Test {
 protected:
  void SetUp() override { world_.RegisterAndDiscover(Greeter("1", {"a"})); }
  Pick Select() { return *world_.selector.Select("greeter", {}); }
  const NodeState& state() const { return *seen_.at(0).state; }

  Candidates seen_;
  World world_{std::make_unique<Looking>(seen_), {.ejection = kForLong}};
};

TEST_F(NodeStates, CountTheCallsInFlight) {
  Pick first = Select();
  EXPECT_EQ(state().in_flight(), 1);
  {
    Pick abandoned = Select();
    EXPECT_EQ(state().in_flight(), 2);
    const Pick moved = std::move(abandoned);
    EXPECT_EQ(state().in_flight(), 2);
  }
  EXPECT_EQ(state().in_flight(), 1);
  first.Done(absl::OkStatus());
  first.Done(absl::UnavailableError("too late to count"));
  EXPECT_EQ(state().in_flight(), 0);
  EXPECT_TRUE(state().usable());
  first = Select();
  EXPECT_EQ(state().in_flight(), 1);
}

TEST_F(NodeStates, LearnLatencyFromCallsThatEndedAlone) {
  {
    const Pick abandoned = Select();
  }
  Select().Done(absl::CancelledError("the caller went"));
  EXPECT_EQ(state().latency(), absl::ZeroDuration());
  Select().Done(absl::OkStatus());
  EXPECT_GT(state().latency(), absl::ZeroDuration());
}

TEST_F(NodeStates, SurviveChangesOfOtherNodes) {
  Pick running = Select();
  const auto before = seen_.at(0).state;
  world_.Register(Greeter("1", {"b"}));
  ASSERT_TRUE(Eventually([&] { return Select(), seen_.size() == 2; }));
  EXPECT_EQ(seen_.at(0).state, before);
  EXPECT_EQ(seen_.at(0).state->in_flight(), 1);
}

TEST_F(NodeStates, BeginAnewForANodeThatMoved) {
  world_.MarkForLong("a");
  const auto before = seen_.at(0).state;
  registry::Service moved = Greeter("1", {"a"});
  moved.nodes[0].address = "elsewhere:80";
  world_.Register(moved);
  ASSERT_TRUE(Eventually([&] { return Select(), state().node.address == "elsewhere:80"; }));
  EXPECT_NE(seen_.at(0).state, before);
  EXPECT_TRUE(state().usable());
}

TEST_F(NodeStates, ComeWithTheRecordOfTheirVersion) {
  Select();
  EXPECT_EQ(seen_.at(0).service->version, "1");
  EXPECT_EQ(seen_.at(0).service->endpoints.at(0).name, "Greeter.Hello");
}

// ---- Discovery ----

TEST(Selector, KnowsNothingOfAServiceBeforeItIsDiscovered) {
  World world("random");
  world.Register(Greeter("1", {"a"}));
  EXPECT_THAT(
      world.selector.Select("greeter", {}),
      StatusIs(absl::StatusCode::kFailedPrecondition, "service greeter has not been discovered"));
  ASSERT_THAT(world.Discover(), IsOk());
  EXPECT_THAT(world.selector.Select("greeter", {}), IsOk());
}

TEST(Selector, TellsNoSuchServiceFromARegistryThatIsDown) {
  World world("random");
  EXPECT_THAT(world.Discover("nobody"),
              StatusIs(absl::StatusCode::kNotFound, "service nobody: not found"));
  world.script.down = true;
  EXPECT_THAT(world.Discover("greeter"),
              StatusIs(absl::StatusCode::kUnavailable,
                       MatchesRegex("service greeter: registry scripted cannot be asked "
                                    "\\(1 lookup failed in .*\\): the registry is down")));
}

TEST(Selector, DiscoverEndsWithItsContext) {
  World world("random");
  world.script.down = true;
  EXPECT_THAT(
      BlockOn(world.selector.Discover(WithTimeout(Context(), absl::ZeroDuration()), "greeter")),
      StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST(Selector, FollowsNodesThatComeAndGo) {
  World world("random");
  world.RegisterAndDiscover(Greeter("1", {"a"}));
  world.Register(Greeter("1", {"b"}));
  EXPECT_TRUE(Eventually([&] { return world.Count(20).contains("b"); }));
  world.Deregister(Greeter("1", {"a"}));
  EXPECT_TRUE(Eventually([&] { return !world.Count(20).contains("a"); }));
}

// More than are found by comparing their names.
TEST(Selector, FindsEachOfManyServices) {
  World world("random");
  for (const int count : {1, 8, 9, 30}) {
    for (int i = 0; i < count; ++i) {
      registry::Service service = Greeter("1", {std::to_string(i)});
      service.name = "service-" + std::to_string(i);
      world.Register(service);
      EXPECT_THAT(BlockOn(world.selector.Discover(Context(), service.name)), IsOk());
    }
    for (int i = 0; i < count; ++i) {
      const auto pick = world.selector.Select("service-" + std::to_string(i), {});
      ASSERT_THAT(pick, IsOk()) << i << " of " << count;
      EXPECT_EQ(pick->node().id, std::to_string(i));
    }
    EXPECT_FALSE(world.selector.Select("service-x", {}).ok());
  }
}

TEST(Selector, ForgetsAServiceThatHasGone) {
  World world("random");
  world.RegisterAndDiscover(Greeter("1", {"a"}));
  world.Deregister(Greeter("1", {"a"}));
  EXPECT_TRUE(Eventually(
      [&] { return absl::IsFailedPrecondition(world.selector.Select("greeter", {}).status()); }));
  EXPECT_THAT(world.Discover(), StatusIs(absl::StatusCode::kNotFound));
}

TEST(Selector, ManyThreadsSelectWhileNodesComeAndGo) {
  World world("p2c");
  world.RegisterAndDiscover(Greeter("1", {"steady"}));
  std::atomic<int> running = 4, failed = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int call = 0; call < 5000; ++call) {
        absl::StatusOr<Pick> pick = world.selector.Select("greeter", {});
        if (!pick.ok()) {
          ++failed;
        } else {
          pick->Done((call + i) % 7 == 0 ? absl::UnavailableError("refused") : absl::OkStatus(),
                     (call + i) % 2 == 0);
        }
      }
      --running;
    });
  }
  for (int i = 0; running > 0; ++i) {
    const registry::Service passing = Greeter("1", {"passing-" + std::to_string(i % 5)});
    world.Register(passing);
    world.Deregister(passing);
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failed, 0);
}

}  // namespace
}  // namespace micro::selector
