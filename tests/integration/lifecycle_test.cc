// A service's life: its order, what may go wrong in it, and what others see of it meanwhile.
#include <gmock/gmock.h>

#include <csignal>
#include <fstream>
#include <thread>

#include "core/async.h"
#include "core/mutex.h"
#include "core/task_scope.h"
#include "core/testing/eventually.h"
#include "registry/testing/scripted_registry.h"
#include "tests/integration/greeter_services.h"

namespace micro {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// Looks at discovery from outside of all services.
class Discovery {
 public:
  explicit Discovery(const registry::Options& options)
      : registry_(*PluginTable<registry::Registry>::Create("memory", options)) {}

  absl::StatusOr<std::vector<registry::Service>> Find() {
    return BlockOn(registry_->GetService(Context(), "helloworld"));
  }
  bool Lists() { return Find().ok(); }
  void Lose(const registry::Service& record) {
    EXPECT_THAT(BlockOn(registry_->Deregister(Context(), record)), IsOk());
  }

 private:
  const std::unique_ptr<registry::Registry> registry_;
};

class Lifecycle : public ::testing::Test {
 protected:
  // A hook that notes its name and whether discovery lists the service.
  Hook Noting(std::string name, absl::Status answer = absl::OkStatus()) {
    return [this, name, answer](Context, Service&) -> Task<absl::Status> {
      notes_.push_back(name + (discovery_.Lists() ? ": listed" : ": not listed"));
      co_return answer;
    };
  }

  std::unique_ptr<Service> NewGreeter(ServiceOptions options) {
    auto service = NewService(std::move(options));
    helloworld::RegisterGreeterHandler(*service->server(), std::make_shared<interop::Greeter>());
    return service;
  }

  absl::Status StartWithAddress(const std::string& address) {
    ServiceOptions options = GreeterOptions(registry_);
    options.server.address = address;
    auto service = NewGreeter(std::move(options));
    absl::Status status = BlockOn(service->Start(Context()));
    EXPECT_THAT(BlockOn(service->Stop(Context())), IsOk());
    return status;
  }

  const registry::Options registry_ = OwnRegistry();
  Discovery discovery_{registry_};
  std::vector<std::string> notes_;
};

// ---- Order ----

TEST_F(Lifecycle, RunsItsHooksInOrderAroundItsRegistration) {
  ServiceOptions options = GreeterOptions(registry_);
  options.before_start = {Noting("before start 1"), Noting("before start 2")};
  options.after_start = {Noting("after start 1"), Noting("after start 2")};
  options.before_stop = {Noting("before stop 1"), Noting("before stop 2")};
  options.after_stop = {Noting("after stop 1"), Noting("after stop 2")};
  auto service = NewGreeter(std::move(options));
  ASSERT_THAT(BlockOn(service->Start(Context())), IsOk());
  ASSERT_THAT(BlockOn(service->Stop(Context())), IsOk());
  EXPECT_THAT(notes_, ElementsAre("before start 1: not listed", "before start 2: not listed",
                                  "after start 1: listed", "after start 2: listed",
                                  "before stop 1: listed", "before stop 2: listed",
                                  "after stop 1: not listed", "after stop 2: not listed"));
}

TEST_F(Lifecycle, AFailingBeforeStartEndsTheStart) {
  ServiceOptions options = GreeterOptions(registry_);
  options.before_start = {Noting("first"), Noting("failing", absl::InternalError("no database")),
                          Noting("never")};
  options.after_start = {Noting("never")};
  auto service = NewGreeter(std::move(options));
  EXPECT_THAT(BlockOn(service->Start(Context())),
              StatusIs(absl::StatusCode::kInternal, "no database"));
  EXPECT_THAT(notes_, ElementsAre("first: not listed", "failing: not listed"));
  EXPECT_FALSE(discovery_.Lists());
  EXPECT_THAT(service->server()->record().nodes, IsEmpty());
}

TEST_F(Lifecycle, AFailingAfterStartStopsWhatWasStarted) {
  ServiceOptions options = GreeterOptions(registry_);
  options.after_start = {Noting("failing", absl::InternalError("no cache")), Noting("never")};
  options.before_stop = {Noting("before stop")};
  options.after_stop = {Noting("after stop")};
  auto service = NewGreeter(std::move(options));
  EXPECT_THAT(BlockOn(service->Start(Context())),
              StatusIs(absl::StatusCode::kInternal, "no cache"));
  EXPECT_THAT(notes_,
              ElementsAre("failing: listed", "before stop: listed", "after stop: not listed"));
  const std::string address = service->server()->record().nodes[0].address;
  EXPECT_THAT(StartWithAddress(address), IsOk()) << "the port is still taken";
}

TEST_F(Lifecycle, RunsAllStopHooksAndAnswersWithTheLastError) {
  ServiceOptions options = GreeterOptions(registry_);
  options.before_stop = {Noting("a", absl::InternalError("first error")), Noting("b")};
  options.after_stop = {Noting("c", absl::InternalError("last error")), Noting("d")};
  auto service = NewGreeter(std::move(options));
  ASSERT_THAT(BlockOn(service->Start(Context())), IsOk());
  EXPECT_THAT(BlockOn(service->Stop(Context())),
              StatusIs(absl::StatusCode::kInternal, "last error"));
  EXPECT_THAT(notes_, ElementsAre("a: listed", "b: listed", "c: not listed", "d: not listed"));
}

TEST_F(Lifecycle, StopsTwiceAndWithoutAStart) {
  auto service = NewGreeter(GreeterOptions(registry_));
  EXPECT_THAT(BlockOn(service->Stop(Context())), IsOk());
  ASSERT_THAT(BlockOn(service->Start(Context())), IsOk());
  EXPECT_THAT(BlockOn(service->Stop(Context())), IsOk());
  EXPECT_THAT(BlockOn(service->Stop(Context())), IsOk());
  EXPECT_FALSE(discovery_.Lists());
}

// ---- The way down ----

// Holds every Hello until it is let go, or its context ends.
class Gate final : public interop::Greeter {
 public:
  Task<absl::Status> Hello(const Context& ctx, const helloworld::HelloRequest&,
                           helloworld::HelloResponse& response) override {
    entered = true;
    const absl::StatusOr<bool> opened = co_await Await(ctx, open);
    cancelled = absl::IsCancelled(opened.status());
    response.set_greeting("at last");
    co_return opened.status();
  }
  const std::shared_ptr<OneShot<bool>> open = std::make_shared<OneShot<bool>>();
  std::atomic<bool> entered = false, cancelled = false;
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
    answer_ = co_await greeter_.Hello(WithTimeout(Context(), absl::Minutes(5)), Named("x"));
  }

  std::unique_ptr<Service> caller_;
  helloworld::GreeterService greeter_{"helloworld", caller_->client()};
  absl::StatusOr<helloworld::HelloResponse> answer_;
  TaskScope scope_;
};

TEST_F(Lifecycle, DeregistersBeforeItDrainsAndAnswersWhatIsInFlight) {
  ServiceOptions options = GreeterOptions(registry_);
  options.server.grace = absl::Minutes(5);
  const auto gate = std::make_shared<Gate>();
  RunningGreeter server(std::move(options), gate);
  BackgroundHello hello(registry_);
  ASSERT_TRUE(Eventually([&] { return gate->entered.load(); }));

  std::thread stop([&] { server.Stop(); });
  EXPECT_TRUE(Eventually([&] { return !discovery_.Lists(); }));
  EXPECT_FALSE(hello.ended());
  gate->open->TrySet(true);
  stop.join();
  const auto answer = hello.Answer();
  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(answer->greeting(), "at last");
}

TEST_F(Lifecycle, TakesNoNewCallsWhileItDrains) {
  ServiceOptions options = GreeterOptions(registry_);
  options.server.grace = absl::Minutes(5);
  const auto gate = std::make_shared<Gate>();
  RunningGreeter server(std::move(options), gate);
  BackgroundHello hello(registry_);
  ASSERT_TRUE(Eventually([&] { return gate->entered.load(); }));

  std::thread stop([&] { server.Stop(); });
  auto caller = NewCaller(registry_);
  helloworld::GreeterService greeter("helloworld", caller->client());
  EXPECT_TRUE(Eventually([&] {
    const auto meta = BlockOn(greeter.Meta(Context(), {}, {.addresses = {server.address()}}));
    return absl::IsUnavailable(meta.status());
  }));
  gate->open->TrySet(true);
  stop.join();
  EXPECT_THAT(hello.Answer(), IsOk());
}

TEST_F(Lifecycle, CancelsHandlersThatOutlastTheGrace) {
  ServiceOptions options = GreeterOptions(registry_);
  options.server.grace = absl::Milliseconds(20);
  const auto gate = std::make_shared<Gate>();
  RunningGreeter server(std::move(options), gate);
  BackgroundHello hello(registry_);
  ASSERT_TRUE(Eventually([&] { return gate->entered.load(); }));
  server.Stop();
  EXPECT_TRUE(gate->cancelled);
  EXPECT_THAT(hello.Answer(), Not(IsOk()));
}

// ---- Run ----

TEST_F(Lifecycle, RunEndsWithAShutdownFromAnotherThread) {
  auto service = NewGreeter(GreeterOptions(registry_));
  std::thread shutdown([&] {
    EXPECT_TRUE(Eventually([&] { return discovery_.Lists(); }));
    service->Shutdown();
  });
  EXPECT_EQ(service->Run(), 0);
  shutdown.join();
  EXPECT_FALSE(discovery_.Lists());
}

TEST_F(Lifecycle, RunEndsWithAShutdownFromAHook) {
  ServiceOptions options = GreeterOptions(registry_);
  options.after_start = {[](Context, Service& service) -> Task<absl::Status> {
    service.Shutdown();
    co_return absl::OkStatus();
  }};
  EXPECT_EQ(NewGreeter(std::move(options))->Run(), 0);
}

TEST_F(Lifecycle, GivesEveryHookTheServiceThatItIsOf) {
  ServiceOptions options = GreeterOptions(registry_);
  std::vector<Service*> given;
  const Hook hook = [&](Context, Service& service) -> Task<absl::Status> {
    given.push_back(&service);
    co_return absl::OkStatus();
  };
  options.before_start = options.after_start = options.before_stop = options.after_stop = {hook};
  auto service = NewGreeter(std::move(options));
  ASSERT_THAT(BlockOn(service->Start(Context())), IsOk());
  ASSERT_THAT(BlockOn(service->Stop(Context())), IsOk());
  Service* const own = service.get();
  EXPECT_THAT(given, ElementsAre(own, own, own, own));
}

TEST_F(Lifecycle, RunEndsWithItsContext) {
  auto [ctx, cancel] = WithCancel(Context());
  ServiceOptions options = GreeterOptions(registry_);
  options.context = ctx;
  auto service = NewGreeter(std::move(options));
  std::thread canceller([&, cancel = cancel] {
    EXPECT_TRUE(Eventually([&] { return discovery_.Lists(); }));
    cancel();
  });
  EXPECT_EQ(service->Run(), 0);
  canceller.join();
  EXPECT_FALSE(discovery_.Lists());
}

TEST_F(Lifecycle, RunEndsWithASignal) {
  for (const int signal : {SIGTERM, SIGINT, SIGQUIT}) {
    ServiceOptions options = GreeterOptions(registry_);
    options.handle_signals = true;
    options.after_start = {[signal](Context, Service&) -> Task<absl::Status> {
      kill(getpid(), signal);
      co_return absl::OkStatus();
    }};
    options.before_stop = {Noting("stopping")};
    auto service = NewGreeter(std::move(options));
    EXPECT_EQ(service->Run(), 0);
    EXPECT_FALSE(discovery_.Lists());
  }
  EXPECT_THAT(notes_, ElementsAre("stopping: listed", "stopping: listed", "stopping: listed"));
}

TEST_F(Lifecycle, RunEndsAtOnceWithAContextThatHasEnded) {
  auto [ctx, cancel] = WithCancel(Context());
  cancel();
  ServiceOptions options = GreeterOptions(registry_);
  options.context = ctx;
  EXPECT_EQ(NewGreeter(std::move(options))->Run(), 0);
  EXPECT_FALSE(discovery_.Lists());
}

TEST_F(Lifecycle, RunEndsWithASignalThatCameWhileItStarted) {
  ServiceOptions options = GreeterOptions(registry_);
  options.handle_signals = true;
  options.before_start = {[](Context, Service&) -> Task<absl::Status> {
    kill(getpid(), SIGTERM);
    co_return absl::OkStatus();
  }};
  options.after_start = {Noting("started")};
  options.after_stop = {Noting("stopped")};
  EXPECT_EQ(NewGreeter(std::move(options))->Run(), 0);
  EXPECT_THAT(notes_, ElementsAre("started: listed", "stopped: not listed"));
}

TEST_F(Lifecycle, RunFailsWithTheErrorOfTheStart) {
  ServiceOptions options = GreeterOptions(registry_);
  options.before_start = {Noting("failing", absl::InternalError("no database"))};
  auto service = NewGreeter(std::move(options));
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(service->Run(), 1);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "helloworld: no database\n");
}

TEST_F(Lifecycle, RunFailsWithTheErrorOfTheStop) {
  ServiceOptions options = GreeterOptions(registry_);
  options.after_stop = {Noting("failing", absl::InternalError("not flushed"))};
  auto service = NewGreeter(std::move(options));
  service->Shutdown();
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(service->Run(), 1);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("helloworld: not flushed\n"));
}

// Runs a service to which `signals` SIGTERMs come: the first while it runs, the second while it
// stops.
int RunUnderSignals(bool handle_signals, int signals) {
  const auto raise = [](Context, Service&) -> Task<absl::Status> {
    kill(getpid(), SIGTERM);
    co_return absl::OkStatus();
  };
  ServiceOptions options = GreeterOptions(OwnRegistry());
  options.handle_signals = handle_signals;
  options.after_start = {raise};
  if (signals > 1) options.before_stop = {raise};
  auto service = NewService(std::move(options));
  return service->Run();
}

TEST(LifecycleDeathTest, ASecondSignalEndsTheProcessAtOnce) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(std::exit(RunUnderSignals(true, 2)), ::testing::ExitedWithCode(128 + SIGTERM),
              "second signal");
}

TEST(LifecycleDeathTest, LeavesSignalsAloneWhenItIsTold) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(std::exit(RunUnderSignals(false, 1)), ::testing::KilledBySignal(SIGTERM), "");
}

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

// ---- What does not work, and how that is said ----

TEST_F(Lifecycle, RefusesTwoHandlersOfOneEndpoint) {
  auto service = NewGreeter(GreeterOptions(registry_));
  helloworld::RegisterGreeterHandler(*service->server(), std::make_shared<interop::Greeter>());
  EXPECT_THAT(BlockOn(service->Start(Context())),
              StatusIs(absl::StatusCode::kAlreadyExists,
                       AllOf(HasSubstr("\"Greeter."), HasSubstr("is registered twice"))));
  EXPECT_FALSE(discovery_.Lists());
}

TEST_F(Lifecycle, RefusesAHandlerWithoutEndpoints) {
  auto service = NewService(GreeterOptions(registry_));
  service->server()->Handle({.name = "Empty"});
  EXPECT_THAT(BlockOn(service->Start(Context())),
              StatusIs(absl::StatusCode::kInvalidArgument, "handler \"Empty\" has no endpoints"));
}

TEST_F(Lifecycle, NeedsAName) {
  ServiceOptions options = GreeterOptions(registry_);
  options.name = "";
  auto service = NewService(std::move(options));
  EXPECT_THAT(BlockOn(service->Start(Context())),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--server_name")));
}

TEST_F(Lifecycle, RefusesAPortThatIsTaken) {
  RunningGreeter first(GreeterOptions(registry_));
  EXPECT_THAT(StartWithAddress(first.address()),
              StatusIs(absl::StatusCode::kUnavailable,
                       "cannot listen on " + first.address() +
                           " (flag --server_address): Address already in use"));
}

TEST_F(Lifecycle, TakesTheFirstFreePortOfARange) {
  RunningGreeter first(GreeterOptions(registry_));
  const int port = std::stoi(first.address().substr(first.address().find(':') + 1));
  ServiceOptions options = GreeterOptions(registry_);
  options.server.address = first.address() + "-" + std::to_string(std::min(port + 50, 65535));
  RunningGreeter second(std::move(options));
  const int taken = std::stoi(second.address().substr(second.address().find(':') + 1));
  EXPECT_GT(taken, port);
  EXPECT_LE(taken, port + 50);
}

TEST_F(Lifecycle, RefusesARangeWithoutAFreePort) {
  RunningGreeter first(GreeterOptions(registry_));
  const std::string port = first.address().substr(first.address().find(':') + 1);
  EXPECT_THAT(StartWithAddress(first.address() + "-" + port),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("Address already in use")));
}

TEST_F(Lifecycle, RefusesAddressesThatCannotBeRead) {
  for (const std::string address :
       {"nonsense", "127.0.0.1:http", "127.0.0.1:70000", "127.0.0.1:90-80", "::1:80"}) {
    EXPECT_THAT(StartWithAddress(address), StatusIs(absl::StatusCode::kInvalidArgument,
                                                    AllOf(HasSubstr("\"" + address + "\""),
                                                          HasSubstr("(flag --server_address)"))));
  }
}

TEST_F(Lifecycle, RefusesAnAddressOfAnotherMachine) {
  EXPECT_THAT(StartWithAddress("192.0.2.1:0"),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr("cannot listen on 192.0.2.1:0 (flag --server_address)")));
}

// A Start with TLS of these files; what they hold, if anything, is written first.
class LifecycleTls : public Lifecycle {
 protected:
  static std::string File(const std::string& name, const std::string& text) {
    const std::string path = ::testing::TempDir() + "/" + name;
    std::ofstream(path) << text;
    return path;
  }
  absl::Status StartWithTls(const std::string& cert, const std::string& key,
                            const std::string& ca = "") {
    ServiceOptions options = GreeterOptions(registry_);
    options.server.tls_cert = cert;
    options.server.tls_key = key;
    options.server.tls_ca = ca;
    return BlockOn(NewGreeter(std::move(options))->Start(Context()));
  }

  const std::string cert_ =
      File("cert.pem", "-----BEGIN CERTIFICATE-----\nbm90IG9uZQ==\n-----END CERTIFICATE-----\n");
  const std::string key_ =
      File("key.pem", "-----BEGIN PRIVATE KEY-----\nbm90IG9uZQ==\n-----END PRIVATE KEY-----\n");
};

TEST_F(LifecycleTls, RefusesACertificateThatCannotBeRead) {
  EXPECT_THAT(
      StartWithTls("/nowhere/cert.pem", key_),
      StatusIs(
          absl::StatusCode::kInvalidArgument,
          "cannot read /nowhere/cert.pem (flag --server_tls_cert): No such file or directory"));
  EXPECT_THAT(StartWithTls(cert_, "/nowhere/key.pem"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("/nowhere/key.pem (flag --server_tls_key)")));
  EXPECT_THAT(StartWithTls(cert_, key_, "/nowhere/ca.pem"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("/nowhere/ca.pem (flag --server_tls_ca)")));
}

TEST_F(LifecycleTls, RefusesAFileThatHoldsNoCertificate) {
  const std::string text = File("text.pem", "hello");
  EXPECT_THAT(StartWithTls(text, key_),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       text + " (flag --server_tls_cert) holds no PEM CERTIFICATE"));
  EXPECT_THAT(StartWithTls(cert_, cert_),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       cert_ + " (flag --server_tls_key) holds no PEM PRIVATE KEY"));
  const std::string empty = File("empty.pem", "");
  EXPECT_THAT(StartWithTls(empty, key_),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "cannot read " + empty + " (flag --server_tls_cert): it is empty"));
}

TEST_F(LifecycleTls, RefusesACertificateThatIsNone) {
  EXPECT_THAT(StartWithTls(cert_, key_),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr(cert_), HasSubstr("--server_tls_cert"))));
}

TEST_F(LifecycleTls, RefusesHalfAPair) {
  EXPECT_THAT(StartWithTls(cert_, ""),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "--server_tls_cert and --server_tls_key go together: only one is set"));
  EXPECT_THAT(StartWithTls("", "", cert_),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("--server_tls_ca needs --server_tls_cert")));
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
