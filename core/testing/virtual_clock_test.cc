#include "core/testing/virtual_clock.h"

#include <functional>
#include <string>
#include <thread>

#include "gtest/gtest.h"

namespace micro {
namespace {

TEST(VirtualClock, StandsStillUntilItIsAdvanced) {
  VirtualClock clock;
  EXPECT_EQ(clock.Now(), VirtualClock::DefaultStart());
  EXPECT_EQ(clock.Now(), VirtualClock::DefaultStart());
  clock.Advance(absl::Hours(1));
  EXPECT_EQ(clock.Now(), VirtualClock::DefaultStart() + absl::Hours(1));
}

TEST(VirtualClock, RunsDueTimersInTheOrderOfTheirTimesOnTheCallingThread) {
  VirtualClock clock;
  std::string order;
  const std::thread::id caller = std::this_thread::get_id();
  const auto add = [&](int seconds, char mark) {
    clock.At(clock.Now() + absl::Seconds(seconds), [&order, mark, caller] {
      EXPECT_EQ(std::this_thread::get_id(), caller);
      order += mark;
    });
  };
  add(3, 'd');
  add(1, 'a');
  add(2, 'b');
  add(2, 'c');
  add(4, '-');
  clock.Advance(absl::Seconds(3));
  EXPECT_EQ(order, "abcd");
}

TEST(VirtualClock, ShowsATimerItsOwnTime) {
  VirtualClock clock;
  const absl::Time due = clock.Now() + absl::Seconds(1);
  absl::Time seen;
  clock.At(due, [&] { seen = clock.Now(); });
  clock.Advance(absl::Hours(1));
  EXPECT_EQ(seen, due);
}

TEST(VirtualClock, RunsTimersThatTimersSet) {
  VirtualClock clock;
  int ticks = 0;
  std::function<void()> tick = [&] {
    ++ticks;
    clock.At(clock.Now() + absl::Seconds(1), [&] { tick(); });
  };
  tick();
  clock.Advance(absl::Seconds(10));
  EXPECT_EQ(ticks, 11);
}

TEST(VirtualClock, RunsAPastTimerAtTheNextAdvanceAndNeverInsideAt) {
  VirtualClock clock;
  bool ran = false;
  clock.At(clock.Now() - absl::Hours(1), [&] { ran = true; });
  EXPECT_FALSE(ran);
  clock.Advance(absl::ZeroDuration());
  EXPECT_TRUE(ran);
  EXPECT_EQ(clock.Now(), VirtualClock::DefaultStart()) << "a past timer moved the time back";
}

TEST(VirtualClock, ForgetsACancelledTimer) {
  VirtualClock clock;
  bool ran = false;
  const Clock::TimerId timer = clock.At(clock.Now() + absl::Seconds(1), [&] { ran = true; });
  EXPECT_TRUE(clock.Cancel(timer));
  EXPECT_FALSE(clock.Cancel(timer));
  clock.Advance(absl::Seconds(2));
  EXPECT_FALSE(ran);
}

TEST(VirtualClock, DoesNotCancelATimerThatHasRun) {
  VirtualClock clock;
  const Clock::TimerId timer = clock.At(clock.Now(), [] {});
  clock.Advance(absl::ZeroDuration());
  EXPECT_FALSE(clock.Cancel(timer));
}

TEST(VirtualClock, SaysWhenTheNextTimerIsDue) {
  VirtualClock clock;
  EXPECT_EQ(clock.NextTimer(), absl::InfiniteFuture());
  clock.At(clock.Now() + absl::Seconds(5), [] {});
  clock.At(clock.Now() + absl::Seconds(2), [] {});
  EXPECT_EQ(clock.NextTimer(), clock.Now() + absl::Seconds(2));
}

TEST(VirtualClock, WaitsForTimersOfOtherThreads) {
  VirtualClock clock;
  std::thread other([&] {
    clock.At(clock.Now() + absl::Seconds(1), [] {});
    clock.At(clock.Now() + absl::Seconds(2), [] {});
  });
  clock.WaitForTimers(2);
  EXPECT_EQ(clock.NextTimer(), clock.Now() + absl::Seconds(1));
  other.join();
}

}  // namespace
}  // namespace micro
