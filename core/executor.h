// The Executor is the process's pool of threads for work that must not run on the thread of an
// event: blocking library calls (Offload, core/async.h) and coroutines woken by a timer.
//
// Threads are made on demand, at most `max_threads`, and end after 10 s without work. What waits
// for a thread is bounded only by its senders: each is a coroutine that waits for its turn. Post
// may be called from any thread.
#pragma once

#include <deque>

#include "absl/functional/any_invocable.h"
#include "core/mutex.h"

namespace micro {

class Executor {
 public:
  explicit Executor(int max_threads) : max_threads_(max_threads) {}

  // Waits until all posted work has run and the threads have left; not on one of them.
  ~Executor();

  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // The pool of the process: at most 64 threads.
  static Executor& Default();

  // Runs `work` on some thread of the pool, in the order of posting where one thread is enough.
  void Post(absl::AnyInvocable<void()> work);

 private:
  void Run();
  bool AwaitWork() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);  // false: this thread is no longer needed

  const int max_threads_;
  Mutex mutex_;
  CondVar arrived_;
  CondVar left_;
  std::deque<absl::AnyInvocable<void()>> queue_ ABSL_GUARDED_BY(mutex_);
  int threads_ ABSL_GUARDED_BY(mutex_) = 0;
  int idle_ ABSL_GUARDED_BY(mutex_) = 0;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace micro
