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
  EXPECT_EQ(Granted(1000), 199);  // the first finds the balance full
  EXPECT_EQ(Granted(1000), 190);
}

TEST_F(Budget, NeverGrantsMoreThanItsShareOfAThousandCallsAfterAQuietDay) {
  Granted(1000);
  for (int call = 0; call < 100'000; ++call) budget_.Deposit();
  clock_.Advance(absl::Hours(24));
  EXPECT_EQ(Granted(1000), 199);
}

TEST_F(Budget, NeverGrantsMoreThanItsShareUnderLoadWhateverTimeItTakes) {
  EXPECT_EQ(Granted(10'000, 5, absl::Milliseconds(50)), 1909);  // 500 s of 20 calls a second
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
  EXPECT_LE(granted, 10 + 1900);
  EXPECT_GE(granted, 10 + 1900 - 4);  // each may have found the balance full once
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
