#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "core/async.h"
#include "core/task_scope.h"
#include "due/locate/redis/redis_test_words.h"

namespace due {
namespace {

using absl::StatusCode;
using micro::Context;
using micro::Eventually;
using micro::IsOk;
using micro::StatusIs;
using testing::AnyOf;
using testing::HasSubstr;

// Binds and locates one user after the other until it is told to stop; counts what became of it.
struct Load {
  std::atomic<bool> stop = false;
  std::atomic<int> good = 0, bad = 0, strange = 0;

  micro::Task<void> Run(Locator& locator, int64_t uid) {
    while (!stop) {
      const std::string gate = "g" + std::to_string(good.load());
      const absl::Status bound = co_await locator.BindGate(Context(), uid, gate);
      const auto found = co_await locator.LocateGate(Context(), uid);
      Count(bound);
      Count(found.status());
      if (bound.ok() && found.ok() && *found != gate && !found->empty()) ++strange;
      if (!bound.ok()) static_cast<void>(co_await micro::Sleep(Context(), absl::Milliseconds(5)));
    }
  }

  void Count(const absl::Status& status) {
    if (status.ok()) {
      ++good;
    } else if (absl::IsUnavailable(status)) {
      ++bad;
    } else {
      ADD_FAILURE() << status;
    }
  }
};

TEST(RedisOutage, NothingHangsAndEverythingAnswersAgainAfterARestartUnderLoad) {
  const auto redis = NewRedis({.durable = true});
  const auto locator = OpenRedis({.addresses = {redis->address()}});
  Load load;
  micro::TaskScope scope;
  for (int uid = 0; uid < 50; ++uid) Spawn(scope, load.Run(*locator, uid));
  EXPECT_TRUE(Eventually([&] { return load.good > 200; }));
  for (int round = 0; round < 3; ++round) {
    redis->Kill();
    const int bad = load.bad;
    EXPECT_TRUE(Eventually([&] { return load.bad > bad + 100; }));
    ASSERT_THAT(redis->Start(), IsOk());
    const int good = load.good;
    EXPECT_TRUE(Eventually([&] { return load.good > good + 200; }));
  }
  load.stop = true;
  scope.Join();
  EXPECT_EQ(load.strange, 0);
}

TEST(RedisOutage, AConnectionThatDiedUnnoticedIsNoError) {
  const auto redis = NewRedis();
  const auto locator = OpenRedis({.addresses = {redis->address()}});
  ASSERT_THAT(BlockOn(locator->BindGate({}, 1, "g1")), IsOk());
  RawRedis raw(redis->address());
  for (int round = 0; round < 5; ++round) {
    raw.Do({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
    EXPECT_THAT(BlockOn(locator->LocateGate({}, 1)).status(), IsOk());
  }
}

TEST(RedisOutage, ARedisThatIsAwayIsAnErrorThatNamesIt) {
  const auto redis = NewRedis();
  redis->Kill();
  const auto locator = OpenRedis({.addresses = {redis->address()}});
  const auto is_away = StatusIs(StatusCode::kUnavailable, HasSubstr(redis->address()));
  EXPECT_THAT(BlockOn(locator->LocateGate({}, 1)).status(), is_away);
  EXPECT_THAT(BlockOn(locator->BindNode({}, 1, "hall", "n1")), is_away);
  EXPECT_THAT(BlockOn(locator->Watch({}, {})).status(), is_away);
  ASSERT_THAT(redis->Start(), IsOk());
  EXPECT_TRUE(Eventually([&] { return BlockOn(locator->BindGate({}, 1, "g1")).ok(); }));
  EXPECT_TRUE(Eventually([&] { return BlockOn(locator->Watch({}, {})).ok(); }));
}

TEST(RedisOutage, ARedisThatHangsIsAnErrorInTimeAndIsLeft) {
  const auto redis = NewRedis();
  const auto locator =
      OpenRedis({.addresses = {redis->address()}, .timeout = absl::Milliseconds(200)});
  ASSERT_THAT(BlockOn(locator->BindGate({}, 1, "g1")), IsOk());
  redis->Pause();
  const auto is_away = StatusIs(StatusCode::kUnavailable, HasSubstr(redis->address()));
  for (int i = 0; i < 5; ++i) EXPECT_THAT(BlockOn(locator->LocateGate({}, 1)).status(), is_away);
  EXPECT_THAT(
      BlockOn(locator->LocateGate(WithTimeout(Context(), absl::Milliseconds(1)), 1)).status(),
      StatusIs(AnyOf(StatusCode::kDeadlineExceeded, StatusCode::kUnavailable)));
  redis->Resume();
  EXPECT_TRUE(Eventually([&] { return BlockOn(locator->LocateGate({}, 1)).ok(); }));
  EXPECT_EQ(BlockOn(locator->LocateGate({}, 1)).value(), "g1");
}

TEST(RedisOutage, AWatcherLivesOnAndIsToldThatItMissedEvents) {
  const auto redis = NewRedis();
  const auto locator = OpenRedis({.addresses = {redis->address()}});
  const auto watcher = BlockOn(locator->Watch({}, {})).value();
  redis->Kill();
  ASSERT_THAT(redis->Start(), IsOk());
  EXPECT_EQ(BlockOn(watcher->Next(WithTimeout(Context(), absl::Minutes(1))))->type,
            LocationEvent::kMissed);
  EXPECT_TRUE(Eventually([&] { return BlockOn(locator->BindGate({}, 1, "g1")).ok(); }));
  EXPECT_EQ(BlockOn(watcher->Next(WithTimeout(Context(), absl::Minutes(1))))->type,
            LocationEvent::kBindGate);
}

TEST(RedisOutage, WhoIsToldThatEventsWereMissedCanAskAtOnce) {
  const auto redis = NewRedis({.durable = true});
  const auto locator = OpenRedis({.addresses = {redis->address()}});
  ASSERT_THAT(BlockOn(locator->BindGate({}, 1, "g1")), IsOk());
  const auto watcher = BlockOn(locator->Watch({}, {})).value();
  for (int round = 0; round < 3; ++round) {
    redis->Kill();
    EXPECT_TRUE(Eventually([&] { return !BlockOn(locator->LocateGate({}, 1)).ok(); }));
    ASSERT_THAT(redis->Start(), IsOk());
    EXPECT_EQ(BlockOn(watcher->Next(WithTimeout(Context(), absl::Minutes(1))))->type,
              LocationEvent::kMissed);
    EXPECT_EQ(BlockOn(locator->LocateGate({}, 1)).value_or("away"), "g1");
  }
}

TEST(RedisOutage, ALocatorThatIsDestroyedFailsWhatWaits) {
  const auto redis = NewRedis();
  auto locator = OpenRedis({.addresses = {redis->address()}});
  ASSERT_THAT(BlockOn(locator->BindGate({}, 1, "g1")), IsOk());
  const auto watcher = BlockOn(locator->Watch({}, {})).value();
  redis->Pause();
  absl::Status status;
  micro::TaskScope scope;
  Spawn(
      scope,
      [](micro::Task<absl::StatusOr<std::string>> task, absl::Status& status) -> micro::Task<void> {
        status = (co_await std::move(task)).status();
      }(locator->LocateGate({}, 1), status));
  locator.reset();
  scope.Join();
  EXPECT_THAT(status, StatusIs(StatusCode::kUnavailable));
  redis->Resume();
  EXPECT_TRUE(Eventually([&] {
    const auto event = BlockOn(watcher->Next(WithTimeout(Context(), absl::Milliseconds(10))));
    return absl::IsUnavailable(event.status());
  }));
}

}  // namespace
}  // namespace due
