// Task<T>: a coroutine that yields one T, the one way to wait in micro-cpp.
//
//   micro::Task<absl::StatusOr<User>> Load(Context ctx, std::string name) {
//     absl::Status slept = co_await micro::Sleep(ctx, absl::Milliseconds(5));
//     ...
//     co_return user;
//   }
//
// A function that may wait returns a Task; a function that does not, does not. A Task is lazy:
// nothing runs before it is awaited (co_await), spawned into a scope (core/task_scope.h) or, in
// `main` and tests, blocked on (BlockOn). It is move-only, is awaited once, and by one coroutine;
// awaiting and finishing transfer control symmetrically, so that a long chain of ready tasks costs
// no stack. Parameters of a coroutine are values, or outlive the task: a reference to a temporary
// dangles as soon as the Task is not awaited in the expression that made it, and a lambda's
// captures dangle as soon as the lambda is gone. An exception leaves the task where it is awaited.
#pragma once

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
#error \
    "micro-cpp: g++ before 13 frees the temporaries of `co_await f({.name = x})` twice; build with clang-19 (--repo_env=CC=clang-19)"
#endif

#include <concepts>
#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "core/mutex.h"

namespace micro {

template <class T = void>
class Task;

namespace internal {

class TaskPromiseCommon {
 public:
  std::suspend_always initial_suspend() noexcept { return {}; }

  struct FinalAwaiter {
    bool await_ready() noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> done) noexcept {
      return done.promise().continuation_;
    }
    void await_resume() noexcept {}
  };
  FinalAwaiter final_suspend() noexcept { return {}; }

  void set_continuation(std::coroutine_handle<> continuation) { continuation_ = continuation; }

 private:
  std::coroutine_handle<> continuation_ = std::noop_coroutine();
};

template <class T>
class TaskPromise final : public TaskPromiseCommon {
 public:
  Task<T> get_return_object();
  template <class Value = T>  // the default admits a braced list: co_return {…}
    requires std::constructible_from<T, Value&&>
  void return_value(Value&& value) {
    result_.template emplace<1>(std::forward<Value>(value));
  }
  void unhandled_exception() { result_.template emplace<2>(std::current_exception()); }

  T Take() {
    if (result_.index() == 2) std::rethrow_exception(std::get<2>(result_));
    return std::move(std::get<1>(result_));
  }

 private:
  std::variant<std::monostate, T, std::exception_ptr> result_;
};

template <>
class TaskPromise<void> final : public TaskPromiseCommon {
 public:
  Task<void> get_return_object();
  void return_void() {}
  void unhandled_exception() { exception_ = std::current_exception(); }
  void Take() {
    if (exception_) std::rethrow_exception(exception_);
  }

 private:
  std::exception_ptr exception_;
};

}  // namespace internal

template <class T>
class [[nodiscard("a Task does nothing until it is awaited: write co_await")]] Task {
 public:
  using promise_type = internal::TaskPromise<T>;

  Task(Task&& other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(coroutine_, other.coroutine_);
    return *this;
  }
  ~Task() {
    if (coroutine_) coroutine_.destroy();
  }

  // Runs the task and resumes the awaiting coroutine, on the thread where the task ended, with its
  // result.
  auto operator co_await() && noexcept {
    struct Awaiter {
      std::coroutine_handle<promise_type> coroutine;
      bool await_ready() noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<> continuation) noexcept {
        coroutine.promise().set_continuation(continuation);
        return coroutine;
      }
      T await_resume() { return coroutine.promise().Take(); }
    };
    return Awaiter{coroutine_};
  }

 private:
  friend promise_type;
  explicit Task(std::coroutine_handle<promise_type> coroutine) : coroutine_(coroutine) {}

  std::coroutine_handle<promise_type> coroutine_;
};

namespace internal {

template <class T>
Task<T> TaskPromise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<TaskPromise>::from_promise(*this));
}
inline Task<void> TaskPromise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<TaskPromise>::from_promise(*this));
}

// A coroutine that starts at once and frees itself at its end; what every bridge from callbacks to
// tasks starts with. An exception that leaves it ends the process.
struct Detached {
  struct promise_type {
    Detached get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    void unhandled_exception() noexcept { std::terminate(); }
  };
};

template <class T>
struct BlockOnState {
  Mutex mutex;
  CondVar finished;
  bool done ABSL_GUARDED_BY(mutex) = false;
  std::exception_ptr exception;
  std::optional<std::conditional_t<std::is_void_v<T>, std::monostate, T>> value;
};

template <class T>
Detached RunForBlockOn(Task<T> task, BlockOnState<T>& state) {
  try {
    Task<T> owned =
        std::move(task);  // freed before BlockOn returns: it may refer to what the caller frees
    if constexpr (std::is_void_v<T>) {
      co_await std::move(owned);
    } else {
      state.value.emplace(co_await std::move(owned));
    }
  } catch (...) {
    state.exception = std::current_exception();
  }
  MutexLock lock(state.mutex);
  state.done = true;
  state.finished.NotifyAll();
}

}  // namespace internal

// Runs a task to its end while this thread waits. For `main` and tests alone: on a thread that
// serves events it deadlocks.
template <class T>
T BlockOn(Task<T> task) {
  internal::BlockOnState<T> state;
  internal::RunForBlockOn(std::move(task), state);
  {
    MutexLock lock(state.mutex);
    while (!state.done) state.finished.Wait(state.mutex);
  }
  if (state.exception) std::rethrow_exception(state.exception);
  if constexpr (!std::is_void_v<T>) return *std::move(state.value);
}

}  // namespace micro
