#include "registry/consul/consul_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace micro::registry::consul {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr absl::Duration kGrace = absl::Seconds(60);
const absl::Time kStart = absl::FromUnixSeconds(1000);

Service Version(const std::string& version, const std::vector<std::string>& ids) {
  Service service{.name = "greeter", .version = version};
  for (const std::string& id : ids) service.nodes.push_back({id, id + ":80", {}});
  return service;
}

Health Live(std::vector<Service> services, std::set<std::string> critical = {}) {
  return {.services = std::move(services), .critical = std::move(critical)};
}

// "create 1: a b", an event a line.
std::vector<std::string> Lines(const std::vector<Event>& events) {
  std::vector<std::string> lines;
  for (const Event& event : events) {
    lines.push_back(std::string(ToString(event.action)) + " " + event.service.version + ":");
    for (const Node& node : event.service.nodes) lines.back() += " " + node.id;
  }
  return lines;
}

TEST(ConsulView, TellsWhatComesChangesAndGoes) {
  View view({}, kGrace);
  EXPECT_THAT(Lines(view.Update(Live({Version("1", {"a", "b"}), Version("2", {"c"})}), kStart)),
              ElementsAre("create 1: a b", "create 2: c"));
  EXPECT_THAT(view.Update(Live({Version("1", {"a", "b"}), Version("2", {"c"})}), kStart),
              IsEmpty());
  Service changed = Version("1", {"b", "d"});
  changed.nodes[0].metadata["zone"] = "x";
  EXPECT_THAT(Lines(view.Update(Live({changed}), kStart)),
              ElementsAre("create 1: d", "update 1: b", "delete 1: a", "delete 2: c"));
  EXPECT_THAT(Lines(view.Update(Live({}), kStart)), ElementsAre("delete 1: b d"));
  EXPECT_TRUE(view.empty());
}

TEST(ConsulView, ChangedEndpointsAreAnUpdateOfAllNodes) {
  View view({Version("1", {"a", "b"})}, kGrace);
  Service changed = Version("1", {"a", "b"});
  changed.endpoints = {{.name = "Greeter.Hello"}};
  EXPECT_THAT(Lines(view.Update(Live({changed}), kStart)), ElementsAre("update 1: a b"));
}

TEST(ConsulView, WhatIsKnownAtFirstIsNotTold) {
  View view({Version("1", {"a"})}, kGrace);
  EXPECT_THAT(view.Update(Live({Version("1", {"a"})}), kStart), IsEmpty());
}

TEST(ConsulView, AFailingNodeIsGoneAtOnce) {
  View view({Version("1", {"a", "b"})}, kGrace);
  EXPECT_THAT(Lines(view.Update(Live({Version("1", {"a"})}, {"b"}), kStart)),
              ElementsAre("delete 1: b"));
}

TEST(ConsulView, KeepsTheNodesThatAnAgentLost) {
  View view({Version("1", {"a", "b"}), Version("2", {"c"})}, kGrace);
  EXPECT_THAT(view.Doubted(), IsEmpty());
  view.Break();
  EXPECT_THAT(view.Doubted(), testing::SizeIs(2));
  EXPECT_THAT(view.Update(Live({}), kStart), IsEmpty());
  EXPECT_EQ(view.due(), kStart + kGrace);
  EXPECT_EQ(view.Doubted(), (std::vector<Service>{Version("1", {"a", "b"}), Version("2", {"c"})}));
  // They come back one after the other.
  EXPECT_THAT(view.Update(Live({Version("1", {"b"})}), kStart + absl::Seconds(1)), IsEmpty());
  EXPECT_THAT(view.Update(Live({Version("1", {"b", "a"})}), kStart + absl::Seconds(2)), IsEmpty());
  EXPECT_EQ(view.Doubted(), std::vector<Service>{Version("2", {"c"})});
  // What does not is gone.
  EXPECT_THAT(Lines(view.Update(Live({Version("1", {"a", "b"})}), kStart + kGrace)),
              ElementsAre("delete 2: c"));
  EXPECT_EQ(view.due(), absl::InfiniteFuture());
}

TEST(ConsulView, ANodeThatCameBackAndLeavesIsGoneAtOnce) {
  View view({Version("1", {"a", "b"})}, kGrace);
  view.Break();
  EXPECT_THAT(view.Update(Live({Version("1", {"a"})}), kStart), IsEmpty());
  EXPECT_THAT(view.Update(Live({Version("1", {"a", "b"})}), kStart), IsEmpty());
  EXPECT_THAT(Lines(view.Update(Live({Version("1", {"b"})}), kStart)), ElementsAre("delete 1: a"));
  EXPECT_THAT(Lines(view.Update(Live({}), kStart)), ElementsAre("delete 1: b"));
}

TEST(ConsulView, KeepsNodesWhoseChecksFailedWhileNobodyCouldPassThem) {
  View view({Version("1", {"a", "b"})}, kGrace);
  view.Break();
  EXPECT_THAT(view.Update(Live({Version("1", {"a", "b"})}), kStart), IsEmpty());
  EXPECT_THAT(view.Update(Live({}, {"a", "b"}), kStart + absl::Seconds(1)), IsEmpty());
  EXPECT_THAT(view.Update(Live({Version("1", {"a"})}, {"b"}), kStart + absl::Seconds(2)),
              IsEmpty());
  EXPECT_THAT(Lines(view.Update(Live({Version("1", {"a"})}, {"b"}), kStart + kGrace)),
              ElementsAre("delete 1: b"));
  EXPECT_THAT(Lines(view.Update(Live({}, {"a"}), kStart + kGrace)), ElementsAre("delete 1: a"));
}

TEST(ConsulView, NewNodesAreToldWhileOthersAreInDoubt) {
  View view({Version("1", {"a"})}, kGrace);
  view.Break();
  Service changed = Version("1", {"b"});
  changed.endpoints = {{.name = "Greeter.Hello"}};
  EXPECT_THAT(Lines(view.Update(Live({changed}), kStart)), ElementsAre("create 1: b"));
  EXPECT_THAT(Lines(view.Update(Live({changed}), kStart + kGrace)), ElementsAre("delete 1: a"));
}

TEST(ConsulView, ANodeThatChangedItsVersionIsNotInDoubt) {
  View view({Version("1", {"a"})}, kGrace);
  view.Break();
  EXPECT_THAT(Lines(view.Update(Live({Version("2", {"a"})}), kStart)),
              ElementsAre("create 2: a", "delete 1: a"));
}

TEST(ConsulView, ASecondBreakBeginsAnew) {
  View view({Version("1", {"a"})}, kGrace);
  view.Break();
  EXPECT_THAT(view.Update(Live({}), kStart), IsEmpty());
  view.Break();
  EXPECT_THAT(view.Update(Live({}), kStart + kGrace), IsEmpty());
  EXPECT_THAT(Lines(view.Update(Live({}), kStart + 2 * kGrace)), ElementsAre("delete 1: a"));
}

}  // namespace
}  // namespace micro::registry::consul
