#include "core/clock.h"

#include <latch>
#include <memory>
#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "gtest/gtest.h"

namespace micro {
namespace {

// Holds the thread of the real clock until it is opened, so that what is set meanwhile is due at
// once.
class HeldClock {
 public:
  HeldClock() {
    Clock::Real().At(absl::InfinitePast(), [this] {
      held_.count_down();
      open_.wait();
      left_.count_down();
    });
    held_.wait();
  }
  ~HeldClock() { left_.wait(); }
  void Open() { open_.count_down(); }

 private:
  std::latch held_{1};
  std::latch open_{1};
  std::latch left_{1};
};

TEST(RealClock, BeginsAtTheWallTimeAndNeverRunsBack) {
  EXPECT_LT(absl::AbsDuration(Clock::Real().Now() - absl::Now()), absl::Hours(1));
  absl::Time last = Clock::Real().Now();
  for (int i = 0; i < 1000; ++i) {
    const absl::Time now = Clock::Real().Now();
    ASSERT_GE(now, last);
    last = now;
  }
}

TEST(RealClock, CallsBackOnceTheTimeHasComeOnAThreadOfItsOwn) {
  const absl::Time due = Clock::Real().Now() + absl::Milliseconds(2);
  std::latch ran(1);
  absl::Time at;
  std::thread::id on;
  Clock::Real().At(due, [&] {
    at = Clock::Real().Now();
    on = std::this_thread::get_id();
    ran.count_down();
  });
  ran.wait();
  EXPECT_GE(at, due);
  EXPECT_NE(on, std::this_thread::get_id());
}

TEST(RealClock, RunsTimersInTheOrderOfTheirTimes) {
  HeldClock held;
  const absl::Time past = Clock::Real().Now() - absl::Hours(1);
  std::string order;
  std::latch ran(1);
  Clock::Real().At(past + absl::Seconds(3), [&] { ran.count_down(); });
  Clock::Real().At(past + absl::Seconds(2), [&] { order += 'b'; });
  Clock::Real().At(past + absl::Seconds(1), [&] { order += 'a'; });
  Clock::Real().At(past + absl::Seconds(2), [&] { order += 'c'; });
  held.Open();
  ran.wait();
  EXPECT_EQ(order, "abc");
}

TEST(RealClock, TakesATimerBack) {
  const auto kept = std::make_shared<int>(7);
  const Clock::TimerId timer =
      Clock::Real().At(absl::InfiniteFuture(), [kept] { ADD_FAILURE() << "cancelled, yet run"; });
  EXPECT_EQ(kept.use_count(), 2);
  EXPECT_TRUE(Clock::Real().Cancel(timer));
  EXPECT_EQ(kept.use_count(), 1) << "the callback was not freed";
  EXPECT_FALSE(Clock::Real().Cancel(timer));
}

TEST(RealClock, TakesADueTimerBackThatHasNotBegun) {
  HeldClock held;
  const Clock::TimerId timer =
      Clock::Real().At(absl::InfinitePast(), [] { ADD_FAILURE() << "cancelled, yet run"; });
  EXPECT_TRUE(Clock::Real().Cancel(timer));
  held.Open();
}

TEST(RealClock, DoesNotTakeATimerBackThatRuns) {
  Clock::TimerId timer = 0;
  std::latch set(1);
  std::latch ran(1);
  bool cancelled = true;
  timer = Clock::Real().At(absl::InfinitePast(), [&] {
    set.wait();
    cancelled = Clock::Real().Cancel(timer);
    ran.count_down();
  });
  set.count_down();
  ran.wait();
  EXPECT_FALSE(cancelled);
  EXPECT_FALSE(Clock::Real().Cancel(timer));
}

TEST(RealClock, LetsACallbackSetATimer) {
  std::latch ran(1);
  Clock::Real().At(absl::InfinitePast(),
                   [&] { Clock::Real().At(absl::InfinitePast(), [&] { ran.count_down(); }); });
  ran.wait();
}

}  // namespace
}  // namespace micro
