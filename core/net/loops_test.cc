#include "core/net/loops.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "core/task.h"

namespace micro::net {
namespace {

TEST(Loop, RunsPostedWorkInOrderOnItsThread) {
  Loop loop;
  std::vector<int> order;
  std::promise<std::thread::id> last;
  for (int i = 0; i < 3; ++i) loop.Post([&order, i] { order.push_back(i); });
  loop.Post([&] {
    EXPECT_EQ(Loop::Current(), &loop);
    last.set_value(std::this_thread::get_id());
  });
  EXPECT_NE(last.get_future().get(), std::this_thread::get_id());
  EXPECT_THAT(order, testing::ElementsAre(0, 1, 2));
  EXPECT_EQ(Loop::Current(), nullptr);
}

TEST(Loop, PostFromItsOwnThreadRunsLater) {
  Loop loop;
  std::promise<bool> done;
  loop.Post([&] {
    auto returned = std::make_shared<bool>(false);
    loop.Post([&done, returned] { done.set_value(*returned); });
    *returned = true;
  });
  EXPECT_TRUE(done.get_future().get());
}

TEST(Loop, EnterBringsACoroutineThere) {
  Loop loop;
  EXPECT_TRUE(BlockOn([](Loop& loop) -> Task<bool> {
    co_await loop.Enter();
    const std::thread::id there = std::this_thread::get_id();
    co_await loop.Enter();
    co_return loop.IsCurrent() && std::this_thread::get_id() == there;
  }(loop)));
}

TEST(Loops, NextGivesEachInTurn) {
  Loops loops(3);
  EXPECT_EQ(loops.size(), 3u);
  Loop* first = &loops.Next();
  EXPECT_NE(&loops.Next(), first);
  loops.Next();
  EXPECT_EQ(&loops.Next(), first);
}

}  // namespace
}  // namespace micro::net
