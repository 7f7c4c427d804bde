#include "registry/mdns/mdns_observer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace micro::registry {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);

Instance Greeter(uint32_t ttl = 100, const std::string& id = "greeter-1") {
  return {.name = InstanceName(id, "greeter"),
          .ttl = ttl,
          .service = {.name = "greeter", .version = "1.0.0", .nodes = {{id, "10.0.0.1:8080", {}}}}};
}

std::vector<Action> Actions(const std::vector<Event>& events) {
  std::vector<Action> actions;
  for (const Event& event : events) actions.push_back(event.action);
  return actions;
}

TEST(MdnsObserver, TellsOfANodeOnceAndOfItsLeaveOnce) {
  MdnsObserver observer;
  EXPECT_THAT(Actions(observer.OnAnnounced(Greeter(), kStart)), ElementsAre(Action::kCreate));
  EXPECT_THAT(observer.OnAnnounced(Greeter(), kStart), IsEmpty());
  const std::vector<Event> leave = observer.OnAnnounced(Greeter(0), kStart);
  EXPECT_THAT(Actions(leave), ElementsAre(Action::kDelete));
  EXPECT_TRUE(leave[0].service == Greeter().service);
  EXPECT_THAT(observer.OnAnnounced(Greeter(0), kStart), IsEmpty());
  EXPECT_THAT(Actions(observer.OnAnnounced(Greeter(), kStart)), ElementsAre(Action::kCreate));
}

TEST(MdnsObserver, TellsOfTheLeaveOfANodeThatItHasNotSeen) {
  MdnsObserver observer;
  EXPECT_THAT(Actions(observer.OnAnnounced(Greeter(0), kStart)), ElementsAre(Action::kDelete));
  EXPECT_THAT(observer.OnAnnounced(Greeter(0), kStart), IsEmpty());
  EXPECT_THAT(observer.TakeDue(kStart + absl::Seconds(1)).events, IsEmpty());
  EXPECT_EQ(observer.next_due(), absl::InfiniteFuture());
}

TEST(MdnsObserver, TellsOfAChangeAndOfAnotherVersion) {
  MdnsObserver observer;
  observer.OnAnnounced(Greeter(), kStart);
  Instance changed = Greeter();
  changed.service.nodes[0].metadata["zone"] = "b";
  EXPECT_THAT(Actions(observer.OnAnnounced(changed, kStart)), ElementsAre(Action::kUpdate));
  changed.service.version = "2.0.0";
  const std::vector<Event> events = observer.OnAnnounced(changed, kStart);
  EXPECT_THAT(Actions(events), ElementsAre(Action::kDelete, Action::kCreate));
  EXPECT_EQ(events[0].service.version, "1.0.0");
  EXPECT_EQ(events[1].service.version, "2.0.0");
}

TEST(MdnsObserver, AsksForASilentNodeAndThenTellsThatItHasGone) {
  MdnsObserver observer;
  observer.OnAnnounced(Greeter(), kStart);
  for (const int percent : {80, 90, 95}) {
    EXPECT_EQ(observer.next_due(), kStart + absl::Seconds(percent));
    const MdnsObserver::Due due = observer.TakeDue(observer.next_due());
    EXPECT_THAT(due.ask, ElementsAre("greeter-1.greeter.micro."));
    EXPECT_THAT(due.events, IsEmpty());
  }
  EXPECT_EQ(observer.next_due(), kStart + absl::Seconds(100));
  const MdnsObserver::Due due = observer.TakeDue(observer.next_due());
  EXPECT_THAT(due.ask, IsEmpty());
  EXPECT_THAT(Actions(due.events), ElementsAre(Action::kDelete));
  EXPECT_EQ(observer.next_due(), absl::InfiniteFuture());
}

TEST(MdnsObserver, AnAnswerOrAnAnnouncementKeepsANode) {
  MdnsObserver observer;
  observer.OnAnnounced(Greeter(), kStart);
  observer.TakeDue(kStart + absl::Seconds(80));
  observer.OnAnswered(Greeter(), kStart + absl::Seconds(81));
  EXPECT_EQ(observer.next_due(), kStart + absl::Seconds(161));
  EXPECT_THAT(observer.OnAnnounced(Greeter(200), kStart + absl::Seconds(100)), IsEmpty());
  EXPECT_EQ(observer.next_due(), kStart + absl::Seconds(260));
}

TEST(MdnsObserver, GivesANodeTimeToAnswerWhenItComesLateItself) {
  MdnsObserver observer;
  observer.OnAnnounced(Greeter(), kStart);
  const MdnsObserver::Due due = observer.TakeDue(kStart + absl::Hours(1));
  EXPECT_THAT(due.ask, ElementsAre("greeter-1.greeter.micro."));
  EXPECT_THAT(due.events, IsEmpty());
  EXPECT_EQ(observer.next_due(), kStart + absl::Hours(1) + absl::Seconds(5));
}

TEST(MdnsObserver, AnAnswerIsNoNewsButItsSilenceLaterIs) {
  MdnsObserver observer;
  observer.OnAnswered(Greeter(), kStart);
  for (int i = 0; i < 3; ++i) observer.TakeDue(observer.next_due());
  EXPECT_THAT(Actions(observer.TakeDue(observer.next_due()).events), ElementsAre(Action::kDelete));
}

TEST(MdnsObserver, ANodeThatAnswersBeforeItIsAnnouncedIsStillNew) {
  MdnsObserver observer;
  observer.OnAnswered(Greeter(), kStart);
  EXPECT_THAT(Actions(observer.OnAnnounced(Greeter(), kStart)), ElementsAre(Action::kCreate));
  EXPECT_THAT(observer.OnAnnounced(Greeter(), kStart), IsEmpty());
}

TEST(MdnsObserver, AnAnswerThatComesBehindALeaveDoesNotBringTheNodeBack) {
  MdnsObserver observer;
  observer.OnAnnounced(Greeter(), kStart);
  observer.OnAnnounced(Greeter(0), kStart);
  observer.OnAnswered(Greeter(), kStart);
  observer.TakeDue(kStart + absl::Seconds(1));
  EXPECT_EQ(observer.next_due(), absl::InfiniteFuture());
}

TEST(MdnsObserver, RemembersABoundedNumberOfNodes) {
  MdnsObserver observer;
  size_t told = 0;
  for (size_t i = 0; i < MdnsObserver::kMaxNodes + 100; ++i) {
    told += observer.OnAnnounced(Greeter(100, "node" + std::to_string(i)), kStart).size();
    observer.OnAnswered(Greeter(100, "other" + std::to_string(i)), kStart);
  }
  EXPECT_LE(told, MdnsObserver::kMaxNodes);
  EXPECT_THAT(observer.OnAnnounced(Greeter(0, "node0"), kStart), testing::SizeIs(1));
}

TEST(MdnsObserver, RemembersABoundedNumberOfBytes) {
  MdnsObserver observer;
  Instance large = Greeter();
  large.bytes = kMaxInstancesBytes;
  EXPECT_THAT(observer.OnAnnounced(large, kStart), testing::SizeIs(1));
  Instance other = Greeter(100, "other");
  other.bytes = 1;
  EXPECT_THAT(observer.OnAnnounced(other, kStart), IsEmpty());
  large.service.version = "2.0.0";
  EXPECT_THAT(observer.OnAnnounced(large, kStart), testing::SizeIs(2)) << "it takes its own place";
  large.bytes += 1;
  large.service.version = "3.0.0";
  EXPECT_THAT(observer.OnAnnounced(large, kStart), IsEmpty());
  observer.OnAnnounced(Greeter(0), kStart);
  EXPECT_THAT(observer.OnAnnounced(other, kStart), testing::SizeIs(1));
}

}  // namespace
}  // namespace micro::registry
