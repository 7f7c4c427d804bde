// A TaskScope owns tasks that run beside each other, and waits for their end.
//
//   TaskScope scope;
//   Spawn(scope, Heartbeat(ctx));
//   ...
//   cancel();                  // scopes do not cancel: give the tasks a Context that can be
//   scope.Join();              // or: co_await scope.Done();
//
// Spawn and the waits may be called from any thread. The destructor waits as Join does, and blocks:
// a coroutine that has a scope awaits Done() before the scope goes.
#pragma once

#include <coroutine>
#include <vector>

#include "core/mutex.h"
#include "core/task.h"

namespace micro {

class TaskScope {
 public:
  TaskScope() = default;
  TaskScope(const TaskScope&) = delete;
  TaskScope& operator=(const TaskScope&) = delete;
  ~TaskScope() { Join(); }

  // Blocks until every task has ended. Never from inside one of them.
  void Join();

  // Waits until every task has ended, on the thread of the last one's end.
  auto Done() {
    struct Awaiter {
      TaskScope& scope;
      bool await_ready() { return false; }
      bool await_suspend(std::coroutine_handle<> waiter) { return scope.AddWaiter(waiter); }
      void await_resume() {}
    };
    return Awaiter{*this};
  }

  // How many tasks have not ended.
  int running() const;

 private:
  friend void Spawn(TaskScope& scope, Task<void> task);
  bool AddWaiter(std::coroutine_handle<> waiter);
  void Enter();
  void Leave();
  static internal::Detached Run(TaskScope* scope, Task<void> task);

  mutable Mutex mutex_;
  CondVar ended_;
  int running_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::coroutine_handle<>> waiters_ ABSL_GUARDED_BY(mutex_);
};

// Starts `task` on this thread, until it first waits. An exception that leaves it ends the process.
void Spawn(TaskScope& scope, Task<void> task);

}  // namespace micro
