#include "core/task_scope.h"

#include <utility>

namespace micro {

void TaskScope::Join() {
  MutexLock lock(mutex_);
  while (running_ > 0) ended_.Wait(mutex_);
}

int TaskScope::running() const {
  MutexLock lock(mutex_);
  return running_;
}

bool TaskScope::AddWaiter(std::coroutine_handle<> waiter) {
  MutexLock lock(mutex_);
  if (running_ == 0) return false;
  waiters_.push_back(waiter);
  return true;
}

void TaskScope::Enter() {
  MutexLock lock(mutex_);
  ++running_;
}

void TaskScope::Leave() {
  std::vector<std::coroutine_handle<>> waiters;
  {
    MutexLock lock(mutex_);
    if (--running_ > 0) return;
    waiters.swap(waiters_);
    // Inside the lock: a joiner may free the scope as soon as it sees zero.
    ended_.NotifyAll();
  }
  for (std::coroutine_handle<> waiter : waiters) waiter.resume();
}

internal::Detached TaskScope::Run(TaskScope* scope, Task<void> task) {
  {
    Task<void> owned = std::move(
        task);  // freed before Leave: its locals may refer to what the scope's owner frees
    co_await std::move(owned);
  }
  scope->Leave();
}

void Spawn(TaskScope& scope, Task<void> task) {
  scope.Enter();
  TaskScope::Run(&scope, std::move(task));
}

}  // namespace micro
