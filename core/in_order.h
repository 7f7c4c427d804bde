// InOrder runs tasks one behind the other for each key, and those of different keys beside each other.
//
//   InOrder line(scope, /*most=*/256);
//   if (line.AddIfBusy(key, work) != InOrder::Added::kNotBusy) return;  // behind what waits, or too much
//   …                             // nothing waits: what needs no waiting may be done now
//   line.Add(key, work);
//   line.Start(key, make);        // the same; a task that ends without waiting takes no lock
//
// Any thread; but Start, which a key is given from one thread at a time, and not from inside its task.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <unordered_map>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "core/mutex.h"
#include "core/task.h"
#include "core/task_scope.h"

namespace micro {

class InOrder {
 public:
  using Work = absl::AnyInvocable<Task<void>()>;

  enum class Added { kYes, kNotBusy, kFull };

  // At most so many wait for a key. `scope` outlives it, and is joined before it goes.
  InOrder(TaskScope& scope, size_t most) : scope_(scope), most_(most) {}

  // Whether anything runs or waits, of any key: one look at a number.
  bool IsBusy() const { return busy_.load(std::memory_order_acquire) > 0; }

  // Adds work where some of the key runs or waits.
  Added AddIfBusy(int64_t key, Work&& work) {
    if (!IsBusy()) return Added::kNotBusy;
    MutexLock lock(mutex_);
    const auto found = waiting_.find(key);
    if (found == waiting_.end()) return Added::kNotBusy;
    if (found->second.size() >= most_) return Added::kFull;
    found->second.push_back(std::move(work));
    return Added::kYes;
  }

  // False: as many wait as may.
  bool Add(int64_t key, Work work) {
    {
      MutexLock lock(mutex_);
      const auto [found, is_new] = waiting_.try_emplace(key);
      if (!is_new && found->second.size() >= most_) return false;
      found->second.push_back(std::move(work));
      if (!is_new) return true;
      busy_.fetch_add(1, std::memory_order_release);
    }
    Spawn(scope_, Run(key));
    return true;
  }

  // Runs what `make` makes, now or behind what runs or waits. False: as many wait as may.
  template <class Make>
  bool Start(int64_t key, Make make) {
    if (IsBusy()) {
      MutexLock lock(mutex_);
      const auto found = waiting_.find(key);
      if (found != waiting_.end()) {
        if (found->second.size() >= most_) return false;
        found->second.push_back(Work(std::move(make)));
        return true;
      }
    }
    const auto end = std::make_shared<std::atomic<End>>(End::kNeither);
    Spawn(scope_, First(key, std::move(make), end));
    if (end->load(std::memory_order_acquire) == End::kEnded) return true;
    {
      MutexLock lock(mutex_);
      waiting_[key];
      busy_.fetch_add(1, std::memory_order_release);
    }
    // Whoever is second goes on with what waits.
    if (end->exchange(End::kBusy, std::memory_order_acq_rel) == End::kEnded)
      Spawn(scope_, Run(key));
    return true;
  }

 private:
  // Of a task that was started at once: whether it has ended, and whether its key is busy by then.
  enum class End { kNeither, kEnded, kBusy };

  template <class Make>
  Task<void> First(int64_t key, Make make, std::shared_ptr<std::atomic<End>> end) {
    co_await make();
    if (end->exchange(End::kEnded, std::memory_order_acq_rel) == End::kBusy) co_await Run(key);
  }

  Task<void> Run(int64_t key) {
    while (true) {
      Work work;
      {
        MutexLock lock(mutex_);
        const auto found = waiting_.find(key);
        if (found->second.empty()) {
          waiting_.erase(found);
          busy_.fetch_sub(1, std::memory_order_release);
          co_return;
        }
        work = std::move(found->second.front());
        found->second.pop_front();
      }
      co_await work();
    }
  }

  TaskScope& scope_;
  const size_t most_;
  std::atomic<int64_t> busy_ = 0;  // keys
  Mutex mutex_;
  std::unordered_map<int64_t, std::deque<Work>> waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace micro
