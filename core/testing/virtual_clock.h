// A VirtualClock is a Clock that stands still until a test moves it: what waits for an hour is
// tested at once.
//
//   VirtualClock clock;
//   Spawn(scope, Heartbeat(ctx, clock));       // awaits Sleep(ctx, absl::Seconds(30), clock)
//   EXPECT_EQ(clock.NextTimer(), clock.Now() + absl::Seconds(30));
//   clock.Advance(absl::Seconds(30));          // the heartbeat goes on
//
// Any thread may use it as a Clock; Advance belongs to one thread at a time. A Context's deadline
// is on Clock::Real(), whatever clock waits beside it.
#pragma once

#include <map>
#include <utility>

#include "core/clock.h"
#include "core/mutex.h"

namespace micro {

class VirtualClock final : public Clock {
 public:
  // A fixed time, the same in every run: 2023-11-14T22:13:20Z.
  static absl::Time DefaultStart() { return absl::FromUnixSeconds(1'700'000'000); }

  explicit VirtualClock(absl::Time start = DefaultStart()) : now_(start) {}

  absl::Time Now() override;
  TimerId At(absl::Time when, absl::AnyInvocable<void()> callback) override;
  bool Cancel(TimerId timer) override;

  // Moves the time on by `duration`, and runs on this thread, in the order of their times (then of
  // their setting), every timer that comes due, also those set meanwhile. While a timer runs, Now()
  // is its time. Advance(ZeroDuration()) runs what is already due. A coroutine that Sleep wakes
  // resumes on the executor: wait for it with its TaskScope, not with the clock.
  void Advance(absl::Duration duration);

  // When the first timer is due: how far to advance; absl::InfiniteFuture() when none is set.
  absl::Time NextTimer();

  // Waits until `count` timers are set at once, when another thread is about to set them.
  void WaitForTimers(size_t count);

 private:
  using Due = std::pair<absl::Time, TimerId>;

  Mutex mutex_;
  CondVar added_;
  absl::Time now_ ABSL_GUARDED_BY(mutex_);
  TimerId last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<Due, absl::AnyInvocable<void()>> timers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace micro
