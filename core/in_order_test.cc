#include "core/in_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/async.h"

namespace micro {
namespace {

using ::testing::ElementsAre;

class InOrderTest : public ::testing::Test {
 protected:
  // Work that says its name when the gate is opened.
  InOrder::Work Say(std::string name, std::shared_ptr<OneShot<bool>> gate = nullptr) {
    return [this, name, gate]() -> Task<void> {
      if (gate != nullptr) (void)co_await gate->Wait();
      said_.push_back(name);
    };
  }

  std::vector<std::string> said_;
  TaskScope scope_;
  InOrder line_{scope_, 2};
};

TEST_F(InOrderTest, WhatIsOfOneKeyGoesOneBehindTheOther) {
  const auto gate = std::make_shared<OneShot<bool>>();
  EXPECT_TRUE(line_.Add(1, Say("a", gate)));
  EXPECT_TRUE(line_.Add(1, Say("b")));
  EXPECT_TRUE(line_.Add(2, Say("other")));
  EXPECT_EQ(line_.AddIfBusy(1, Say("c")), InOrder::Added::kYes);
  EXPECT_THAT(said_, ElementsAre("other"));
  gate->TrySet(true);
  EXPECT_THAT(said_, ElementsAre("other", "a", "b", "c"));
}

TEST_F(InOrderTest, NothingWaitsWhereNothingRuns) {
  EXPECT_EQ(line_.AddIfBusy(1, Say("a")), InOrder::Added::kNotBusy);
  EXPECT_TRUE(line_.Add(1, Say("b")));
  EXPECT_EQ(line_.AddIfBusy(1, Say("c")), InOrder::Added::kNotBusy);
  EXPECT_THAT(said_, ElementsAre("b"));
}

TEST_F(InOrderTest, WhatStartsAtOnceHoldsUpItsKeyUntilItsEnd) {
  const auto gate = std::make_shared<OneShot<bool>>();
  EXPECT_TRUE(line_.Start(1, Say("at once")));
  EXPECT_FALSE(line_.IsBusy());
  EXPECT_TRUE(line_.Start(1, Say("waits", gate)));
  EXPECT_TRUE(line_.Start(1, Say("behind")));
  EXPECT_TRUE(line_.Start(1, Say("last")));
  EXPECT_FALSE(line_.Start(1, Say("too many")));
  EXPECT_TRUE(line_.Start(2, Say("other")));
  EXPECT_THAT(said_, ElementsAre("at once", "other"));
  gate->TrySet(true);
  EXPECT_THAT(said_, ElementsAre("at once", "other", "waits", "behind", "last"));
  EXPECT_FALSE(line_.IsBusy());
}

TEST_F(InOrderTest, KeepsTheOrderOfTasksThatEndOnOtherThreads) {
  InOrder line(scope_, 100'000);
  constexpr int kTasks = 20'000;
  std::vector<int> ended;  // of one key: no two at once
  for (int i = 0; i < kTasks; ++i) {
    EXPECT_TRUE(line.Start(7, [&ended, i] {
      return [](std::vector<int>& list, int number) -> Task<void> {
        if (number % 3 != 0) co_await Offload([] { return true; });
        list.push_back(number);
      }(ended, i);
    }));
  }
  scope_.Join();
  ASSERT_EQ(ended.size(), size_t{kTasks});
  for (int i = 0; i < kTasks; ++i) ASSERT_EQ(ended[static_cast<size_t>(i)], i);
}

TEST_F(InOrderTest, NoMoreWaitThanMay) {
  const auto gate = std::make_shared<OneShot<bool>>();
  EXPECT_TRUE(line_.Add(1, Say("runs", gate)));
  EXPECT_TRUE(line_.Add(1, Say("a")));
  EXPECT_TRUE(line_.Add(1, Say("b")));
  EXPECT_FALSE(line_.Add(1, Say("c")));
  EXPECT_EQ(line_.AddIfBusy(1, Say("d")), InOrder::Added::kFull);
  EXPECT_TRUE(line_.Add(2, Say("other")));
  gate->TrySet(true);
  EXPECT_THAT(said_, ElementsAre("other", "runs", "a", "b"));
}

}  // namespace
}  // namespace micro
