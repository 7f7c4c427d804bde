// A service's life: its order, its hooks, and the ways in which it ends.
#include <gmock/gmock.h>

#include <csignal>
#include <thread>

#include "core/testing/eventually.h"
#include "tests/integration/lifecycle_fixture.h"

namespace micro {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

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

}  // namespace
}  // namespace micro
