#include "core/task_scope.h"

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "core/async.h"
#include "core/testing/tracker.h"
#include "gtest/gtest.h"

namespace micro {
namespace {

using Gate = OneShot<bool>;

Task<> Pass(std::shared_ptr<Gate> gate, std::atomic<int>& passed) {
  (void)co_await gate->Wait();
  ++passed;
}

Task<> Count(std::atomic<int>& count) {
  ++count;
  co_return;
}

TEST(TaskScope, StartsATaskOnTheSpawningThread) {
  TaskScope scope;
  std::thread::id ran_on;
  Spawn(scope, [](std::thread::id& ran_on) -> Task<> {
    ran_on = std::this_thread::get_id();
    co_return;
  }(ran_on));
  EXPECT_EQ(ran_on, std::this_thread::get_id());
  EXPECT_EQ(scope.running(), 0);
}

TEST(TaskScope, JoinWaitsForEveryTask) {
  const auto gate = std::make_shared<Gate>();
  const auto other_gate = std::make_shared<Gate>();
  std::atomic<int> passed = 0;
  TaskScope scope;
  Spawn(scope, Pass(gate, passed));
  Spawn(scope, Pass(other_gate, passed));
  EXPECT_EQ(scope.running(), 2);
  std::thread opener([&] {
    gate->TrySet(true);
    other_gate->TrySet(true);
  });
  scope.Join();
  EXPECT_EQ(passed, 2);
  EXPECT_EQ(scope.running(), 0);
  opener.join();
}

TEST(TaskScope, ItsDestructorWaitsToo) {
  const auto gate = std::make_shared<Gate>();
  std::atomic<int> passed = 0;
  std::thread opener;
  {
    TaskScope scope;
    Spawn(scope, Pass(gate, passed));
    opener = std::thread([&] { gate->TrySet(true); });
  }
  EXPECT_EQ(passed, 1);
  opener.join();
}

TEST(TaskScope, FreesATaskBeforeJoinReturns) {
  for (int i = 0; i < 100; ++i) {
    const auto gate = std::make_shared<Gate>();
    Tracker::Counts counts;
    TaskScope scope;
    const auto wait = [](std::shared_ptr<Gate> gate, Tracker) -> Task<> {
      (void)co_await gate->Wait();
    };
    Spawn(scope, wait(gate, Tracker(counts)));
    std::thread opener([&] { gate->TrySet(true); });
    scope.Join();
    ASSERT_EQ(counts.living(), 0);
    opener.join();
  }
}

TEST(TaskScope, DoneGoesOnAfterTheLastTask) {
  const auto gate = std::make_shared<Gate>();
  std::atomic<int> passed = 0;
  TaskScope scope;
  TaskScope waiters;
  int seen = -1;
  Spawn(scope, Pass(gate, passed));
  Spawn(waiters, [](TaskScope& scope, std::atomic<int>& passed, int& seen) -> Task<> {
    co_await scope.Done();
    seen = passed;
  }(scope, passed, seen));
  EXPECT_EQ(seen, -1);
  gate->TrySet(true);
  waiters.Join();
  EXPECT_EQ(seen, 1);
}

TEST(TaskScope, DoneOfAnEmptyScopeDoesNotWait) {
  TaskScope scope;
  const auto wait = [](TaskScope& scope) -> Task<> { co_await scope.Done(); };
  BlockOn(wait(scope));
}

TEST(TaskScope, WaitsForTasksThatItsTasksSpawned) {
  const auto gate = std::make_shared<Gate>();
  std::atomic<int> passed = 0;
  TaskScope scope;
  Spawn(scope,
        [](TaskScope& scope, std::shared_ptr<Gate> gate, std::atomic<int>& passed) -> Task<> {
          Spawn(scope, Pass(gate, passed));
          co_return;
        }(scope, gate, passed));
  EXPECT_EQ(scope.running(), 1);
  std::thread opener([&] { gate->TrySet(true); });
  scope.Join();
  EXPECT_EQ(passed, 1);
  opener.join();
}

TEST(TaskScope, TakesTasksFromManyThreads) {
  constexpr int kThreads = 8;
  constexpr int kTasks = 500;
  std::atomic<int> count = 0;
  TaskScope scope;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < kTasks; ++j) Spawn(scope, Count(count));
    });
  }
  for (std::thread& thread : threads) thread.join();
  scope.Join();
  EXPECT_EQ(count, kThreads * kTasks);
}

TEST(TaskScopeDeathTest, AnExceptionThatLeavesATaskEndsTheProcess) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto fail = []() -> Task<> {
    throw 1;
    co_return;
  };
  EXPECT_DEATH(
      {
        TaskScope scope;
        Spawn(scope, fail());
      },
      "");
}

}  // namespace
}  // namespace micro
