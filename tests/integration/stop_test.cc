// A service's way down, on each wire: its order, its times, and what becomes of the calls.
#include <gmock/gmock.h>

#include <map>
#include <thread>

#include "core/async.h"
#include "core/mutex.h"
#include "core/task_scope.h"
#include "core/testing/eventually.h"
#include "micro/wire.h"
#include "registry/testing/scripted_registry.h"
#include "tests/integration/lifecycle_fixture.h"
#include "tests/integration/spawned_greeter.h"

namespace micro {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

constexpr absl::Duration kLong = absl::Minutes(5);
constexpr absl::Duration kShort = absl::Milliseconds(20);

// Holds every Hello until it is let go, or, if it listens, its context ends.
class Gate final : public interop::Greeter {
 public:
  explicit Gate(bool listens = true) : listens_(listens) {}

  Task<absl::Status> Hello(const Context& ctx, const helloworld::HelloRequest&,
                           helloworld::HelloResponse& response) override {
    entered = true;
    const absl::StatusOr<bool> opened = co_await Await(listens_ ? ctx : Context(), open);
    cancelled = absl::IsCancelled(opened.status());
    response.set_greeting("at last");
    left = true;
    co_return opened.status();
  }
  const std::shared_ptr<OneShot<bool>> open = std::make_shared<OneShot<bool>>();
  std::atomic<bool> entered = false, cancelled = false, left = false;

 private:
  const bool listens_;
};

// A Hello that runs beside the test.
class BackgroundHello {
 public:
  explicit BackgroundHello(const registry::Options& registry) : caller_(NewCaller(registry)) {
    Spawn(scope_, Call());
  }
  bool ended() const { return scope_.running() == 0; }
  absl::StatusOr<helloworld::HelloResponse> Answer() {
    scope_.Join();
    return answer_;
  }

 private:
  Task<void> Call() {
    answer_ =
        co_await greeter_.Hello(WithTimeout(Context(), kLong), Named("x"),
                                {.retries = 0, .connection_timeout = absl::InfiniteDuration()});
  }

  std::unique_ptr<Service> caller_;
  helloworld::GreeterService greeter_{"helloworld", caller_->client()};
  absl::StatusOr<helloworld::HelloResponse> answer_;
  TaskScope scope_;
};

class Stop : public Lifecycle, public ::testing::WithParamInterface<const char*> {
 protected:
  ServiceOptions Options() {
    ServiceOptions options = GreeterOptions(registry_);
    options.server.wire = GetParam();
    return options;
  }

  // One call to a node, listed or not.
  absl::Status CallAt(const std::string& address) {
    return BlockOn(greeter_.Meta(Context(), {}, {.addresses = {address}, .retries = 0})).status();
  }

  // What health says of a node, as bytes.
  std::string HealthAt(const std::string& address) {
    codec::Frame response;
    const absl::Status status = BlockOn(caller_->client()->Call(
        Context(),
        {.service = "",
         .method = {.endpoint = "Health.Check", .grpc_path = "/grpc.health.v1.Health/Check"},
         .body = codec::Frame{}},
        response, {.addresses = {address}, .retries = 0}));
    return status.ok() ? response.data : status.ToString();
  }

  const std::unique_ptr<Service> caller_ = NewCaller(registry_, {.wire = GetParam()});
  const helloworld::GreeterService greeter_{"helloworld", caller_->client()};
};

INSTANTIATE_TEST_SUITE_P(Wires, Stop, ::testing::Values("grpc", "rpc"),
                         [](const auto& wire) { return std::string(wire.param); });

constexpr char kServing[] = "\x08\x01", kNotServing[] = "\x08\x02";

// ---- Order ----

TEST_P(Stop, GoesInOrder) {
  ServiceOptions options = Options();
  options.server.stop_delay = kLong;
  options.server.grace = kLong;
  const auto gate = std::make_shared<Gate>();
  RunningGreeter server(std::move(options), gate);
  const std::string address = server.address();
  BackgroundHello hello(registry_);
  ASSERT_TRUE(Eventually([&] { return gate->entered.load(); }));
  const auto activity = [&] { return server->server()->activity(); };
  EXPECT_EQ(activity().phase, "running");
  EXPECT_THAT(activity().calls, UnorderedElementsAre(Pair("Greeter.Hello", 1)));

  auto [ctx, cut_delay_short] = WithCancel(Context());
  std::thread stop([&, ctx = ctx] { EXPECT_THAT(BlockOn(server->Stop(ctx)), IsOk()); });
  // Nobody finds it any more, and it serves on.
  EXPECT_TRUE(Eventually([&] { return !discovery_.Lists(); }));
  EXPECT_TRUE(
      Eventually([&] { return activity().phase == "serving on while callers hear of it"; }));
  EXPECT_THAT(CallAt(address), IsOk());
  cut_delay_short();

  // It takes no new calls, and those that run go on.
  EXPECT_TRUE(Eventually([&] { return IsUnsent(CallAt(address)); }));
  EXPECT_EQ(activity().phase, "waiting for running calls");
  EXPECT_THAT(activity().calls, UnorderedElementsAre(Pair("Greeter.Hello", 1)));
  EXPECT_FALSE(hello.ended());
  gate->open->TrySet(true);
  stop.join();
  EXPECT_EQ(activity().phase, "stopped");
  const auto answer = hello.Answer();
  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(answer->greeting(), "at last");
}

TEST_F(Lifecycle, IsNotReadyBeforeItDeregisters) {
  registry::RegistryScript script;
  ScopedPlugin<registry::Registry> plugin("scripted", registry::ScriptedRegistryFactory(script));
  ServiceOptions options = GreeterOptions(registry_);
  options.registry = "scripted";
  RunningGreeter server(std::move(options));
  const std::string address = server.address();
  const auto caller = NewCaller(registry_);
  const auto health = [&] { return HealthAt(address, *caller); };
  EXPECT_EQ(health(), kServing);
  std::string seen;
  script.on_deregister = [&] { seen = health(); };
  server.Stop();
  EXPECT_EQ(seen, kNotServing);
}

// ---- Times ----

TEST_P(Stop, CancelsHandlersThatOutlastTheGraceAndSaysWhich) {
  ServiceOptions options = Options();
  options.server.grace = kShort;
  const auto gate = std::make_shared<Gate>();
  RunningGreeter server(std::move(options), gate);
  BackgroundHello hello(registry_);
  ASSERT_TRUE(Eventually([&] { return gate->entered.load(); }));
  ::testing::internal::CaptureStderr();
  server.Stop();
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_TRUE(gate->cancelled);
  EXPECT_THAT(hello.Answer(), Not(IsOk()));
  EXPECT_THAT(log, HasSubstr("stopped; calls that outlasted the grace were cancelled"));
  EXPECT_THAT(log, HasSubstr("calls=\"Greeter.Hello: 1\""));
}

TEST_P(Stop, LeavesHandlersBehindThatIgnoreTheirCancellationAndSaysWhich) {
  const auto gate = std::make_shared<Gate>(/*listens=*/false);
  {
    ServiceOptions options = Options();
    options.server.grace = options.server.cancel_timeout = kShort;
    RunningGreeter server(std::move(options), gate);
    BackgroundHello hello(registry_);
    ASSERT_TRUE(Eventually([&] { return gate->entered.load(); }));
    ::testing::internal::CaptureStderr();
    server.Stop();
    const std::string log = ::testing::internal::GetCapturedStderr();
    EXPECT_THAT(log, HasSubstr("handlers ignore their cancellation; leaving them behind"));
    EXPECT_THAT(log, HasSubstr("calls=\"Greeter.Hello: 1\""));
    EXPECT_THAT(hello.Answer(), Not(IsOk()));
  }
  gate->open->TrySet(true);  // it may end after its server
  EXPECT_TRUE(Eventually([&] { return gate->left.load(); }));
}

TEST_P(Stop, DoesNotWaitLongForARegistryThatDoesNotAnswer) {
  registry::RegistryScript script;
  ScopedPlugin<registry::Registry> plugin("scripted", registry::ScriptedRegistryFactory(script));
  ServiceOptions options = Options();
  options.registry = "scripted";
  options.server.deregister_timeout = kShort;
  RunningGreeter server(std::move(options));
  const std::string address = server.address();
  script.deregistrations_hang = true;
  EXPECT_THAT(BlockOn(server->Stop(Context())), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_TRUE(IsUnsent(CallAt(address)));
}

TEST_P(Stop, DoesNotWaitLongForASubscriberThatDoesNotEnd) {
  ServiceOptions options = Options();
  options.broker_options.addresses = registry_.addresses;
  options.server.grace = kShort;
  auto service = NewService(std::move(options));
  const auto open = std::make_shared<OneShot<bool>>();
  std::atomic<bool> entered = false, left = false;
  service->server()->Subscribe(NewSubscriber<helloworld::HelloRequest>(
      "names", [&](const Context&, const helloworld::HelloRequest&) -> Task<absl::Status> {
        entered = true;
        (void)co_await open->Wait();
        left = true;
        co_return absl::OkStatus();
      }));
  ASSERT_THAT(BlockOn(service->Start(Context())), IsOk());
  ASSERT_THAT(BlockOn(service->client()->Publish(Context(), "names", Named("x"), {})), IsOk());
  ASSERT_TRUE(Eventually([&] { return entered.load(); }));
  EXPECT_THAT(BlockOn(service->Stop(Context())), IsOk());
  open->TrySet(true);
  EXPECT_TRUE(Eventually([&] { return left.load(); }));
}

TEST_P(Stop, EndsTheContextsOfItsHooks) {
  ServiceOptions options = Options();
  options.stop_hooks_timeout = kShort;
  const Hook wait = [](Context ctx, Service&) { return Sleep(ctx, absl::InfiniteDuration()); };
  options.before_stop = options.after_stop = {wait};
  RunningGreeter server(std::move(options));
  const std::string address = server.address();
  EXPECT_THAT(BlockOn(server->Stop(Context())), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_TRUE(IsUnsent(CallAt(address)));
}

// ---- Calls that come too late ----

// With no news to warn them, callers meet the stop in every state that a connection can have.
TEST_P(Stop, RefusesEveryLateCallUnsent) {
  const std::vector<std::string> types =
      GetParam() == std::string("grpc")
          ? std::vector<std::string>{"application/grpc+proto", "application/grpc+json"}
          : std::vector<std::string>{"application/json"};
  for (int round = 0; round < 10; ++round) {
    for (const std::string& type : types) {
      auto server = std::make_unique<RunningGreeter>(Options());
      const CallOptions options{
          .addresses = {server->address()}, .content_type = type, .retries = 0};
      Mutex mutex;
      std::vector<absl::Status> failures;
      std::atomic<int> answers = 0;
      const auto call_until_it_fails = [&]() -> Task<void> {
        while (true) {
          const auto response = co_await greeter_.Hello(Context(), Named("x"), options);
          if (response.ok()) {
            ++answers;
            continue;
          }
          MutexLock lock(mutex);
          failures.push_back(response.status());
          co_return;
        }
      };
      TaskScope scope;
      for (int i = 0; i < 16; ++i) Spawn(scope, call_until_it_fails());
      EXPECT_TRUE(Eventually([&] { return answers > 100; }));
      server->Stop();
      scope.Join();
      EXPECT_THAT(failures, Each(::testing::ResultOf(IsUnsent, true)));
    }
  }
}

// ---- A second signal ----

TEST_P(Stop, ASecondSignalEndsTheProcessAndSaysWhatItCuts) {
  SpawnedGreeter server({std::string("--server=") + GetParam(), "--registry=memory",
                         "--server_grace=5m", "--log_format=json"});
  // Streams whose handlers have begun, as each has sent something.
  TaskScope scope;
  std::atomic<int> begun = 0;
  const auto count = [&]() -> Task<void> {
    helloworld::CountRequest request;
    request.set_n(2);
    request.set_gap_ms(absl::ToInt64Milliseconds(kLong));
    auto stream = co_await greeter_.Count(
        Context(), request,
        {.addresses = {server.address()}, .retries = 0, .connection_timeout = kLong});
    EXPECT_THAT(stream, IsOk());
    if (!stream.ok()) co_return;
    EXPECT_THAT(co_await stream->Recv(), IsOk());
    ++begun;
    EXPECT_THAT(co_await stream->Recv(), StatusIs(absl::StatusCode::kUnavailable));
  };
  Spawn(scope, count());
  Spawn(scope, count());
  EXPECT_TRUE(Eventually([&] { return begun == 2; }));
  server.Signal(SIGTERM);
  EXPECT_TRUE(Eventually([&] { return IsUnsent(CallAt(server.address())); }));
  server.Signal(SIGTERM);
  EXPECT_EQ(server.Wait(), 128 + SIGTERM);
  EXPECT_THAT(server.Log(), HasSubstr("\"message\":\"second signal: ending at once\""));
  EXPECT_THAT(server.Log(), HasSubstr("\"phase\":\"waiting for running calls\""));
  EXPECT_THAT(server.Log(), HasSubstr("\"calls\":\"Greeter.Count: 2\""));
  scope.Join();
}

TEST_P(Stop, OneSignalIsEnoughWhereNothingRuns) {
  SpawnedGreeter server({std::string("--server=") + GetParam(), "--registry=memory"});
  EXPECT_THAT(CallAt(server.address()), IsOk());
  server.Signal(SIGTERM);
  EXPECT_EQ(server.Wait(), 0);
  EXPECT_THAT(server.Log(), HasSubstr("INFO stopped service=helloworld took="));
}

}  // namespace
}  // namespace micro
