// The conformance suite of registries: what registry.h promises, as tests that every implementation
// passes.
//
//   #include "registry/conformance.h"
//   INSTANTIATE_TEST_SUITE_P(Memory, RegistryConformance, testing::Values(Implementation{
//       .start = [] { return [] { return PluginTable<Registry>::Create("memory", {}).value(); };
//       }}));
//
// Include it in one .cc file of a test. Nothing in it depends on how fast a machine is, only on its
// getting there in 20 s.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "core/context.h"
#include "core/task.h"
#include "core/testing/status_matchers.h"
#include "registry/conformance_fixture.h"

namespace micro::registry {

TEST_P(RegistryConformance, FindsWhatAnotherHandleRegistered) {
  const Service record = Record(UniqueName());
  ASSERT_THAT(Register(*here_, record), IsOk());
  const std::vector<Service> found = GetUntilNodes(*there_, record.name, 1);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].name, record.name);
  EXPECT_EQ(found[0].version, record.version);
  EXPECT_EQ(found[0].nodes, record.nodes);
}

TEST_P(RegistryConformance, ListsTheNamesOfRegisteredServices) {
  const Service first = Record(UniqueName("alpha")), second = Record(UniqueName("beta"));
  ASSERT_THAT(Register(*here_, first), IsOk());
  ASSERT_THAT(Register(*there_, second), IsOk());
  GetUntilNodes(*there_, first.name, 1);
  GetUntilNodes(*there_, second.name, 1);
  std::vector<std::string> names;
  for (int attempt = 0; attempt < 50; ++attempt) {
    const auto listed = BlockOn(there_->ListServices(Context()));
    ASSERT_THAT(listed, IsOk());
    names.clear();
    for (const Service& service : *listed) names.push_back(service.name);
    if (std::count(names.begin(), names.end(), first.name) > 0 &&
        std::count(names.begin(), names.end(), second.name) > 0) {
      return;
    }
  }
  ADD_FAILURE() << first.name << " and " << second.name << " are not both in "
                << testing::PrintToString(names);
}

TEST_P(RegistryConformance, DeregisterTakesTheServiceOut) {
  const Service record = Record(UniqueName());
  ASSERT_THAT(Register(*here_, record), IsOk());
  ASSERT_EQ(GetUntilNodes(*there_, record.name, 1).size(), 1u);
  ASSERT_THAT(Deregister(*here_, record), IsOk());
  EXPECT_THAT(GetUntilGone(*there_, record.name), testing::IsEmpty());
  EXPECT_THAT(Get(*there_, record.name), StatusIs(absl::StatusCode::kNotFound));
}

TEST_P(RegistryConformance, DeregisterOfAnUnknownNodeIsOk) {
  EXPECT_THAT(Deregister(*here_, Record(UniqueName())), IsOk());
}

TEST_P(RegistryConformance, NodesOfOneVersionShareARecord) {
  const std::string name = UniqueName();
  ASSERT_THAT(Register(*here_, Record(name, "1.0.0", 1)), IsOk());
  ASSERT_THAT(Register(*there_, Record(name, "1.0.0", 2)), IsOk());
  const std::vector<Service> found = GetUntilNodes(*here_, name, 2);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_THAT(NodeIds(found), testing::ElementsAre(name + "-node1", name + "-node2"));
}

TEST_P(RegistryConformance, OneRegistrationMayHaveSeveralNodes) {
  Service record = Record(UniqueName());
  record.nodes.push_back({.id = record.name + "-other", .address = "127.0.0.1:9999"});
  ASSERT_THAT(Register(*here_, record), IsOk());
  EXPECT_EQ(CountNodes(GetUntilNodes(*there_, record.name, 2)), 2u);
  ASSERT_THAT(Deregister(*here_, record), IsOk());
  EXPECT_THAT(GetUntilGone(*there_, record.name), testing::IsEmpty());
}

TEST_P(RegistryConformance, DeregisterOfOneNodeLeavesTheOthers) {
  const std::string name = UniqueName();
  ASSERT_THAT(Register(*here_, Record(name, "1.0.0", 1)), IsOk());
  ASSERT_THAT(Register(*here_, Record(name, "1.0.0", 2)), IsOk());
  ASSERT_EQ(CountNodes(GetUntilNodes(*there_, name, 2)), 2u);
  ASSERT_THAT(Deregister(*here_, Record(name, "1.0.0", 1)), IsOk());
  EXPECT_THAT(NodeIds(GetUntilNodes(*there_, name, 1)), testing::ElementsAre(name + "-node2"));
}

TEST_P(RegistryConformance, VersionsComeSortedEachWithItsNodes) {
  const std::string name = UniqueName();
  ASSERT_THAT(Register(*here_, Record(name, "2.0.0", 3)), IsOk());
  ASSERT_THAT(Register(*here_, Record(name, "1.1.0", 2)), IsOk());
  ASSERT_THAT(Register(*here_, Record(name, "1.0.0", 1)), IsOk());
  const std::vector<Service> found = GetUntilNodes(*there_, name, 3);
  ASSERT_EQ(found.size(), 3u);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(found[i].version, (std::vector<std::string>{"1.0.0", "1.1.0", "2.0.0"})[i]);
    ASSERT_EQ(found[i].nodes.size(), 1u);
    EXPECT_EQ(found[i].nodes[0].id, name + "-node" + std::to_string(i + 1));
  }
}

TEST_P(RegistryConformance, RegisteringAgainReplacesTheNode) {
  Service record = Record(UniqueName());
  ASSERT_THAT(Register(*here_, record), IsOk());
  ASSERT_EQ(GetUntilNodes(*there_, record.name, 1).size(), 1u);
  record.nodes[0].address = "127.0.0.1:9123";
  record.nodes[0].metadata = {{"zone", "b"}};
  ASSERT_THAT(Register(*here_, record), IsOk());
  const std::vector<Service> found =
      GetUntil(*there_, record.name, [&](const std::vector<Service>& services) {
        return services.size() == 1 && services[0].nodes == record.nodes;
      });
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].nodes, record.nodes);
}

TEST_P(RegistryConformance, AnUnknownServiceIsNotFound) {
  EXPECT_THAT(Get(*here_, UniqueName()), StatusIs(absl::StatusCode::kNotFound));
}

TEST_P(RegistryConformance, RefusesARecordWithoutNameNodesOrAddress) {
  Service no_name = Record(UniqueName()), no_nodes = no_name, no_id = no_name,
          bad_address = no_name;
  no_name.name.clear();
  no_nodes.nodes.clear();
  no_id.nodes[0].id.clear();
  bad_address.nodes[0].address = "127.0.0.1";
  for (const Service& service : {no_name, no_nodes, no_id, bad_address}) {
    EXPECT_THAT(Register(*here_, service), StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

TEST_P(RegistryConformance, ARecordThatIsNotRefreshedExpires) {
  const Service record = Record(UniqueName());
  const auto watcher = Watch(*there_, record.name);
  ASSERT_THAT(Register(*here_, record, GetParam().ttl), IsOk());
  ASSERT_THAT(NextThere(*watcher, record.nodes[0]), IsOk());
  if (GetParam().refreshes_itself) here_.reset();  // as a process that dies
  EXPECT_THAT(NextGone(*watcher, record.nodes[0]), IsOk());
  EXPECT_THAT(GetUntilGone(*there_, record.name), testing::IsEmpty());
}

TEST_P(RegistryConformance, ARecordThatIsRefreshedStays) {
  const absl::Duration ttl = GetParam().ttl;
  // A machine that is too busy to refresh in time proves nothing: then once more.
  for (int attempt = 0; attempt < 30; ++attempt) {
    const Service record = Record(UniqueName());
    const auto watcher = Watch(*there_, record.name);
    ASSERT_THAT(Register(*here_, record, ttl), IsOk());
    ASSERT_THAT(NextThere(*watcher, record.nodes[0]), IsOk());
    const absl::Time end = Clock::Real().Now() + 3 * ttl;
    bool in_time = true;
    for (absl::Time last = Clock::Real().Now(); in_time && last < end; last = Clock::Real().Now()) {
      std::this_thread::sleep_for(absl::ToChronoMilliseconds(ttl / 4));
      ASSERT_THAT(Register(*here_, record, ttl), IsOk());
      in_time = Clock::Real().Now() - last <= ttl / 2;
    }
    if (!in_time) continue;
    while (true) {  // what was seen meanwhile
      const auto event = BlockOn(watcher->Next(WithTimeout(Context(), absl::Milliseconds(1))));
      if (!event.ok()) return;
      ASSERT_NE(event->action, Action::kDelete) << "vanished although it was refreshed";
    }
  }
  FAIL() << "this machine could never refresh within half a TTL";
}

TEST_P(RegistryConformance, AWatcherSeesANodeComeAndGo) {
  const Service record = Record(UniqueName());
  const auto watcher = Watch(*there_, record.name);
  ASSERT_THAT(Register(*here_, record), IsOk());
  const auto came = NextThere(*watcher, record.nodes[0]);
  ASSERT_THAT(came, IsOk());
  EXPECT_EQ(came->service.name, record.name);
  EXPECT_EQ(came->service.version, record.version);
  ASSERT_THAT(Deregister(*here_, record), IsOk());
  const auto went = NextGone(*watcher, record.nodes[0]);
  ASSERT_THAT(went, IsOk());
  EXPECT_EQ(went->service.name, record.name);
}

TEST_P(RegistryConformance, AWatcherOfAllSeesEveryService) {
  const Service first = Record(UniqueName("alpha")), second = Record(UniqueName("beta"));
  const auto watcher = Watch(*there_, "");
  ASSERT_THAT(Register(*here_, first), IsOk());
  EXPECT_THAT(NextThere(*watcher, first.nodes[0]), IsOk());
  ASSERT_THAT(Register(*here_, second), IsOk());
  EXPECT_THAT(NextThere(*watcher, second.nodes[0]), IsOk());
}

TEST_P(RegistryConformance, AWatcherOfOneServiceSeesNoOther) {
  const Service other = Record(UniqueName("other")), wanted = Record(UniqueName("wanted"));
  const auto everything = Watch(*there_, "");
  const auto watcher = Watch(*there_, wanted.name);
  ASSERT_THAT(Register(*here_, other), IsOk());
  ASSERT_THAT(NextThere(*everything, other.nodes[0]), IsOk());
  ASSERT_THAT(Register(*here_, wanted), IsOk());
  const auto event = BlockOn(watcher->Next(WithTimeout(Context(), absl::Seconds(20))));
  ASSERT_THAT(event, IsOk());
  EXPECT_EQ(event->service.name, wanted.name);
}

TEST_P(RegistryConformance, StopEndsAWaitingNextAndAllLaterOnes) {
  const auto watcher = Watch(*here_, UniqueName());
  std::thread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    watcher->Stop();
  });
  EXPECT_THAT(BlockOn(watcher->Next(Context())), StatusIs(absl::StatusCode::kCancelled));
  stopper.join();
  watcher->Stop();
  EXPECT_THAT(BlockOn(watcher->Next(Context())), StatusIs(absl::StatusCode::kCancelled));
}

TEST_P(RegistryConformance, AnEndedContextEndsNextButNotTheWatcher) {
  const Service record = Record(UniqueName());
  const auto watcher = Watch(*there_, record.name);
  EXPECT_THAT(BlockOn(watcher->Next(WithTimeout(Context(), absl::Milliseconds(20)))),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  auto [ctx, cancel] = WithCancel(Context());
  std::thread canceller([cancel = cancel] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    cancel();
  });
  EXPECT_THAT(BlockOn(watcher->Next(ctx)), StatusIs(absl::StatusCode::kCancelled));
  canceller.join();
  ASSERT_THAT(Register(*here_, record), IsOk());
  EXPECT_THAT(NextThere(*watcher, record.nodes[0]), IsOk());
}

TEST_P(RegistryConformance, NothingIsDoneOnceTheContextEnded) {
  const Service record = Record(UniqueName());
  auto [cancelled, cancel] = WithCancel(Context());
  cancel();
  const Context late = WithTimeout(Context(), -absl::Seconds(1));
  EXPECT_THAT(BlockOn(here_->Register(cancelled, record, {})),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(BlockOn(here_->Register(late, record, {})),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(Get(*there_, record.name), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(BlockOn(here_->Deregister(cancelled, record)),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(BlockOn(here_->GetService(cancelled, record.name)),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(BlockOn(here_->GetService(late, record.name)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(BlockOn(here_->ListServices(cancelled)), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(BlockOn(here_->Watch(cancelled, {})), StatusIs(absl::StatusCode::kCancelled));
}

TEST_P(RegistryConformance, EndpointsAndMetadataSurviveTheRoundTrip) {
  Service record = Record(UniqueName());
  record.nodes[0].metadata = {
      {"größe", "naïve ☃ 日本語 🎮"}, {"quoted", "\"a\\b\"\t<&>"}, {"empty", ""}};
  const Value address{"address", "Address", {{"street", "string", {}}, {"tags", "[]string", {}}}};
  record.endpoints = {
      {"Greeter.Hello",
       {"Request", "Request", {{"name", "string", {}}, address}},
       {"Response", "Response", {{"greeting", "string", {}}}},
       {}},
      {"Greeter.Stream",
       {"Context", "Context", {}},
       {"Stream", "Stream", {}},
       {{"stream", "true"}}},
      {"Func", {"Event", "Event", {}}, {}, {{"subscriber", "true"}, {"topic", "grüße"}}}};
  ASSERT_THAT(Register(*here_, record), IsOk());
  const std::vector<Service> found = GetUntilNodes(*there_, record.name, 1);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].nodes, record.nodes);
  EXPECT_TRUE(found[0].endpoints == record.endpoints);
}

TEST_P(RegistryConformance, ManyThreadsMayUseOneRegistry) {
  const std::string name = UniqueName();
  const auto watcher = Watch(*there_, name);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      const Service record = Record(name, "1.0.0", i);
      Registry& registry = i % 2 == 0 ? *here_ : *there_;
      for (int round = 0; round < 3; ++round) {
        EXPECT_THAT(Register(registry, record), IsOk());
        const auto found = GetUntil(registry, name, [&](const std::vector<Service>& services) {
          const std::vector<std::string> ids = NodeIds(services);
          return std::count(ids.begin(), ids.end(), record.nodes[0].id) == 1;
        });
        EXPECT_FALSE(found.empty());
        EXPECT_THAT(BlockOn(registry.ListServices(Context())), IsOk());
        EXPECT_THAT(Deregister(registry, record), IsOk());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(GetUntilGone(*here_, name), testing::IsEmpty());
}

}  // namespace micro::registry
