#include "due/cluster/route_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "core/testing/status_matchers.h"

namespace due {
namespace {

using link::State;
using ::micro::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

NodePeer Node(std::string id, State state, std::vector<NodePeer::Route> routes, int weight = 1) {
  return {.id = std::move(id),
          .alias = "hall",
          .state = state,
          .weight = weight,
          .routes = std::move(routes),
          .events = {link::Event::kConnect}};
}

std::string Next(const RouteTable& table, int32_t route) {
  const NodePeer* const node = table.FindRoute(route)->Next();
  return node == nullptr ? "nobody" : node->id;
}

TEST(RouteTable, ANodeThatWorksGoesBeforeABusyOne) {
  const RouteTable table({Node("busy", State::kBusy, {{.id = 1}, {.id = 2}}),
                          Node("works", State::kWork, {{.id = 1}}),
                          Node("hangs", State::kHang, {{.id = 1}, {.id = 3}})});
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Next(table, 1), "works");
  EXPECT_EQ(Next(table, 2), "busy");
  EXPECT_EQ(Next(table, 3), "nobody");
  EXPECT_EQ(table.FindRoute(4), nullptr);
  EXPECT_EQ(table.FindNode("hangs")->state, State::kHang);
  EXPECT_EQ(table.FindNode("none"), nullptr);
  EXPECT_EQ(table.Listeners(link::Event::kConnect).size(), 3u);
  EXPECT_TRUE(table.Listeners(link::Event::kDisconnect).empty());
}

TEST(RouteTable, TheFirstThatDeclaresARouteSaysWhatItIs) {
  NodePeer other = Node("b", State::kWork, {{.id = 1, .internal = true}});
  other.alias = "room";
  const RouteTable table(
      {Node("a", State::kWork, {{.id = 1, .stateful = true, .authorized = true}}), other});
  const RouteTable::Route& route = *table.FindRoute(1);
  EXPECT_TRUE(route.stateful && route.authorized && !route.internal);
  EXPECT_EQ(route.alias, "hall");
}

std::vector<std::string> Turns(Dispatch dispatch, int count) {
  const RouteTable table(
      {Node("a", State::kWork, {{.id = 1}}, 5), Node("b", State::kWork, {{.id = 1}}, 1),
       Node("c", State::kWork, {{.id = 1}}, 1)},
      dispatch);
  std::vector<std::string> turns;
  for (int i = 0; i < count; ++i) turns.push_back(Next(table, 1));
  return turns;
}

TEST(RouteTable, DispatchesInTurn) {
  EXPECT_THAT(Turns(Dispatch::kRoundRobin, 6), ElementsAre("a", "b", "c", "a", "b", "c"));
}

TEST(RouteTable, DispatchesByWeightAndEvenly) {
  EXPECT_THAT(Turns(Dispatch::kWeighted, 8), ElementsAre("a", "a", "b", "a", "c", "a", "a", "a"));
}

TEST(RouteTable, DispatchesAtRandom) {
  std::map<std::string, int> counts;
  for (const std::string& node : Turns(Dispatch::kRandom, 3000)) ++counts[node];
  for (const auto& [node, count] : counts) EXPECT_NEAR(count, 1000, 200) << node;
}

TEST(RouteTable, HugeWeightsAreTakenInProportion) {
  const RouteTable table({Node("a", State::kWork, {{.id = 1}}, 2000000000),
                          Node("b", State::kWork, {{.id = 1}}, 1000000000)},
                         Dispatch::kWeighted);
  std::map<std::string, int> counts;
  for (int i = 0; i < 300; ++i) ++counts[Next(table, 1)];
  EXPECT_EQ(counts["a"], 200);
}

TEST(RouteTable, NamesADispatchThatThereIsNot) {
  EXPECT_EQ(*ParseDispatch("wrr"), Dispatch::kWeighted);
  EXPECT_THAT(ParseDispatch("best"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("best")));
}

}  // namespace
}  // namespace due
