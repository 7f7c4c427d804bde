#include "core/testing/virtual_clock.h"

#include <algorithm>

namespace micro {

absl::Time VirtualClock::Now() {
  MutexLock lock(mutex_);
  return now_;
}

Clock::TimerId VirtualClock::At(absl::Time when, absl::AnyInvocable<void()> callback) {
  MutexLock lock(mutex_);
  const TimerId id = ++last_id_;
  timers_.emplace(Due(when, id), std::move(callback));
  added_.NotifyAll();
  return id;
}

bool VirtualClock::Cancel(TimerId timer) {
  absl::AnyInvocable<void()> dropped;  // destroyed without the lock
  MutexLock lock(mutex_);
  const auto place = std::find_if(timers_.begin(), timers_.end(), [timer](const auto& entry) {
    return entry.first.second == timer;
  });
  if (place == timers_.end()) return false;
  dropped = std::move(place->second);
  timers_.erase(place);
  return true;
}

void VirtualClock::Advance(absl::Duration duration) {
  mutex_.Lock();
  const absl::Time end = now_ + duration;
  while (!timers_.empty() && timers_.begin()->first.first <= end) {
    const auto first = timers_.begin();
    absl::AnyInvocable<void()> callback = std::move(first->second);
    now_ = std::max(now_, first->first.first);
    timers_.erase(first);
    mutex_.Unlock();
    callback();
    callback = nullptr;
    mutex_.Lock();
  }
  now_ = end;
  mutex_.Unlock();
}

absl::Time VirtualClock::NextTimer() {
  MutexLock lock(mutex_);
  return timers_.empty() ? absl::InfiniteFuture() : timers_.begin()->first.first;
}

void VirtualClock::WaitForTimers(size_t count) {
  MutexLock lock(mutex_);
  while (timers_.size() < count) added_.Wait(mutex_);
}

}  // namespace micro
