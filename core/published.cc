#include "core/published.h"

#include <cxxabi.h>

#include <vector>

extern "C" void* __dso_handle;  // of this program or library

namespace micro::internal {
namespace {

constexpr size_t kRows = 8;

// Beside the id of a row whose value is being given up.
constexpr uint64_t kLeaving = uint64_t{1} << 63;

struct Rows {
  PublishedRow rows[kRows];
  size_t oldest = 0;
};

constinit thread_local Rows* this_threads = nullptr;

// The rows of all threads.
struct AllRows {
  Mutex mutex;
  std::vector<Rows*> all ABSL_GUARDED_BY(mutex);
};

AllRows& Everybodys() {
  static AllRows& rows = *new AllRows;
  return rows;
}

// Gives up what the row has, by its thread, and gives it to `id`. Whoever forgets what it had waits
// until the value is gone.
void Give(PublishedRow& row, uint64_t id) {
  uint64_t had = row.id.load(std::memory_order_relaxed);
  while (had != 0 &&
         !row.id.compare_exchange_weak(had, had | kLeaving, std::memory_order_acquire)) {
    had &= ~kLeaving;  // another is just emptying it
  }
  row.value = nullptr;
  row.version = 0;
  row.id.store(id, std::memory_order_release);
}

void Free(void* freed) {
  Rows* const rows = static_cast<Rows*>(freed);
  this_threads = nullptr;
  for (PublishedRow& row : rows->rows) Give(row, 0);
  {
    AllRows& everybodys = Everybodys();
    MutexLock lock(everybodys.mutex);
    std::erase(everybodys.all, rows);
  }
  delete rows;
}

// They are freed with the thread. What the thread destroys later still makes new ones, which are freed
// after it: a thread_local would be there once only. (Objects of static life, destroyed when the main
// thread's own are gone, have theirs until the process ends.)
Rows* NewRows() {
  this_threads = new Rows;
  {
    AllRows& everybodys = Everybodys();
    MutexLock lock(everybodys.mutex);
    everybodys.all.push_back(this_threads);
  }
  abi::__cxa_thread_atexit(Free, this_threads, &__dso_handle);
  return this_threads;
}

}  // namespace

uint64_t NewPublishedId() {
  static std::atomic<uint64_t> last = 0;
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

PublishedRow& RowOf(uint64_t id) {
  Rows* const mine = this_threads != nullptr ? this_threads : NewRows();
  for (PublishedRow& row : mine->rows) {
    if (row.id.load(std::memory_order_relaxed) == id) return row;
  }
  PublishedRow& row = mine->rows[mine->oldest];
  mine->oldest = (mine->oldest + 1) % kRows;
  Give(row, id);
  return row;
}

void ForgetRows(uint64_t id) {
  std::vector<std::shared_ptr<const void>> values;  // freed behind the lock
  bool is_left = true;
  while (is_left) {
    is_left = false;
    AllRows& everybodys = Everybodys();
    MutexLock lock(everybodys.mutex);
    for (Rows* rows : everybodys.all) {
      for (PublishedRow& row : rows->rows) {
        uint64_t expected = id;
        if (row.id.compare_exchange_strong(expected, id | kLeaving, std::memory_order_acquire)) {
          values.push_back(std::move(row.value));
          row.version = 0;
          row.id.store(0, std::memory_order_release);
        } else if (expected == (id | kLeaving) && rows != this_threads) {
          is_left = true;  // its thread is just giving it up
        }
      }
    }
  }
}

}  // namespace micro::internal
