// The bridges between coroutines and the rest: Sleep, Offload, OneShot and Queue.
#pragma once

#include <atomic>
#include <coroutine>
#include <deque>
#include <memory>
#include <optional>
#include <stop_token>
#include <type_traits>
#include <utility>

#include "absl/status/statusor.h"
#include "core/clock.h"
#include "core/context.h"
#include "core/executor.h"
#include "core/mutex.h"
#include "core/task.h"

namespace micro {

// A slot that is set once, from any thread, and awaited by one coroutine, which resumes on the
// setter's thread, inside TrySet. Held by shared_ptr when a setter may come late (a timer, a
// cancellation).
template <class T>
class OneShot {
 public:
  // Sets the value and resumes the waiter; false, and no effect, if it was set before.
  bool TrySet(absl::StatusOr<T> value) {
    if (claimed_.exchange(true, std::memory_order_acq_rel)) return false;
    value_ = std::move(value);
    if (state_.exchange(kSet, std::memory_order_acq_rel) == kWaiting) waiter_.resume();
    return true;
  }

  // co_await slot.Wait(): the value.
  auto Wait() {
    struct Awaiter {
      OneShot& slot;
      bool await_ready() { return slot.state_.load(std::memory_order_acquire) == kSet; }
      bool await_suspend(std::coroutine_handle<> waiter) {
        slot.waiter_ = waiter;
        int expected = kEmpty;
        return slot.state_.compare_exchange_strong(expected, kWaiting, std::memory_order_acq_rel);
      }
      absl::StatusOr<T> await_resume() { return *std::move(slot.value_); }
    };
    return Awaiter{*this};
  }

 private:
  enum : int { kEmpty, kWaiting, kSet };
  std::atomic<bool> claimed_ = false;
  std::atomic<int> state_ = kEmpty;
  std::coroutine_handle<> waiter_;
  std::optional<absl::StatusOr<T>> value_;
};

// Calls `end` with the context's status when it ends, until destroyed. `end` may run on any thread,
// and late by a race: it holds what it needs. At a deadline it runs on a thread of the executor, at
// a cancellation on the canceller's.
template <class End>
class ContextEnd {
 public:
  ContextEnd(const Context& ctx, End end) : end_(std::move(end)) {
    if (ctx.deadline() != absl::InfiniteFuture()) {
      timer_ = Clock::Real().At(ctx.deadline(), [end = end_] {
        Executor::Default().Post(
            [end] { end(absl::DeadlineExceededError("context deadline exceeded")); });
      });
    }
    if (ctx.stop_token().stop_possible()) cancelled_.emplace(ctx.stop_token(), Cancelled{end_});
  }
  ~ContextEnd() {
    if (timer_ != 0) Clock::Real().Cancel(timer_);
  }
  ContextEnd(const ContextEnd&) = delete;
  ContextEnd& operator=(const ContextEnd&) = delete;

 private:
  struct Cancelled {
    End end;
    void operator()() const {
      const End own = end;  // what it wakes may free this object
      own(absl::CancelledError("context canceled"));
    }
  };
  End end_;
  Clock::TimerId timer_ = 0;
  std::optional<std::stop_callback<Cancelled>> cancelled_;
};

// Waits for `slot`, or for the end of `ctx`, whose status is the answer then.
template <class T>
Task<absl::StatusOr<T>> Await(Context ctx, std::shared_ptr<OneShot<T>> slot) {
  if (absl::Status status = ctx.status(); !status.ok()) slot->TrySet(status);
  const auto end = [slot](absl::Status status) { slot->TrySet(std::move(status)); };
  ContextEnd watch(ctx, end);
  co_return co_await slot->Wait();
}

// Waits for `duration` on `clock`, and resumes on a thread of the executor. CANCELLED or
// DEADLINE_EXCEEDED when `ctx` ends first, OK otherwise.
Task<absl::Status> Sleep(Context ctx, absl::Duration duration, Clock& clock = Clock::Real());

// Runs `function` on a thread of the executor and resumes there with its result: the way to call a
// library that blocks. It is not interrupted by the end of any context.
template <class Function>
Task<std::invoke_result_t<Function>> Offload(Function function,
                                             Executor& executor = Executor::Default()) {
  struct Hop {
    Executor& executor;
    bool await_ready() { return false; }
    void await_suspend(std::coroutine_handle<> waiter) {
      executor.Post([waiter] { waiter.resume(); });
    }
    void await_resume() {}
  };
  co_await Hop{executor};
  co_return function();
}

// A bounded queue that any threads fill and one coroutine at a time empties. A waiting Pop goes on
// inside the Push or Close that wakes it, on its thread: hold no lock over them.
template <class T>
class Queue {
 public:
  explicit Queue(size_t capacity) : capacity_(capacity) {}

  // Adds an item; false when the queue is full or closed.
  bool Push(T item) {
    std::shared_ptr<OneShot<bool>> waiter;
    {
      MutexLock lock(mutex_);
      if (!closed_.ok() || items_.size() >= capacity_) return false;
      items_.push_back(std::move(item));
      waiter = std::move(waiter_);
    }
    if (waiter) waiter->TrySet(true);
    return true;
  }

  // No more items come: what is queued is still handed out, then Pop answers `reason`
  // (CANCELLED if that is OK). Later calls do nothing.
  void Close(absl::Status reason) {
    std::shared_ptr<OneShot<bool>> waiter;
    {
      MutexLock lock(mutex_);
      if (!closed_.ok()) return;
      closed_ = reason.ok() ? absl::CancelledError("the queue is closed") : std::move(reason);
      waiter = std::move(waiter_);
    }
    if (waiter) waiter->TrySet(true);
  }

  // The next item; the reason of Close when it was closed and is empty; the status of `ctx` when
  // that ends first.
  Task<absl::StatusOr<T>> Pop(Context ctx) {
    while (true) {
      std::shared_ptr<OneShot<bool>> waiter;
      {
        MutexLock lock(mutex_);
        if (!items_.empty()) {
          absl::StatusOr<T> item = std::move(items_.front());
          items_.pop_front();
          co_return item;
        }
        if (!closed_.ok()) co_return closed_;
        waiter = waiter_ = std::make_shared<OneShot<bool>>();
      }
      const absl::StatusOr<bool> woken = co_await Await(ctx, std::move(waiter));
      if (!woken.ok()) co_return woken.status();
    }
  }

 private:
  const size_t capacity_;
  Mutex mutex_;
  std::deque<T> items_ ABSL_GUARDED_BY(mutex_);
  absl::Status closed_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<OneShot<bool>> waiter_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace micro
