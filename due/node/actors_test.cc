#include "due/node/actors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <thread>

#include "core/async.h"
#include "core/testing/status_matchers.h"

namespace due {
namespace {

using micro::BlockOn;
using micro::Context;
using micro::IsOk;
using micro::StatusIs;
using micro::Task;

class ActorsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_THAT(actors_.Spawn("room", "7", std::make_shared<Actor>()), IsOk());
  }

  // So many turns from each of several threads; how many were inside at once.
  int Turns(int count, Task<void> (*wait)()) {
    std::atomic<int> inside = 0, most = 0;
    const auto turn = [&](Actor&) -> Task<absl::Status> {
      const int now = ++inside;
      if (now > most) most = now;
      co_await wait();
      --inside;
      co_return absl::OkStatus();
    };
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int j = 0; j < count; ++j)
          EXPECT_THAT(BlockOn(actors_.Invoke(Context(), "room", "7", turn)), IsOk());
      });
    }
    for (std::thread& thread : threads) thread.join();
    return most;
  }

  Actors actors_;
};

TEST_F(ActorsTest, ThreadsTakeTurns) {
  EXPECT_EQ(Turns(5000, +[]() -> Task<void> { co_return; }), 1);
}

TEST_F(ActorsTest, TurnsThatWaitComeOneBehindTheOther) {
  EXPECT_EQ(Turns(500, +[]() -> Task<void> { co_await micro::Offload([] {}); }), 1);
}

TEST_F(ActorsTest, ATurnThatWaitsForItsOwnActorEndsWithItsContext) {
  const absl::Status status =
      BlockOn(actors_.Invoke(Context(), "room", "7", [this](Actor&) -> Task<absl::Status> {
        co_return co_await actors_.Invoke(
            micro::WithTimeout(Context(), absl::Milliseconds(20)), "room", "7",
            [](Actor&) -> Task<absl::Status> { co_return absl::OkStatus(); });
      }));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(ActorsTest, WhatThrowsEndsItsTurn) {
  const absl::Status status =
      BlockOn(actors_.Invoke(Context(), "room", "7", [](Actor&) -> Task<absl::Status> {
        throw std::runtime_error("no dice");
        co_return absl::OkStatus();
      }));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInternal, ::testing::HasSubstr("no dice")));
  EXPECT_EQ(Turns(1, +[]() -> Task<void> { co_return; }), 1);
}

TEST_F(ActorsTest, WhatWaitsForAKilledActorFails) {
  const auto let = std::make_shared<micro::OneShot<bool>>();
  micro::TaskScope scope;
  absl::Status waited;
  const auto invoke = [&](absl::Status* status) -> Task<void> {
    const absl::Status done =
        co_await actors_.Invoke(Context(), "room", "7", [let](Actor&) -> Task<absl::Status> {
          (void)co_await let->Wait();
          co_return absl::OkStatus();
        });
    if (status != nullptr) *status = done;
  };
  Spawn(scope, invoke(nullptr));
  Spawn(scope, invoke(&waited));
  EXPECT_TRUE(actors_.Kill("room", "7"));
  let->TrySet(true);
  scope.Join();
  EXPECT_THAT(waited, StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace due
