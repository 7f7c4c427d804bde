#include "core/net/turn.h"

#include <gtest/gtest.h>

#include <future>
#include <string>
#include <thread>

namespace micro::net {
namespace {

class TurnTest : public ::testing::Test {
 protected:
  void OnLoop(std::function<void()> work) {
    std::promise<void> done;
    turn_->loop().Post([&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }

  static Loop& OneLoop() {
    static Loop& loop = *new Loop;
    return loop;
  }
  const std::shared_ptr<Turn> turn_ = Turn::New<Turn>(OneLoop());
};

class CountingWriter final : public Turn::Writer {
 public:
  void Flush() override { ++flushes; }
  int flushes = 0;
};

TEST_F(TurnTest, FlushesWhenTheTurnEndsAndNotBefore) {
  const auto writer = std::make_shared<CountingWriter>();
  OnLoop([&] {
    turn_->FlushLater(writer);
    EXPECT_EQ(writer->flushes, 0);
  });
  OnLoop([] {});  // it may have come before the turn's end
  OnLoop([&] { EXPECT_EQ(writer->flushes, 1); });
}

TEST_F(TurnTest, OpensWhatAThreadSendsInItsOrder) {
  std::string all, expected;
  for (int i = 0; i < 1000; ++i) {
    turn_->Send([&all, i] { all += std::to_string(i); });
    expected += std::to_string(i);
  }
  OnLoop([&] {
    turn_->TakeSent();
    EXPECT_EQ(all, expected);
  });
}

TEST_F(TurnTest, TakesWhatWasSentBeforeTheLoopActsItself) {
  std::string all;
  OnLoop([&] {
    all += "a";
    std::thread([&] { turn_->Send([&] { all += "b"; }); }).join();
    turn_->TakeSent();
    all += "c";
  });
  EXPECT_EQ(all, "abc");
}

TEST_F(TurnTest, WhatIsSentByWhatIsOpenedComesAfterIt) {
  std::string all;
  OnLoop([&] {
    turn_->Send([&] {
      turn_->Send([&] { all += "c"; });
      turn_->TakeSent();  // not in its midst
      all += "a";
    });
    turn_->Send([&] { all += "b"; });
    turn_->TakeSent();
    EXPECT_EQ(all, "ab");
    turn_->TakeSent();
    EXPECT_EQ(all, "abc");
  });
}

TEST_F(TurnTest, WhatIsNotOpenedIsFreed) {
  const auto kept = std::make_shared<int>(1);
  std::promise<void> blocked, go_on;
  {
    const std::shared_ptr<Turn> turn = Turn::New<Turn>(OneLoop());
    OneLoop().Post([&] {
      blocked.set_value();
      go_on.get_future().wait();
    });
    blocked.get_future().wait();
    turn->Send([kept] {});
    EXPECT_EQ(kept.use_count(), 2);
  }
  go_on.set_value();
  OnLoop([] {});
  OnLoop([] {});
  EXPECT_EQ(kept.use_count(), 1);
}

}  // namespace
}  // namespace micro::net
