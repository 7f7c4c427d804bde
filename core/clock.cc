#include "core/clock.h"

#include <chrono>
#include <map>
#include <thread>
#include <utility>

#include "absl/time/clock.h"
#include "core/mutex.h"

namespace micro {
namespace {

class RealClock final : public Clock {
 public:
  RealClock() : wall_start_(absl::Now()), steady_start_(std::chrono::steady_clock::now()) {
    std::thread([this] { Run(); }).detach();
  }

  absl::Time Now() override {
    return wall_start_ + absl::FromChrono(std::chrono::steady_clock::now() - steady_start_);
  }

  TimerId At(absl::Time when, absl::AnyInvocable<void()> callback) override {
    MutexLock lock(mutex_);
    const TimerId id = ++last_id_;
    const auto place = timers_.emplace(std::pair(when, id), std::move(callback)).first;
    times_.emplace(id, when);
    if (place == timers_.begin()) changed_.NotifyOne();
    return id;
  }

  bool Cancel(TimerId timer) override {
    absl::AnyInvocable<void()> dropped;  // destroyed without the lock
    MutexLock lock(mutex_);
    const auto time = times_.find(timer);
    if (time == times_.end()) return false;
    const auto place = timers_.find(std::pair(time->second, timer));
    dropped = std::move(place->second);
    timers_.erase(place);
    times_.erase(time);
    return true;
  }

 private:
  void Run() {
    mutex_.Lock();
    while (true) {
      if (timers_.empty()) {
        changed_.Wait(mutex_);
        continue;
      }
      const auto first = timers_.begin();
      const absl::Duration wait = first->first.first - Now();
      if (wait > absl::ZeroDuration()) {
        changed_.WaitFor(mutex_, wait);
        continue;
      }
      auto callback = std::move(first->second);
      times_.erase(first->first.second);
      timers_.erase(first);
      mutex_.Unlock();
      callback();
      callback = nullptr;
      mutex_.Lock();
    }
  }

  const absl::Time wall_start_;
  const std::chrono::steady_clock::time_point steady_start_;
  Mutex mutex_;
  CondVar changed_;
  TimerId last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::pair<absl::Time, TimerId>, absl::AnyInvocable<void()>> timers_
      ABSL_GUARDED_BY(mutex_);
  std::map<TimerId, absl::Time> times_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

Clock& Clock::Real() {
  // Never destroyed: its thread serves until the process ends, past the destructors of statics.
  static RealClock& clock = *new RealClock;
  return clock;
}

}  // namespace micro
