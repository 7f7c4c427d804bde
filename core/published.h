// Published<T>: a value that many threads read all the time and that is replaced, whole, now and
// then.
//
//   Published<Routes> routes;
//   std::shared_ptr<const Routes> now = routes.Load();        // no lock while nothing has changed: each thread keeps the last one
//   const Routes& here = routes.Read();                       // not even a reference count, until this thread reads the next Published
//   routes.Store(std::make_shared<const Routes>(...));
//
// Load and Store may be called from any thread. No thread keeps a value beyond the Published's end. (std::atomic<std::shared_ptr> of libstdc++ 12 spins
// on a lock that tsan cannot see.)
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "core/mutex.h"

namespace micro {
namespace internal {

// What one thread remembers of one Published.
struct PublishedRow {
  std::atomic<uint64_t> id = 0;  // 0: of none
  uint64_t version = 0;
  std::shared_ptr<const void> value;
};

uint64_t NewPublishedId();

// This thread's row for `id`; an old one is given up when the thread reads more than a few.
PublishedRow& RowOf(uint64_t id);

// Empties the rows of all threads for `id`, which nobody reads any more.
void ForgetRows(uint64_t id);

}  // namespace internal

template <class T>
class Published {
 public:
  explicit Published(std::shared_ptr<const T> value = std::make_shared<const T>())
      : value_(std::move(value)) {}
  ~Published() { internal::ForgetRows(id_); }
  Published(const Published&) = delete;
  Published& operator=(const Published&) = delete;

  std::shared_ptr<const T> Load() const { return std::static_pointer_cast<const T>(Row().value); }

  // The value, which this thread keeps until its next Load or Read of any Published.
  const T& Read() const { return *static_cast<const T*>(Row().value.get()); }

  void Store(std::shared_ptr<const T> value) {
    MutexLock lock(mutex_);
    value_.swap(value);
    version_.fetch_add(1, std::memory_order_release);
  }

 private:
  internal::PublishedRow& Row() const {
    internal::PublishedRow& row = internal::RowOf(id_);
    if (row.version != version_.load(std::memory_order_acquire)) {
      MutexLock lock(mutex_);
      row.value = value_;
      row.version = version_.load(std::memory_order_relaxed);
    }
    return row;
  }

  const uint64_t id_ = internal::NewPublishedId();
  std::atomic<uint64_t> version_ = 1;
  mutable Mutex mutex_;
  std::shared_ptr<const T> value_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace micro
