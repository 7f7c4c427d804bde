// Whether a service that runs is ready, which is whether those who look for it find it; and what it
// does when they do not.
#include <gmock/gmock.h>

#include <algorithm>

#include "core/async.h"
#include "core/log_records.h"
#include "core/plugin_table.h"
#include "core/testing/eventually.h"
#include "micro/debug/debug.micro.h"
#include "registry/testing/scripted_registry.h"
#include "tests/integration/lifecycle_fixture.h"
#include "tests/services/probe.h"
#include "tests/services/service_process.h"

namespace micro {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kServing[] = "\x08\x01", kNotServing[] = "\x08\x02";

// What a service says of itself to those who ask.
class Asked {
 public:
  std::string Health(const std::string& address) { return HealthAt(address, *caller_); }

  // A watch of the health, of which `Next` is what is heard next.
  class Watch {
   public:
    explicit Watch(std::unique_ptr<RawStream> stream) : stream_(std::move(stream)) {
      EXPECT_THAT(BlockOn(stream_->Send(codec::Frame{})), IsOk());
      EXPECT_THAT(BlockOn(stream_->CloseSend()), IsOk());
    }
    std::string Next() {
      codec::Frame response;
      const absl::StatusOr<bool> more = BlockOn(stream_->Recv(response));
      return more.ok() ? response.data : more.status().ToString();
    }

   private:
    const std::unique_ptr<RawStream> stream_;
  };
  Watch WatchHealth(const std::string& address) {
    return Watch(
        *BlockOn(caller_->client()->Stream(Context(),
                                           {.service = "",
                                            .method = {.endpoint = "Health.Watch",
                                                       .grpc_path = "/grpc.health.v1.Health/Watch",
                                                       .kind = MethodKind::kServerStreaming}},
                                           {.addresses = {address}})));
  }
  std::string DebugHealth(const std::string& address, const std::string& wire) {
    const auto caller = NewCaller(OwnRegistry(), {.wire = wire});
    const debug::DebugService debug("helloworld", caller->client());
    const auto health = BlockOn(debug.Health(Context(), {}, {.addresses = {address}}));
    EXPECT_THAT(health, IsOk());
    return health.ok() ? health->status() : "";
  }
  absl::Status Hello(const std::string& address) {
    const helloworld::GreeterService greeter("helloworld", caller_->client());
    return BlockOn(greeter.Hello(Context(), Named("x"), {.addresses = {address}})).status();
  }

 private:
  const std::unique_ptr<Service> caller_ = NewCaller(OwnRegistry());
};

size_t Count(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

// ---- With a registry that does what the script says ----

class Readiness : public Lifecycle {
 protected:
  ServiceOptions Options() {
    ServiceOptions options = GreeterOptions(registry_);
    options.registry = "scripted";
    options.server.register_interval = absl::Milliseconds(20);
    return options;
  }
  // Waits for so many registrations from now on.
  void AwaitRegistrations(int count) {
    const int before = script_.registrations;
    EXPECT_TRUE(Eventually([&] { return script_.registrations >= before + count; }));
  }

  registry::RegistryScript script_;
  ScopedPlugin<registry::Registry> plugin_{"scripted", registry::ScriptedRegistryFactory(script_)};
  Asked ask_;
};

TEST_F(Readiness, ComesWithTheStart) {
  RunningGreeter server(Options());
  EXPECT_THAT(server->server()->readiness(), IsOk());
  EXPECT_EQ(ask_.Health(server.address()), kServing);
  server.Stop();
  EXPECT_THAT(server->server()->readiness(),
              StatusIs(absl::StatusCode::kUnavailable, "the server is stopping"));
}

TEST_F(Readiness, WaitsUntilTheRegistryListsTheNodeWhileCallsAreServed) {
  ::testing::internal::CaptureStderr();
  script_.forgets = true;
  RunningGreeter server(Options());
  EXPECT_EQ(ask_.Health(server.address()), kNotServing);
  EXPECT_THAT(server->server()->readiness(),
              StatusIs(absl::StatusCode::kUnavailable, "registry scripted does not list node " +
                                                           server.node_id() +
                                                           " of service helloworld (0 others)"));
  AwaitRegistrations(10);
  EXPECT_EQ(ask_.Health(server.address()), kNotServing);
  EXPECT_THAT(ask_.Hello(server.address()), IsOk());
  script_.forgets = false;
  EXPECT_TRUE(Eventually([&] { return ask_.Health(server.address()) == kServing; }));
  server.Stop();
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(Count(log, "WARN not ready: callers do not find the node"), 1u) << log;
  EXPECT_EQ(Count(log, "INFO ready: the registry lists the node"), 1u) << log;
}

TEST_F(Readiness, EndsWhenTheNodeVanishesAndComesBackWithIt) {
  ::testing::internal::CaptureStderr();
  RunningGreeter server(Options());
  for (int i = 0; i < 2; ++i) {
    script_.forgets = true;
    discovery_.Lose(server->server()->record());
    EXPECT_TRUE(Eventually([&] { return ask_.Health(server.address()) == kNotServing; }));
    script_.forgets = false;
    EXPECT_TRUE(Eventually([&] { return ask_.Health(server.address()) == kServing; }));
    EXPECT_TRUE(discovery_.Lists());
  }
  server.Stop();
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(Count(log, "WARN not ready: callers do not find the node"), 2u) << log;
  EXPECT_EQ(Count(log, "INFO ready: the registry lists the node"), 2u) << log;
}

TEST_F(Readiness, IsToldToThoseWhoWatchItWhenItChanges) {
  RunningGreeter server(Options());
  Asked::Watch watch = ask_.WatchHealth(server.address());
  EXPECT_EQ(watch.Next(), kServing);
  for (int i = 0; i < 3; ++i) {
    script_.forgets = true;
    discovery_.Lose(server->server()->record());
    EXPECT_EQ(watch.Next(), kNotServing);
    AwaitRegistrations(3);  // in vain, of which nobody hears
    script_.forgets = false;
    EXPECT_EQ(watch.Next(), kServing);
  }
  server.Stop();
  EXPECT_EQ(watch.Next(), kNotServing);
  EXPECT_THAT(watch.Next(), HasSubstr("the service is stopping"));
}

TEST_F(Readiness, EndsWhenTheNodeIsListedAtAnotherAddress) {
  RunningGreeter server(Options());
  const std::string own = server.address();
  script_.forgets = true;
  registry::Service taken = server->server()->record();
  taken.nodes[0].address = "127.0.0.1:1";
  const auto other = *PluginTable<registry::Registry>::Create("memory", registry_);
  EXPECT_THAT(BlockOn(other->Register(Context(), taken, {})), IsOk());
  EXPECT_TRUE(Eventually([&] { return ask_.Health(own) == kNotServing; }));
  EXPECT_THAT(
      server->server()->readiness(),
      StatusIs(absl::StatusCode::kUnavailable, HasSubstr("at 127.0.0.1:1 instead of " + own)));
}

TEST_F(Readiness, StaysAsItIsWhileTheRegistryIsDown) {
  RunningGreeter server(Options());
  script_.down = true;
  AwaitRegistrations(10);
  EXPECT_EQ(ask_.Health(server.address()), kServing);
  script_.down = false;
  AwaitRegistrations(3);
  EXPECT_EQ(ask_.Health(server.address()), kServing);
}

TEST_F(Readiness, ComesLaterWhereTheRegistryIsDownAtTheStart) {
  script_.down = true;
  RunningGreeter server(Options());
  EXPECT_EQ(ask_.Health(server.address()), kNotServing);
  EXPECT_THAT(
      server->server()->readiness(),
      StatusIs(absl::StatusCode::kUnavailable, "it could not register yet: the registry is down"));
  script_.down = false;
  EXPECT_TRUE(Eventually([&] { return ask_.Health(server.address()) == kServing; }));
}

TEST_F(Readiness, NeedsARegisterCheckThatDoesNotFail) {
  std::atomic<bool> healthy = false;
  ServiceOptions options = Options();
  options.server.register_check = [&](Context) -> Task<absl::Status> {
    co_return healthy ? absl::OkStatus() : absl::UnavailableError("warming up");
  };
  RunningGreeter server(std::move(options));
  EXPECT_EQ(ask_.Health(server.address()), kNotServing);
  EXPECT_THAT(server->server()->readiness(),
              StatusIs(absl::StatusCode::kUnavailable, "the register check failed: warming up"));
  healthy = true;
  EXPECT_TRUE(Eventually([&] { return ask_.Health(server.address()) == kServing; }));
  healthy = false;
  EXPECT_TRUE(Eventually([&] { return ask_.Health(server.address()) == kNotServing; }));
}

TEST_F(Readiness, CostsOneLookupForEachRefresh) {
  RunningGreeter server(Options());
  AwaitRegistrations(10);
  server.Stop();
  EXPECT_LE(script_.lookups, script_.registrations + 1);
}

TEST_F(Readiness, IsSeenToOnceWithoutAnInterval) {
  ServiceOptions options = Options();
  options.server.register_interval = absl::ZeroDuration();
  script_.forgets = true;
  RunningGreeter server(std::move(options));
  EXPECT_TRUE(Eventually([&] { return script_.lookups >= 3; }));
  script_.forgets = false;
  EXPECT_TRUE(Eventually([&] { return server->server()->readiness().ok(); }));
  const int lookups = script_.lookups, registrations = script_.registrations;
  server.Stop();
  EXPECT_EQ(script_.lookups, lookups);
  EXPECT_EQ(script_.registrations, registrations);
}

class DebugReadiness : public Readiness, public ::testing::WithParamInterface<const char*> {};

TEST_P(DebugReadiness, IsWhatDebugHealthTells) {
  script_.forgets = true;
  ServiceOptions options = Options();
  options.server.wire = GetParam();
  options.debug = true;
  RunningGreeter server(std::move(options));
  EXPECT_THAT(ask_.DebugHealth(server.address(), GetParam()),
              StartsWith("not ready: registry scripted does not list node helloworld-"));
  script_.forgets = false;
  EXPECT_TRUE(Eventually([&] { return ask_.DebugHealth(server.address(), GetParam()) == "ok"; }));
}

INSTANTIATE_TEST_SUITE_P(Wires, DebugReadiness, ::testing::Values("grpc", "rpc"),
                         [](const auto& wire) { return std::string(wire.param); });

// ---- With real registries ----

struct Kind {
  std::string name;
  absl::StatusOr<std::unique_ptr<services::ServiceProcess>> (*start)();
};

class RealReadiness : public ::testing::TestWithParam<Kind> {
 protected:
  registry::Options Where() const { return {.addresses = {process_->address()}}; }
  ServiceOptions Options() {
    ServiceOptions options = GreeterOptions(Where());
    options.registry = GetParam().name;
    options.server.register_interval = absl::Seconds(1);
    return options;
  }
  bool IsServing() { return ask_.Health(server_->address()) == kServing; }
  void Start() {
    server_ = std::make_unique<RunningGreeter>(Options());
    ASSERT_TRUE(Eventually([&] { return IsServing(); }));
  }
  bool IsListed(const registry::Service& record) {
    const auto registry = *PluginTable<registry::Registry>::Create(GetParam().name, Where());
    const auto found = BlockOn(registry->GetService(Context(), record.name));
    return found.ok() && found->front().nodes.front().id == record.nodes[0].id;
  }

  const std::unique_ptr<services::ServiceProcess> process_ = GetParam().start().value();
  Asked ask_;
  std::unique_ptr<RunningGreeter> server_;
};

TEST_P(RealReadiness, ComesBackAfterSomebodyElseHasDeregisteredTheNode) {
  Start();
  const registry::Service record = (*server_)->server()->record();
  const auto other = *PluginTable<registry::Registry>::Create(GetParam().name, Where());
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(BlockOn(other->Deregister(Context(), record)), IsOk());
    EXPECT_TRUE(Eventually([&] { return IsListed(record) && IsServing(); }));
  }
}

TEST_P(RealReadiness, OutlivesAnOutageAndComesBackWithARegistryThatIsEmpty) {
  Start();
  const registry::Service record = (*server_)->server()->record();
  log::KeepRecords();
  const auto before = log::RecordsAfter(0);
  process_->Kill();
  EXPECT_TRUE(Eventually([&] {
    EXPECT_TRUE(IsServing());
    const auto said = log::RecordsAfter(before.empty() ? 0 : before.back()->number);
    return std::any_of(said.begin(), said.end(), [](const auto& record) {
      return record->message == "could not register; trying on";
    });
  }));
  EXPECT_TRUE(IsServing());
  process_->Forget();
  ASSERT_THAT(process_->Start(), IsOk());
  EXPECT_TRUE(Eventually([&] { return IsListed(record) && IsServing(); }));
}

INSTANTIATE_TEST_SUITE_P(
    Each, RealReadiness,
    ::testing::Values(Kind{"consul", [] { return services::StartConsul({.durable = true}); }},
                      Kind{"etcd", [] { return services::StartEtcd(); }},
                      Kind{"nats", [] { return services::StartNats(); }}),
    [](const auto& info) { return info.param.name; });

TEST(ConsulReadiness, IsWhatConsulsOperatorsWant) {
  const auto consul = services::StartConsul().value();
  ServiceOptions options = GreeterOptions({.addresses = {consul->address()}});
  options.registry = "consul";
  options.server.register_interval = absl::Seconds(1);
  RunningGreeter server(std::move(options));
  Asked ask;
  ASSERT_TRUE(Eventually([&] { return ask.Health(server.address()) == kServing; }));
  const auto maintain = [&](bool on) {
    const std::string request = "PUT /v1/agent/service/maintenance/" + server.node_id() +
                                "?enable=" + (on ? "true" : "false") +
                                " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                                "Content-Length: 0\r\n\r\n";
    EXPECT_THAT(services::Probe(consul->port(), request), StartsWith("HTTP/1.1 200"));
  };
  maintain(true);
  EXPECT_TRUE(Eventually([&] { return ask.Health(server.address()) == kNotServing; }));
  maintain(false);
  EXPECT_TRUE(Eventually([&] { return ask.Health(server.address()) == kServing; }));
}

TEST(MdnsReadiness, ComesWithinItsWindow) {
  ServiceOptions options = GreeterOptions({.addresses = {"lo"}});
  options.registry = "mdns";
  RunningGreeter server(std::move(options));
  Asked ask;
  EXPECT_TRUE(Eventually([&] { return ask.Health(server.address()) == kServing; }));
}

}  // namespace
}  // namespace micro
