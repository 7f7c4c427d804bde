// How many retries a budget grants.
#include "micro/retry_budget.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "core/testing/virtual_clock.h"

namespace micro {
namespace {

class Budget : public ::testing::Test {
 protected:
  // How many of `calls` that all fail are tried again, when each asks `times` and `pause` lies
  // between two.
  int Granted(int calls, int times = 5, absl::Duration pause = absl::ZeroDuration()) {
    int granted = 0;
    for (int call = 0; call < calls; ++call) {
      budget_.Deposit();
      for (int i = 0; i < times; ++i) granted += budget_.Withdraw() ? 1 : 0;
      clock_.Advance(pause);
    }
    return granted;
  }

  VirtualClock clock_;
  RetryBudget budget_{0.2, clock_};
};

TEST_F(Budget, GrantsTenAtOnceToBeginWith) { EXPECT_EQ(Granted(1, 100), 10); }

TEST_F(Budget, NeverGrantsMoreThanItsShareOfAThousandCalls) {
  EXPECT_LE(Granted(1000), 200);
  EXPECT_LE(Granted(1000), 190);
}

TEST_F(Budget, GrantsAlmostItsShare) { EXPECT_GE(Granted(10'000), 1800); }

TEST_F(Budget, NeverGrantsMoreThanItsShareOfAThousandCallsAfterAQuietDay) {
  Granted(1000);
  clock_.Advance(absl::Hours(24));
  EXPECT_LE(Granted(1000), 200);
}

TEST_F(Budget, NeverGrantsMoreThanItsShareOfFiveSecondsOfLoadAfterGoodTimes) {
  for (const int per_second : {200, 1000, 10'000}) {
    const absl::Duration pause = absl::Seconds(1) / per_second;
    Granted(20 * per_second, 0, pause);
    EXPECT_LE(Granted(5 * per_second, 5, pause), per_second) << per_second << " calls a second";
  }
}

TEST_F(Budget, MeetsFailuresThatComeTogetherUnderLoad) {
  Granted(60'000, 0, absl::Milliseconds(1));
  EXPECT_EQ(Granted(1, 1000), 50);  // as many as 1000 calls a second, of 50 ms each, are at once
}

TEST_F(Budget, FollowsALoadThatBeganAfterAQuietDay) {
  Granted(10'000, 0, absl::Milliseconds(1));
  clock_.Advance(absl::Hours(24));
  Granted(10'000, 0, absl::Milliseconds(1));
  EXPECT_EQ(Granted(1, 1000), 50);
}

TEST_F(Budget, GrantsNoMoreThanItsShareUnderLoadWhateverTimeItTakes) {
  EXPECT_LE(Granted(10'000, 5, absl::Milliseconds(50)), 10 + 1900);  // 500 s of 20 calls a second
}

TEST_F(Budget, GrantsARareCallerThreeInASecond) {
  Granted(1, 100);
  // One call a second, that is tried every 50 ms.
  int granted = 0;
  for (int second = 0; second < 100; ++second) {
    for (int i = 0; i < 20; ++i) {
      granted += budget_.Withdraw() ? 1 : 0;
      clock_.Advance(absl::Milliseconds(50));
    }
  }
  EXPECT_GE(granted, 2 * 100);
  EXPECT_LE(granted, 3 * 100);
}

TEST_F(Budget, GrantsNothingWithAShareOfZero) {
  RetryBudget none(0, clock_);
  none.Deposit();
  clock_.Advance(absl::Hours(1));
  EXPECT_FALSE(none.Withdraw());
}

TEST_F(Budget, GrantsWhatWasPaidForToManyThreads) {
  std::atomic<int> granted = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int call = 0; call < 2500; ++call) {
        budget_.Deposit();
        if (budget_.Withdraw()) ++granted;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(granted, 500 + 1900);  // 10'000 calls in no time
  EXPECT_GE(granted, 1900);
}

TEST(RetryBudgets, KeepsOneForEachService) {
  VirtualClock clock;
  RetryBudgets budgets(0.2, clock);
  RetryBudget& greeter = budgets.Of("greeter");
  EXPECT_EQ(&budgets.Of("greeter"), &greeter);
  EXPECT_NE(&budgets.Of("weather"), &greeter);
  while (greeter.Withdraw()) {
  }
  EXPECT_TRUE(budgets.Of("weather").Withdraw());
}

TEST(RetryBudgets, GivesThreadsThatAskForANewServiceAtOnceTheSame) {
  VirtualClock clock;
  RetryBudgets budgets(0.2, clock);
  std::vector<std::vector<RetryBudget*>> seen(4);
  std::vector<std::thread> threads;
  for (std::vector<RetryBudget*>& own : seen) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) own.push_back(&budgets.Of("service-" + std::to_string(i)));
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::vector<RetryBudget*>& own : seen) EXPECT_EQ(own, seen[0]);
}

TEST(RetryBudgets, LetsServicesBeyondItsRoomShareOne) {
  VirtualClock clock;
  RetryBudgets budgets(0.2, clock);
  RetryBudget& first = budgets.Of("service-0");
  for (int i = 1; i < 3000; ++i) budgets.Of("service-" + std::to_string(i));
  EXPECT_EQ(&budgets.Of("service-2000"), &budgets.Of("service-2001"));
  EXPECT_EQ(&budgets.Of("service-0"), &first);
}

}  // namespace
}  // namespace micro
