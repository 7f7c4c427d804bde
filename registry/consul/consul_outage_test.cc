// What happens when agents go away, hang, lose what they knew, and come back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "core/task_scope.h"
#include "core/testing/eventually.h"
#include "core/testing/status_matchers.h"
#include "registry/cache.h"
#include "registry/consul/consul_registry.h"
#include "registry/consul/raw_consul.h"

namespace micro::registry::consul {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr absl::StatusCode kUnavailable = absl::StatusCode::kUnavailable;
constexpr absl::Duration kTtl = absl::Seconds(60);

std::unique_ptr<services::ServiceProcess> StartAgent(services::ConsulOptions options = {}) {
  auto agent = services::StartConsul(options);
  EXPECT_THAT(agent, IsOk());
  return *std::move(agent);
}

std::unique_ptr<Registry> Open(std::vector<std::string> addresses,
                               absl::Duration grace = absl::Minutes(10),
                               absl::Duration timeout = absl::ZeroDuration()) {
  return NewConsulRegistry({.addresses = std::move(addresses), .timeout = timeout}, grace).value();
}

absl::Status Register(Registry& registry, const Service& service, absl::Duration ttl = kTtl) {
  return BlockOn(registry.Register(Context(), service, {.ttl = ttl}));
}

absl::Status Deregister(Registry& registry, const Service& service) {
  return BlockOn(registry.Deregister(Context(), service));
}

absl::StatusOr<std::vector<Service>> Get(Registry& registry, const std::string& name) {
  return BlockOn(registry.GetService(Context(), name));
}

bool Finds(Registry& registry, const std::string& name, size_t nodes = 1) {
  const auto found = Get(registry, name);
  return found.ok() && found->size() == 1 && (*found)[0].nodes.size() == nodes;
}

std::unique_ptr<Watcher> Watch(Registry& registry, const std::string& service) {
  return BlockOn(registry.Watch(Context(), {.service = service})).value();
}

// The next event, "create greeter-1" say; what it is instead when there is none for 20 s.
std::string Next(Watcher& watcher) {
  const auto event = BlockOn(watcher.Next(WithTimeout(Context(), absl::Seconds(20))));
  if (!event.ok()) return event.status().ToString();
  std::string line(ToString(event->action));
  for (const Node& node : event->service.nodes) line += " " + node.id;
  return line;
}

// Whether a watcher has nothing to say by now.
bool IsSilent(Watcher& watcher) {
  return absl::IsDeadlineExceeded(
      BlockOn(watcher.Next(WithTimeout(Context(), absl::Milliseconds(1)))).status());
}

TEST(ConsulOutage, AnAgentThatIsDownIsNamedWithItsFlag) {
  const auto agent = StartAgent();
  agent->Kill();
  const auto registry = Open({agent->address()});
  const auto is_down =
      StatusIs(kUnavailable, AllOf(HasSubstr(agent->address()), HasSubstr("--registry_address")));
  EXPECT_THAT(Register(*registry, Record("greeter")), is_down);
  EXPECT_THAT(Deregister(*registry, Record("greeter")), is_down);
  EXPECT_THAT(Get(*registry, "greeter"), is_down);
  EXPECT_THAT(BlockOn(registry->ListServices(Context())), is_down);
  EXPECT_THAT(BlockOn(registry->Watch(Context(), {})), is_down);
  EXPECT_THAT(BlockOn(registry->Watch(Context(), {.service = "greeter"})), is_down);
  ASSERT_THAT(agent->Start(), IsOk());
  EXPECT_FALSE(RawHas(*agent, "greeter-1"));
  EXPECT_THAT(Register(*registry, Record("greeter")), IsOk());
  EXPECT_TRUE(RawHas(*agent, "greeter-1"));
}

TEST(ConsulOutage, AnAgentThatReturnsWithoutItsStateGetsAllBackAtOnce) {
  const auto agent = StartAgent();
  const auto registry = Open({agent->address()}), other = Open({agent->address()});
  Service many = Record("many");
  many.nodes.push_back({"many-2", "10.0.0.1:9000", {}});
  ASSERT_THAT(Register(*registry, many), IsOk());
  ASSERT_THAT(Register(*registry, Record("lasting"), absl::ZeroDuration()), IsOk());
  ASSERT_THAT(Register(*registry, Record("ended")), IsOk());
  ASSERT_THAT(Register(*registry, Record("lapsed"), absl::Milliseconds(1)), IsOk());
  ASSERT_THAT(Deregister(*registry, Record("ended")), IsOk());
  ASSERT_THAT(Register(*other, Record("other")), IsOk());
  for (int round = 0; round < 2; ++round) {
    agent->Kill();
    ASSERT_THAT(agent->Start(), IsOk());
    // Nobody calls Register.
    EXPECT_TRUE(Eventually([&] {
      return RawHas(*agent, "many-1") && RawHas(*agent, "many-2") && RawHas(*agent, "lasting-1") &&
             RawHas(*agent, "other-1");
    }));
    EXPECT_TRUE(Eventually([&] { return Finds(*registry, "many", 2); }));
    EXPECT_FALSE(RawHas(*agent, "ended-1"));
    EXPECT_FALSE(RawHas(*agent, "lapsed-1"));
  }
}

TEST(ConsulOutage, AnAgentThatReturnsWithItsStateHasItsChecksPassedAtOnce) {
  const auto agent = StartAgent({.durable = true});
  const auto registry = Open({agent->address()});
  ASSERT_THAT(Register(*registry, Record("greeter")), IsOk());
  ASSERT_TRUE(Eventually([&] { return Finds(*registry, "greeter"); }));
  ASSERT_TRUE(RawRequest(*agent, "PUT", "/v1/agent/check/fail/service:greeter-1")
                  .starts_with("HTTP/1.1 200"));
  ASSERT_TRUE(Eventually([&] { return !Finds(*registry, "greeter"); }));
  agent->Kill();
  ASSERT_THAT(agent->Start(), IsOk());
  EXPECT_TRUE(Eventually([&] { return Finds(*registry, "greeter"); }));
}

TEST(ConsulOutage, WhatIsDeregisteredWhileTheAgentIsDownStaysAway) {
  const auto agent = StartAgent();
  const auto registry = Open({agent->address()});
  ASSERT_THAT(Register(*registry, Record("ended")), IsOk());
  ASSERT_THAT(Register(*registry, Record("lasting")), IsOk());
  agent->Kill();
  EXPECT_THAT(Deregister(*registry, Record("ended")), StatusIs(kUnavailable));
  ASSERT_THAT(agent->Start(), IsOk());
  EXPECT_TRUE(Eventually([&] { return RawHas(*agent, "lasting-1"); }));
  EXPECT_FALSE(RawHas(*agent, "ended-1"));
}

TEST(ConsulOutage, ARecordThatChangedWhileTheAgentWasDownIsRegisteredAsItIsNow) {
  const auto agent = StartAgent();
  const auto registry = Open({agent->address()});
  Service record = Record("greeter");
  ASSERT_THAT(Register(*registry, record), IsOk());
  agent->Kill();
  record.nodes[0].address = "10.0.0.2:8080";
  EXPECT_THAT(Register(*registry, record), StatusIs(kUnavailable));
  ASSERT_THAT(agent->Start(), IsOk());
  EXPECT_TRUE(Eventually([&] { return RawHas(*agent, "greeter-1"); }));
  EXPECT_EQ(RawGet(*agent, "/v1/agent/service/greeter-1")["Address"], "10.0.0.2");
}

TEST(ConsulOutage, WatchersAreToldNothingOfAnOutage) {
  for (const bool durable : {false, true}) {
    const auto agent = StartAgent({.durable = durable});
    const auto registry = Open({agent->address()}), client = Open({agent->address()});
    ASSERT_THAT(Register(*registry, Record("greeter", "greeter-1")), IsOk());
    ASSERT_TRUE(Eventually([&] { return Finds(*client, "greeter"); }));
    const auto one = Watch(*client, "greeter"), all = Watch(*client, "");
    agent->Kill();
    ASSERT_THAT(Get(*client, "greeter"), StatusIs(kUnavailable));
    EXPECT_TRUE(IsSilent(*one));
    ASSERT_THAT(agent->Start(), IsOk());
    EXPECT_TRUE(Eventually([&] { return Finds(*registry, "greeter"); }));
    // What is new is the first that they hear of.
    ASSERT_THAT(Register(*registry, Record("greeter", "greeter-2")), IsOk());
    EXPECT_EQ(Next(*one), "create greeter-2");
    EXPECT_EQ(Next(*all), "create greeter-2");
    ASSERT_THAT(Deregister(*registry, Record("greeter", "greeter-1")), IsOk());
    EXPECT_EQ(Next(*one), "delete greeter-1");
    EXPECT_EQ(Next(*all), "delete greeter-1");
  }
}

TEST(ConsulOutage, NodesThatAnAgentLostAreKeptForAWhile) {
  const auto agent = StartAgent();
  const auto client = Open({agent->address()}, /*grace=*/absl::Minutes(10)),
             stranger = Open({agent->address()});
  ASSERT_TRUE(RawRegister(*agent, "greeter", "greeter-1", {"v=1"}));
  ASSERT_TRUE(RawRegister(*agent, "greeter", "greeter-2", {"v=1"}));
  ASSERT_TRUE(Eventually([&] { return Finds(*client, "greeter", 2); }));
  const auto watcher = Watch(*client, "greeter");
  agent->Kill();
  ASSERT_THAT(agent->Start(), IsOk());
  ASSERT_TRUE(RawRegister(*agent, "greeter", "greeter-3", {"v=1"}));
  EXPECT_EQ(Next(*watcher), "create greeter-3");
  // A lookup says the same as the watch; one of who does not watch says what Consul has.
  EXPECT_TRUE(Finds(*client, "greeter", 3));
  EXPECT_TRUE(Finds(*stranger, "greeter", 1));
  // One comes back, and goes in earnest.
  ASSERT_TRUE(RawRegister(*agent, "greeter", "greeter-1", {"v=1"}));
  ASSERT_TRUE(Eventually([&] { return Finds(*stranger, "greeter", 2); }));
  EXPECT_TRUE(Finds(*client, "greeter", 3));
  ASSERT_TRUE(RawDeregister(*agent, "greeter-3"));
  EXPECT_EQ(Next(*watcher), "delete greeter-3");
}

TEST(ConsulOutage, NodesThatAnAgentLostAndThatDoNotReturnAreGoneInTheEnd) {
  const auto agent = StartAgent();
  const auto client = Open({agent->address()}, /*grace=*/absl::Milliseconds(300));
  ASSERT_TRUE(RawRegister(*agent, "greeter", "greeter-1", {"v=1"}));
  ASSERT_TRUE(Eventually([&] { return Finds(*client, "greeter"); }));
  const auto one = Watch(*client, "greeter"), all = Watch(*client, "");
  agent->Kill();
  ASSERT_THAT(agent->Start(), IsOk());
  EXPECT_EQ(Next(*one), "delete greeter-1");
  EXPECT_EQ(Next(*all), "delete greeter-1");
  EXPECT_THAT(Get(*client, "greeter"), StatusIs(absl::StatusCode::kNotFound));
}

TEST(ConsulOutage, TheCacheKeepsTheLastGoodNodes) {
  const auto agent = StartAgent();
  const std::shared_ptr<Registry> client = Open({agent->address()});
  ASSERT_TRUE(RawRegister(*agent, "greeter", "greeter-1", {"v=1"}));
  ASSERT_TRUE(Eventually([&] { return Finds(*client, "greeter"); }));
  Cache cache(client, {.ttl = absl::Milliseconds(50)});
  ASSERT_THAT(BlockOn(cache.Get(Context(), "greeter")), IsOk());
  agent->Kill();
  ASSERT_TRUE(Eventually([&] { return !cache.Peek("greeter")->registry_status.ok(); }));
  EXPECT_EQ(cache.Peek("greeter")->node_count(), 1u);
  ASSERT_THAT(agent->Start(), IsOk());
  ASSERT_TRUE(Eventually([&] { return cache.Peek("greeter")->registry_status.ok(); }));
  EXPECT_EQ(cache.Peek("greeter")->node_count(), 1u);
}

TEST(ConsulOutage, APausedAgentTimesOutAndBlocksNothingElse) {
  const auto agent = StartAgent(), healthy = StartAgent();
  const auto registry = Open({agent->address()}, absl::Minutes(10), absl::Milliseconds(300)),
             other = Open({healthy->address()});
  ASSERT_THAT(Register(*registry, Record("greeter")), IsOk());
  ASSERT_TRUE(Eventually([&] { return Finds(*registry, "greeter"); }));
  const auto watcher = Watch(*registry, "greeter");
  agent->Pause();
  const auto timed_out =
      StatusIs(kUnavailable, AllOf(HasSubstr(agent->address()), HasSubstr("no answer within 300ms"),
                                   HasSubstr("--registry_timeout")));
  // More calls than there are threads to carry them.
  TaskScope scope;
  std::atomic<int> failed = 0;
  for (int i = 0; i < 50; ++i) {
    Spawn(scope, [](Registry& registry, std::atomic<int>& failed) -> Task<void> {
      if (!(co_await registry.GetService(Context(), "greeter")).ok()) ++failed;
    }(*registry, failed));
  }
  ASSERT_THAT(Register(*other, Record("other")), IsOk());
  EXPECT_TRUE(Eventually([&] { return Finds(*other, "other"); }));
  EXPECT_THAT(Register(*registry, Record("greeter")), timed_out);
  EXPECT_THAT(Get(*registry, "greeter"), timed_out);
  EXPECT_THAT(BlockOn(registry->GetService(WithTimeout(Context(), absl::Milliseconds(20)), "x")),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  scope.Join();
  EXPECT_EQ(failed, 50);
  EXPECT_TRUE(IsSilent(*watcher));
  agent->Resume();
  ASSERT_THAT(Register(*registry, Record("greeter", "greeter-2")), IsOk());
  EXPECT_EQ(Next(*watcher), "create greeter-2");
}

TEST(ConsulOutage, ARegistryMayGoWhileItsAgentHangs) {
  const auto agent = StartAgent();
  auto registry = Open({agent->address()});
  ASSERT_THAT(Register(*registry, Record("greeter")), IsOk());
  const auto watcher = Watch(*registry, "");
  agent->Pause();
  registry.reset();
  EXPECT_THAT(BlockOn(watcher->Next(Context())), StatusIs(kUnavailable));
}

TEST(ConsulFailover, AnotherAddressTakesOver) {
  const auto first = StartAgent(), second = StartAgent();
  const auto registry = Open({first->address(), second->address()});
  ASSERT_THAT(Register(*registry, Record("greeter")), IsOk());
  EXPECT_TRUE(RawHas(*first, "greeter-1"));
  EXPECT_FALSE(RawHas(*second, "greeter-1"));
  first->Kill();
  // Nobody calls Register.
  EXPECT_TRUE(Eventually([&] { return RawHas(*second, "greeter-1"); }));
  EXPECT_TRUE(Eventually([&] { return Finds(*registry, "greeter"); }));
  // It stays there, when the first is back too.
  ASSERT_THAT(first->Start(), IsOk());
  ASSERT_THAT(Register(*registry, Record("other")), IsOk());
  EXPECT_TRUE(RawHas(*second, "other-1"));
  EXPECT_FALSE(RawHas(*first, "other-1"));
}

TEST(ConsulFailover, ACallGoesOnAtTheNextAddress) {
  const auto first = StartAgent(), second = StartAgent();
  const auto registry = Open({first->address(), second->address()}, absl::Minutes(10),
                             /*timeout=*/absl::Seconds(1));
  ASSERT_TRUE(RawRegister(*second, "greeter", "greeter-1", {"v=1"}));
  first->Pause();
  EXPECT_TRUE(Eventually([&] { return Finds(*registry, "greeter"); }));
  first->Kill();
  EXPECT_TRUE(Finds(*registry, "greeter"));
  second->Kill();
  EXPECT_THAT(
      Get(*registry, "greeter"),
      StatusIs(kUnavailable, AllOf(HasSubstr(first->address()), HasSubstr(second->address()))));
}

TEST(ConsulFailover, ARefreshMovesToTheNextAddress) {
  const auto first = StartAgent(), second = StartAgent();
  const auto registry = Open({first->address(), second->address()}, absl::Minutes(10),
                             /*timeout=*/absl::Seconds(1));
  ASSERT_THAT(Register(*registry, Record("greeter")), IsOk());
  first->Pause();
  ASSERT_THAT(Register(*registry, Record("greeter")), IsOk());
  EXPECT_TRUE(RawHas(*second, "greeter-1"));
  first->Resume();
  // Both have it, and both lose it.
  EXPECT_TRUE(RawHas(*first, "greeter-1"));
  ASSERT_THAT(Deregister(*registry, Record("greeter")), IsOk());
  EXPECT_FALSE(RawHas(*first, "greeter-1"));
  EXPECT_FALSE(RawHas(*second, "greeter-1"));
}

TEST(ConsulFailover, WatchersGoOnAtTheNextAddress) {
  const auto first = StartAgent(), second = StartAgent();
  const auto registry = Open({first->address(), second->address()});
  ASSERT_TRUE(RawRegister(*first, "greeter", "greeter-1", {"v=1"}));
  ASSERT_TRUE(Eventually([&] { return Finds(*registry, "greeter"); }));
  const auto one = Watch(*registry, "greeter"), all = Watch(*registry, "");
  first->Kill();
  ASSERT_TRUE(RawRegister(*second, "greeter", "greeter-2", {"v=1"}));
  EXPECT_EQ(Next(*one), "create greeter-2");
  EXPECT_EQ(Next(*all), "create greeter-2");
  // The new agent's index is of another history, whichever is higher.
  ASSERT_TRUE(RawRegister(*second, "late", "late-1", {"v=1"}));
  EXPECT_EQ(Next(*all), "create late-1");
}

TEST(ConsulFailover, AnAgentWithoutLeaderIsPassedOver) {
  const auto leaderless =
                 StartAgent({.leaderless = true,
                             .configuration = {"performance={rpc_hold_timeout=\"50ms\"}"}}),
             agent = StartAgent();
  ASSERT_TRUE(RawRegister(*agent, "greeter", "greeter-1", {"v=1"}));
  const auto registry = Open({leaderless->address(), agent->address()});
  EXPECT_TRUE(Eventually([&] { return Finds(*registry, "greeter"); }));
  EXPECT_THAT(Get(*Open({leaderless->address()}), "greeter"),
              StatusIs(kUnavailable, HasSubstr("No cluster leader")));
}

}  // namespace
}  // namespace micro::registry::consul
