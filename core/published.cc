#include "core/published.h"

#include <cxxabi.h>

extern "C" void* __dso_handle;  // of this program or library

namespace micro::internal {
namespace {

constexpr size_t kRows = 8;

struct Rows {
  PublishedRow rows[kRows];
  size_t oldest = 0;
};

constinit thread_local Rows* this_threads = nullptr;

void Free(void* rows) {
  this_threads = nullptr;
  delete static_cast<Rows*>(rows);
}

// They are freed with the thread. What the thread destroys later still makes new ones, which are freed
// after it: a thread_local would be there once only. (Objects of static life, destroyed when the main
// thread's own are gone, have theirs until the process ends.)
Rows* NewRows() {
  this_threads = new Rows;
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
    if (row.id == id) return row;
  }
  PublishedRow& row = mine->rows[mine->oldest];
  mine->oldest = (mine->oldest + 1) % kRows;
  row = {.id = id, .version = 0, .value = nullptr};
  return row;
}

}  // namespace micro::internal
