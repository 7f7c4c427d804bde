// The registry "etcd" while etcd, or the way to it, is away: nothing hangs, nothing is claimed to be
// gone, and afterwards everything is as it should be.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <thread>

#include "registry/cache.h"
#include "registry/etcd/etcd_registry.h"
#include "registry/etcd/etcd_test_words.h"
#include "tests/services/tcp_proxy.h"

namespace micro::registry {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

constexpr absl::Duration kGrace = absl::Milliseconds(300);
constexpr absl::StatusCode kUnavailable = absl::StatusCode::kUnavailable;

std::set<std::string> NodesOf(Registry& registry, const std::string& name) {
  std::set<std::string> ids;
  const auto found = Get(registry, name);
  if (!found.ok()) return ids;
  for (const Service& service : *found) {
    for (const Node& node : service.nodes) ids.insert(node.id);
  }
  return ids;
}

// What a watcher's events make of what was there.
class Follower {
 public:
  Follower(Registry& registry, const std::string& service)
      : watcher_(Watch(registry, service)), thread_([this] { Run(); }) {}
  ~Follower() {
    watcher_->Stop();
    thread_.join();
  }

  std::set<std::string> nodes() const {
    MutexLock lock(mutex_);
    return nodes_;
  }
  std::vector<std::string> gone() const {
    MutexLock lock(mutex_);
    return gone_;
  }

 private:
  void Run() {
    while (true) {
      const auto event = BlockOn(watcher_->Next(Context()));
      if (!event.ok()) {
        EXPECT_THAT(event, StatusIs(absl::StatusCode::kCancelled));
        return;
      }
      MutexLock lock(mutex_);
      for (const Node& node : event->service.nodes) {
        if (event->action == Action::kDelete) {
          nodes_.erase(node.id);
          gone_.push_back(node.id);
        } else {
          nodes_.insert(node.id);
        }
      }
    }
  }

  const std::unique_ptr<Watcher> watcher_;
  mutable Mutex mutex_;
  std::set<std::string> nodes_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> gone_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

class EtcdOutage : public testing::Test {
 protected:
  EtcdOutage()
      : etcd_(NewEtcd()), options_{.addresses = {etcd_->address()}, .timeout = absl::Seconds(5)} {}

  const std::unique_ptr<services::ServiceProcess> etcd_;
  const Options options_;
};

TEST_F(EtcdOutage, DownAtTheStartIsUnavailableAndItWorksOnceEtcdIsUp) {
  etcd_->Kill();
  const auto registry = OpenEtcd(options_);
  const auto names_both =
      StatusIs(kUnavailable, AllOf(HasSubstr(etcd_->address()), HasSubstr("--registry_address")));
  EXPECT_THAT(Register(*registry, Record("early")), names_both);
  EXPECT_THAT(Register(*registry, Record("early"), absl::Seconds(60)), names_both);
  EXPECT_THAT(Deregister(*registry, Record("early")), names_both);
  EXPECT_THAT(Get(*registry, "early"), names_both);
  EXPECT_THAT(BlockOn(registry->ListServices(Context())), names_both);
  EXPECT_THAT(BlockOn(registry->Watch(Context(), {})), names_both);
  ASSERT_THAT(etcd_->Start(), IsOk());
  EXPECT_TRUE(Eventually([&] { return Register(*registry, Record("early")).ok(); }));
  EXPECT_THAT(Get(*registry, "early"), IsOkAndHolds(ElementsAre(Record("early"))));
  EXPECT_EQ(NodesOf(*registry, "early").size(), 1u);
}

TEST_F(EtcdOutage, KilledAndBackWithItsDataNobodyHasGone) {
  const auto registry = OpenEtcd(options_), other = OpenEtcd(options_);
  Follower follower(*other, "kept");
  ASSERT_THAT(Register(*registry, Record("kept", 1), absl::Seconds(60)), IsOk());
  ASSERT_THAT(Register(*registry, Record("kept", 2)), IsOk());
  for (int round = 0; round < 2; ++round) {
    etcd_->Kill();
    EXPECT_THAT(Get(*other, "kept"), StatusIs(kUnavailable));
    ASSERT_THAT(etcd_->Start(), IsOk());
    EXPECT_TRUE(Eventually([&] { return NodesOf(*other, "kept").size() == 2u + round; }));
    // The watch is back when it tells of something new; of nothing else meanwhile.
    EXPECT_TRUE(Eventually([&] { return Register(*registry, Record("kept", 3 + round)).ok(); }));
    EXPECT_TRUE(Eventually([&] { return follower.nodes().size() == 3u + round; }));
  }
  EXPECT_THAT(follower.gone(), testing::IsEmpty());
}

TEST_F(EtcdOutage, BackWithoutItsDataNobodyHasGoneBeforeAllCouldRegisterAgain) {
  const auto registry = OpenEtcd(options_), other = OpenEtcd(options_);
  Follower follower(*other, "awaited");
  RawEtcd(options_).Put(Record("awaited", 1));  // of somebody who takes a while
  EXPECT_TRUE(Eventually([&] { return follower.nodes().contains("awaited-1"); }));
  etcd_->Kill();
  etcd_->Forget();
  ASSERT_THAT(etcd_->Start(), IsOk());
  // The watch runs again.
  ASSERT_THAT(Register(*registry, Record("awaited", 2)), IsOk());
  EXPECT_TRUE(Eventually([&] { return follower.nodes().contains("awaited-2"); }));
  EXPECT_THAT(follower.gone(), testing::IsEmpty());
  RawEtcd(options_).Put(Record("awaited", 1));
  ASSERT_THAT(Deregister(*registry, Record("awaited", 2)), IsOk());
  EXPECT_TRUE(Eventually([&] { return !follower.gone().empty(); }));
  EXPECT_THAT(follower.gone(), ElementsAre("awaited-2"));
}

TEST_F(EtcdOutage, BackWithoutItsDataAllAreRegisteredAgainAtOnceAndWatchersSeeTheTruth) {
  const auto registry = NewEtcdRegistry(options_, kGrace).value(),
             other = NewEtcdRegistry(options_, kGrace).value();
  RawEtcd(options_).Put(Record("lost", 9));  // of somebody who will not come back
  ASSERT_THAT(Register(*registry, Record("lost", 1), absl::Minutes(10)), IsOk());
  ASSERT_THAT(Register(*registry, Record("lost", 2)), IsOk());
  ASSERT_THAT(Register(*other, Record("lost", 3), absl::Minutes(10)), IsOk());
  ASSERT_THAT(Register(*other, Record("lost", 4), absl::Minutes(10)), IsOk());
  Follower follower(*other, "lost"), of_all(*registry, "");
  ASSERT_THAT(Register(*other, Record("lost", 5), absl::Minutes(10)), IsOk());
  ASSERT_THAT(Deregister(*other, Record("lost", 4)), IsOk());

  etcd_->Kill();
  etcd_->Forget();
  ASSERT_THAT(etcd_->Start(), IsOk());
  const std::set<std::string> all = {"lost-1", "lost-2", "lost-3", "lost-5"};
  EXPECT_TRUE(Eventually([&] { return NodesOf(*registry, "lost") == all; }));
  const auto seen = [](const Follower& who, const std::string& node) {
    const std::vector<std::string> gone = who.gone();
    return std::find(gone.begin(), gone.end(), node) != gone.end();
  };
  EXPECT_TRUE(Eventually([&] { return seen(follower, "lost-9") && seen(of_all, "lost-9"); }));
  // A node that the watch had seen go in between came again; the end is the truth.
  ASSERT_THAT(Register(*other, Record("lost", 6)), IsOk());
  for (const Follower* who : {&follower, &of_all}) {
    EXPECT_TRUE(Eventually([&] { return who->nodes().contains("lost-6"); }));
    for (const std::string& node : who->gone()) {
      EXPECT_TRUE(Eventually([&] { return who->nodes().contains(node) == all.contains(node); }))
          << node;
    }
  }
}

TEST_F(EtcdOutage, AWatchIsTakenUpWhereItEnded) {
  services::TcpProxy proxy(etcd_->port());
  const auto registry = OpenEtcd(options_), far = OpenEtcd({.addresses = {proxy.address()}});
  ASSERT_THAT(Register(*registry, Record("resumed", 1)), IsOk());
  const auto watcher = Watch(*far, "resumed");
  proxy.Cut();
  ASSERT_THAT(Register(*registry, Record("resumed", 2)), IsOk());
  ASSERT_THAT(Deregister(*registry, Record("resumed", 2)), IsOk());
  ASSERT_THAT(Deregister(*registry, Record("resumed", 1)), IsOk());
  EXPECT_THAT(Next(*watcher, absl::Milliseconds(300)), HasSubstr("DEADLINE_EXCEEDED"));
  proxy.Mend();
  EXPECT_EQ(Next(*watcher), Said("create", Record("resumed", 2)));
  EXPECT_EQ(Next(*watcher), Said("delete", Record("resumed", 2)));
  EXPECT_EQ(Next(*watcher), Said("delete", Record("resumed", 1)));
}

TEST_F(EtcdOutage, AfterACompactionAWatcherIsToldWhatDiffers) {
  services::TcpProxy proxy(etcd_->port());
  const auto registry = OpenEtcd(options_), far = OpenEtcd({.addresses = {proxy.address()}});
  for (const int node : {1, 2, 3})
    ASSERT_THAT(Register(*registry, Record("compacted", node)), IsOk());
  const auto watcher = Watch(*far, "compacted");
  proxy.Cut();
  ASSERT_THAT(Deregister(*registry, Record("compacted", 1)), IsOk());
  Service changed = Record("compacted", 2);
  changed.nodes[0].address = "127.0.0.1:9";
  ASSERT_THAT(Register(*registry, changed), IsOk());
  ASSERT_THAT(Register(*registry, Record("compacted", 4)), IsOk());
  ASSERT_THAT(Register(*registry, Record("compacted", 5)), IsOk());
  ASSERT_THAT(Deregister(*registry, Record("compacted", 5)), IsOk());
  Etcdctl(etcd_->address(), fmt::format("compact {}", RawEtcd(options_).Revision()));
  proxy.Mend();
  std::vector<std::string> events;
  for (int i = 0; i < 3; ++i) events.push_back(Next(*watcher));
  EXPECT_THAT(events,
              UnorderedElementsAre(Said("delete", Record("compacted", 1)), Said("update", changed),
                                   Said("create", Record("compacted", 4))));
  ASSERT_THAT(Deregister(*registry, Record("compacted", 3)), IsOk());
  EXPECT_EQ(Next(*watcher), Said("delete", Record("compacted", 3)));
}

TEST_F(EtcdOutage, LostDataIsNoticedEvenWhenEtcdHasGoneOnBeyondItsOldRevision) {
  services::TcpProxy proxy(etcd_->port());
  RawEtcd(options_).Put(Record("overtaken", 1));
  const auto far = NewEtcdRegistry({.addresses = {proxy.address()}}, kGrace).value();
  const auto watcher = Watch(*far, "overtaken");
  const int64_t revision = RawEtcd(options_).Revision();
  proxy.Cut();
  etcd_->Kill();
  etcd_->Forget();
  ASSERT_THAT(etcd_->Start(), IsOk());
  RawEtcd raw(options_);
  for (int i = 0; raw.Revision() < revision + 5; ++i) raw.Put(Record("other", i));
  raw.Put(Record("overtaken", 2));
  proxy.Mend();
  std::vector<std::string> events = {Next(*watcher), Next(*watcher)};
  EXPECT_THAT(events, UnorderedElementsAre(Said("delete", Record("overtaken", 1)),
                                           Said("create", Record("overtaken", 2))));
}

TEST_F(EtcdOutage, AnotherEndpointTakesOverWhenOneIsLost) {
  services::TcpProxy first(etcd_->port()), second(etcd_->port());
  const auto registry = OpenEtcd({.addresses = {first.address(), second.address()}});
  const auto there = OpenEtcd(options_);
  Follower follower(*there, "moved");
  const auto watcher = Watch(*registry, "moved");
  ASSERT_THAT(Register(*registry, Record("moved", 1), absl::Seconds(6)), IsOk());
  EXPECT_EQ(Next(*watcher), Said("create", Record("moved", 1)));
  EXPECT_EQ(second.connections(), 0) << "although the first works";
  first.Cut();
  EXPECT_THAT(Get(*registry, "moved"), IsOk());
  EXPECT_THAT(Register(*registry, Record("moved", 2)), IsOk());
  EXPECT_EQ(Next(*watcher), Said("create", Record("moved", 2)));
  EXPECT_THAT(Next(*watcher, absl::Seconds(9)), HasSubstr("DEADLINE_EXCEEDED"));
  EXPECT_THAT(follower.gone(), testing::IsEmpty());
  // And back.
  first.Mend();
  second.Cut();
  EXPECT_TRUE(Eventually([&] { return Get(*registry, "moved").ok(); }));
  ASSERT_THAT(Deregister(*registry, Record("moved", 2)), IsOk());
  EXPECT_EQ(Next(*watcher), Said("delete", Record("moved", 2)));
}

TEST_F(EtcdOutage, AnEndpointThatHangsGivesWayToTheNextOneForGood) {
  services::TcpProxy hanging(etcd_->port());
  hanging.Freeze();
  const auto registry =
      OpenEtcd({.addresses = {hanging.address(), etcd_->address()}, .timeout = absl::Seconds(8)});
  EXPECT_THAT(Register(*registry, Record("hung")), IsOk());
  const int connections = hanging.connections();
  for (int i = 0; i < 20; ++i) EXPECT_THAT(Get(*registry, "hung"), IsOk());
  EXPECT_EQ(hanging.connections(), connections);
  EXPECT_THAT(BlockOn(registry->Watch(Context(), {})), IsOk());
}

TEST_F(EtcdOutage, AStoppedEtcdTimesRequestsOutAndHangsNothing) {
  const auto registry =
      OpenEtcd({.addresses = {etcd_->address()}, .timeout = absl::Milliseconds(300)});
  const auto there = OpenEtcd(options_);
  const auto watcher = Watch(*there, "stopped");
  ASSERT_TRUE(Eventually([&] {  // a busy machine may need more than the timeout
    return Register(*registry, Record("stopped"), absl::Seconds(2)).ok();
  }));
  EXPECT_EQ(Next(*watcher), Said("create", Record("stopped")));
  etcd_->Pause();
  const auto in_time = StatusIs(
      kUnavailable,
      AllOf(HasSubstr("300ms"), HasSubstr("--registry_timeout"), HasSubstr(etcd_->address())));
  EXPECT_THAT(Get(*registry, "stopped"), in_time);
  EXPECT_THAT(BlockOn(registry->ListServices(Context())), in_time);
  EXPECT_THAT(Register(*registry, Record("stopped"), absl::Seconds(2)), in_time);
  EXPECT_THAT(Register(*registry, Record("stopped", 2)), in_time);
  EXPECT_THAT(Deregister(*registry, Record("stopped", 2)), in_time);
  EXPECT_THAT(BlockOn(registry->Watch(Context(), {})), in_time);
  // The caller's own patience counts too.
  EXPECT_THAT(BlockOn(OpenEtcd(options_)->GetService(WithTimeout(Context(), absl::Milliseconds(50)),
                                                     "stopped")),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  etcd_->Resume();
  EXPECT_TRUE(Eventually([&] { return NodesOf(*registry, "stopped").contains("stopped-1"); }));
}

TEST_F(EtcdOutage, ARegistryEndsWhileEtcdIsStoppedOrGone) {
  for (const bool gone : {false, true}) {
    auto registry = OpenEtcd(options_);
    const auto watcher = Watch(*registry, "");
    ASSERT_THAT(Register(*registry, Record("ended"), absl::Seconds(2)), IsOk());
    ASSERT_THAT(Register(*registry, Record("ended", 2)), IsOk());
    if (gone) {
      etcd_->Kill();
    } else {
      etcd_->Pause();
    }
    registry.reset();
    while (BlockOn(watcher->Next(Context())).ok()) {
    }
    EXPECT_THAT(BlockOn(watcher->Next(Context())), StatusIs(kUnavailable));
    etcd_->Resume();
  }
}

TEST_F(EtcdOutage, ACacheKeepsTheLastGoodNodesAndLearnsTheNewOnesAfterwards) {
  const std::shared_ptr<Registry> registry = OpenEtcd(options_);
  ASSERT_THAT(Register(*registry, Record("cached")), IsOk());
  Cache cache(registry);
  ASSERT_THAT(BlockOn(cache.Get(Context(), "cached")), IsOk());
  etcd_->Kill();
  EXPECT_THAT(Get(*registry, "cached"), StatusIs(kUnavailable));
  EXPECT_EQ(cache.Peek("cached")->node_count(), 1u);
  ASSERT_THAT(etcd_->Start(), IsOk());
  ASSERT_TRUE(Eventually([&] { return Register(*registry, Record("cached", 2)).ok(); }));
  EXPECT_TRUE(Eventually([&] { return cache.Peek("cached")->node_count() == 2; }));
}

}  // namespace
}  // namespace micro::registry
