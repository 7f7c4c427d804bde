#include "core/executor.h"

#include <atomic>
#include <latch>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "core/mutex.h"
#include "gtest/gtest.h"

namespace micro {
namespace {

TEST(Executor, RunsWorkOnAThreadOfItsOwn) {
  std::thread::id on;
  {
    Executor executor(1);
    executor.Post([&] { on = std::this_thread::get_id(); });
  }
  EXPECT_NE(on, std::thread::id());
  EXPECT_NE(on, std::this_thread::get_id());
}

TEST(Executor, RunsMoreWorkThanItHasThreads) {
  constexpr int kWork = 2000;
  std::atomic<int> ran = 0;
  {
    Executor executor(4);
    for (int i = 0; i < kWork; ++i) executor.Post([&] { ++ran; });
  }
  EXPECT_EQ(ran, kWork);
}

TEST(Executor, OfOneThreadRunsInTheOrderOfPosting) {
  std::string order;
  {
    Executor executor(1);
    for (char mark = 'a'; mark <= 'e'; ++mark) {
      executor.Post([&order, mark] { order += mark; });
    }
  }
  EXPECT_EQ(order, "abcde");
}

TEST(Executor, MakesAsManyThreadsAsBlockingWorkNeeds) {
  constexpr int kThreads = 8;
  std::latch all(kThreads);  // opens only when all of them run at once
  Executor executor(kThreads);
  for (int i = 0; i < kThreads; ++i) executor.Post([&] { all.arrive_and_wait(); });
}

TEST(Executor, NeverMakesMoreThreadsThanItMay) {
  constexpr int kThreads = 3;
  Mutex mutex;
  std::set<std::thread::id> threads;
  std::atomic<int> running = 0;
  std::atomic<int> most = 0;
  {
    Executor executor(kThreads);
    for (int i = 0; i < 500; ++i) {
      executor.Post([&] {
        const int now = ++running;
        int before = most;
        while (before < now && !most.compare_exchange_weak(before, now)) {
        }
        {
          MutexLock lock(mutex);
          threads.insert(std::this_thread::get_id());
        }
        std::this_thread::yield();
        --running;
      });
    }
  }
  EXPECT_LE(most, kThreads);
  EXPECT_LE(threads.size(), static_cast<size_t>(kThreads));
}

TEST(Executor, UsesAnIdleThreadAgain) {
  Executor executor(64);
  std::set<std::thread::id> threads;
  for (int i = 0; i < 100; ++i) {
    std::latch ran(1);
    executor.Post([&] {
      threads.insert(std::this_thread::get_id());
      ran.count_down();
    });
    ran.wait();
  }
  // A thread is idle a moment after its work has ended, so that a second one may be made; a hundred
  // are not.
  EXPECT_LT(threads.size(), 64u);
}

TEST(Executor, TakesWorkFromItsOwnThreads) {
  std::atomic<int> ran = 0;
  {
    Executor executor(2);
    executor.Post([&] {
      ++ran;
      executor.Post([&] {
        ++ran;
        executor.Post([&] { ++ran; });
      });
    });
  }
  EXPECT_EQ(ran, 3) << "the destructor left work behind";
}

TEST(Executor, TakesWorkFromManyThreads) {
  constexpr int kThreads = 4;
  constexpr int kWork = 500;
  std::atomic<int> ran = 0;
  {
    Executor executor(4);
    std::vector<std::thread> posters;
    for (int i = 0; i < kThreads; ++i) {
      posters.emplace_back([&] {
        for (int j = 0; j < kWork; ++j) executor.Post([&] { ++ran; });
      });
    }
    for (std::thread& poster : posters) poster.join();
  }
  EXPECT_EQ(ran, kThreads * kWork);
}

TEST(Executor, FreesWorkOnceItHasRun) {
  const auto held = std::make_shared<int>(7);
  {
    Executor executor(1);
    executor.Post([held] {});
  }
  EXPECT_EQ(held.use_count(), 1);
}

TEST(Executor, ThatNeverWorkedIsFreed) { Executor executor(4); }

}  // namespace
}  // namespace micro
