// What a service registers, when, and what it does when the registry does not play along.
#include <gmock/gmock.h>

#include <atomic>
#include <map>
#include <thread>

#include "core/async.h"
#include "core/testing/eventually.h"
#include "registry/testing/scripted_registry.h"
#include "tests/integration/lifecycle_fixture.h"

namespace micro {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// ---- Registration over time ----

TEST_F(Lifecycle, StaysOutOfTheRegistryWhileItsCheckFails) {
  std::atomic<bool> healthy = false;
  std::atomic<int> asked = 0;
  ServiceOptions options = GreeterOptions(registry_);
  options.server.register_interval = absl::Milliseconds(10);
  options.server.register_check = [&](Context) -> Task<absl::Status> {
    ++asked;
    co_return healthy ? absl::OkStatus() : absl::UnavailableError("warming up");
  };
  RunningGreeter server(std::move(options));
  ASSERT_TRUE(Eventually([&] { return asked >= 3; }));
  EXPECT_FALSE(discovery_.Lists());
  auto caller = NewCaller(registry_);
  helloworld::GreeterService greeter("helloworld", caller->client());
  EXPECT_THAT(BlockOn(greeter.Hello(Context(), Named("x"), {.addresses = {server.address()}})),
              IsOk());

  healthy = true;
  EXPECT_TRUE(Eventually([&] { return discovery_.Lists(); }));
  healthy = false;
  EXPECT_TRUE(Eventually([&] { return !discovery_.Lists(); }));
  healthy = true;
  EXPECT_TRUE(Eventually([&] { return discovery_.Lists(); }));
}

TEST_F(Lifecycle, RegistersAgainWithARegistryThatLostIt) {
  ServiceOptions options = GreeterOptions(registry_);
  options.server.register_interval = absl::Milliseconds(10);
  RunningGreeter server(std::move(options));
  for (int i = 0; i < 3; ++i) {
    discovery_.Lose(server->server()->record());
    EXPECT_TRUE(Eventually([&] { return discovery_.Lists(); }));
  }
}

// A Greeter on a registry that does what the script says.
class ScriptedLifecycle : public Lifecycle {
 protected:
  ServiceOptions ScriptedOptions() {
    ServiceOptions options = GreeterOptions(registry_);
    options.registry = "scripted";
    options.server.register_interval = absl::Milliseconds(10);
    return options;
  }

  registry::RegistryScript script_;
  ScopedPlugin<registry::Registry> plugin_{"scripted", registry::ScriptedRegistryFactory(script_)};
};

TEST_F(ScriptedLifecycle, RefreshesItsRegistrationWithItsTtl) {
  ServiceOptions options = ScriptedOptions();
  options.server.register_ttl = absl::Seconds(77);
  RunningGreeter server(std::move(options));
  EXPECT_EQ(script_.ttl_seconds, 77);
  script_.ttl_seconds = 0;
  const int before = script_.registrations;
  ASSERT_TRUE(Eventually([&] { return script_.registrations >= before + 3; }));
  EXPECT_EQ(script_.ttl_seconds, 77);
}

TEST_F(ScriptedLifecycle, RegistersOnceWithoutAnInterval) {
  ServiceOptions options = ScriptedOptions();
  options.server.register_interval = absl::ZeroDuration();
  RunningGreeter server(std::move(options));
  server.Stop();
  EXPECT_EQ(script_.registrations, 1);
}

TEST_F(ScriptedLifecycle, ServesWhileTheRegistryIsDownAndRegistersLater) {
  script_.down = true;
  RunningGreeter server(ScriptedOptions());
  EXPECT_GE(script_.registrations, 3);
  EXPECT_FALSE(discovery_.Lists());
  auto caller = NewCaller(registry_);
  helloworld::GreeterService greeter("helloworld", caller->client());
  EXPECT_THAT(BlockOn(greeter.Hello(Context(), Named("x"), {.addresses = {server.address()}})),
              IsOk());
  script_.down = false;
  EXPECT_TRUE(Eventually([&] { return discovery_.Lists(); }));
}

size_t Count(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST_F(ScriptedLifecycle, SaysOnceThatTheRegistryIsDownAndOnceThatItIsBack) {
  ::testing::internal::CaptureStderr();
  script_.down = true;
  RunningGreeter server(ScriptedOptions());
  for (int outage = 0; outage < 2; ++outage) {
    script_.down = true;
    const int before = script_.registrations;
    EXPECT_TRUE(Eventually([&] { return script_.registrations >= before + 10; }));
    script_.down = false;
    EXPECT_TRUE(Eventually([&] { return script_.registrations >= before + 20; }));
  }
  server.Stop();
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(Count(log, "WARN could not register; trying on service=helloworld"), 2u) << log;
  EXPECT_EQ(Count(log, "INFO registered service=helloworld"), 1u) << log;
  EXPECT_EQ(Count(log, "INFO registered again service=helloworld"), 1u) << log;
}

TEST_F(ScriptedLifecycle, TriesOnUntilItIsRegisteredAlsoWithoutAnInterval) {
  ServiceOptions options = ScriptedOptions();
  options.server.register_interval = absl::ZeroDuration();
  script_.down = true;
  RunningGreeter server(std::move(options));
  EXPECT_FALSE(discovery_.Lists());
  script_.down = false;
  EXPECT_TRUE(Eventually([&] { return discovery_.Lists(); }));
  const int registrations = script_.registrations;
  server.Stop();
  EXPECT_EQ(script_.registrations, registrations);
}

TEST_F(ScriptedLifecycle, TakesBackARegistrationWhoseAnswerWasLost) {
  script_.answers_get_lost = true;
  auto [ctx, cancel] = WithCancel(Context());
  auto service = NewGreeter(ScriptedOptions());
  std::thread canceller([&, cancel = cancel] {
    EXPECT_TRUE(Eventually([&] { return discovery_.Lists(); }));
    cancel();
  });
  EXPECT_THAT(BlockOn(service->Start(ctx)), IsOk());
  canceller.join();
  EXPECT_THAT(BlockOn(service->Stop(Context())), IsOk());
  EXPECT_FALSE(discovery_.Lists());
}

TEST_F(ScriptedLifecycle, TriesAgainToLeaveARegistryThatWasDownWhenItsCheckFailed) {
  std::atomic<bool> healthy = true;
  std::atomic<int> asked = 0;
  ServiceOptions options = ScriptedOptions();
  options.server.register_check = [&](Context) -> Task<absl::Status> {
    ++asked;
    co_return healthy ? absl::OkStatus() : absl::UnavailableError("overloaded");
  };
  RunningGreeter server(std::move(options));
  ASSERT_TRUE(discovery_.Lists());
  script_.down = true;
  healthy = false;
  const int before = asked;
  ASSERT_TRUE(Eventually([&] { return asked >= before + 3; }));
  script_.down = false;
  EXPECT_TRUE(Eventually([&] { return !discovery_.Lists(); }));
}

TEST_F(ScriptedLifecycle, ClosesItsPortThoughTheRegistryIsDown) {
  ServiceOptions options = ScriptedOptions();
  options.server.register_interval = absl::Hours(1);
  auto service = NewGreeter(std::move(options));
  ASSERT_THAT(BlockOn(service->Start(Context())), IsOk());
  script_.down = true;
  EXPECT_THAT(BlockOn(service->Stop(Context())),
              StatusIs(absl::StatusCode::kUnavailable, "the registry is down"));
  EXPECT_THAT(StartWithAddress(service->server()->record().nodes[0].address), IsOk());
}

// ---- The record ----

TEST_F(Lifecycle, RegistersWhatGoMicroRegisters) {
  ServiceOptions options = GreeterOptions(registry_);
  options.server.id = "one";
  options.server.metadata = {{"zone", "a"}};
  RunningGreeter server(std::move(options));
  const auto found = discovery_.Find();
  ASSERT_THAT(found, IsOk());
  ASSERT_EQ(found->size(), 1u);
  const registry::Service& record = found->front();
  EXPECT_EQ(record, server->server()->record());
  EXPECT_EQ(record.name, "helloworld");
  EXPECT_EQ(record.version, "1.0.0");
  ASSERT_EQ(record.nodes.size(), 1u);
  EXPECT_EQ(record.nodes[0].id, "helloworld-one");
  EXPECT_THAT(record.nodes[0].address, HasSubstr("127.0.0.1:"));
  EXPECT_EQ(record.nodes[0].metadata, (registry::Labels{{"broker", "memory"},
                                                        {"protocol", "grpc"},
                                                        {"registry", "memory"},
                                                        {"server", "grpc"},
                                                        {"transport", "grpc"},
                                                        {"zone", "a"}}));

  std::vector<std::string> names;
  for (const registry::Endpoint& endpoint : record.endpoints) names.push_back(endpoint.name);
  EXPECT_THAT(names, ElementsAre("Greeter.Chat", "Greeter.Count", "Greeter.Echo", "Greeter.Fail",
                                 "Greeter.Hello", "Greeter.Meta", "Greeter.Sleep", "Greeter.Sum"));
}

TEST_F(Lifecycle, DescribesEachEndpointByItsTypes) {
  RunningGreeter server(GreeterOptions(registry_));
  const registry::Labels stream = {{"stream", "true"}};
  const registry::Value context{.name = "Context", .type = "Context"},
      streamed{.name = "Stream", .type = "Stream"};
  std::map<std::string, registry::Endpoint> endpoints;
  for (const registry::Endpoint& endpoint : server->server()->record().endpoints)
    endpoints[endpoint.name] = endpoint;
  EXPECT_EQ(endpoints["Greeter.Hello"],
            (registry::Endpoint{.name = "Greeter.Hello",
                                .request = {.name = "HelloRequest",
                                            .type = "HelloRequest",
                                            .values = {{.name = "name", .type = "string"}}},
                                .response = {.name = "HelloResponse",
                                             .type = "HelloResponse",
                                             .values = {{.name = "greeting", .type = "string"}}}}));
  for (const std::string name : {"Greeter.Chat", "Greeter.Count", "Greeter.Sum"}) {
    EXPECT_EQ(endpoints[name],
              (registry::Endpoint{
                  .name = name, .request = context, .response = streamed, .metadata = stream}));
  }
}

TEST_F(Lifecycle, RegistersTheAdvertisedAddress) {
  ServiceOptions options = GreeterOptions(registry_);
  options.server.advertise = "greeter.example:80";
  RunningGreeter server(std::move(options));
  EXPECT_EQ(server.address(), "greeter.example:80");
}

TEST_F(Lifecycle, GivesEveryServiceAnIdOfItsOwn) {
  RunningGreeter one(GreeterOptions(registry_)), other(GreeterOptions(registry_));
  EXPECT_NE(one.node_id(), other.node_id());
  const auto found = discovery_.Find();
  ASSERT_THAT(found, IsOk());
  ASSERT_EQ(found->size(), 1u);
  EXPECT_EQ(found->front().nodes.size(), 2u);
}

TEST_F(Lifecycle, ServesInternalHandlersWithoutAdvertisingThem) {
  auto service = NewService(GreeterOptions(registry_));
  helloworld::RegisterGreeterHandler(*service->server(), std::make_shared<interop::Greeter>(),
                                     {.internal = true});
  ASSERT_THAT(BlockOn(service->Start(Context())), IsOk());
  EXPECT_THAT(service->server()->record().endpoints, IsEmpty());
  helloworld::GreeterService greeter("helloworld", service->client());
  EXPECT_THAT(BlockOn(greeter.Hello(Context(), Named("x"))), IsOk());
  EXPECT_THAT(BlockOn(service->Stop(Context())), IsOk());
}

TEST_F(Lifecycle, AddsTheHandlersMetadataToItsEndpoints) {
  auto service = NewService(GreeterOptions(registry_));
  helloworld::RegisterGreeterHandler(
      *service->server(), std::make_shared<interop::Greeter>(),
      {.endpoint_metadata = {{"Greeter.Hello", {{"description", "greets"}}}}});
  ASSERT_THAT(BlockOn(service->Start(Context())), IsOk());
  for (const registry::Endpoint& endpoint : service->server()->record().endpoints) {
    EXPECT_EQ(endpoint.metadata.contains("description"), endpoint.name == "Greeter.Hello")
        << endpoint.name;
  }
  EXPECT_THAT(BlockOn(service->Stop(Context())), IsOk());
}

}  // namespace
}  // namespace micro
