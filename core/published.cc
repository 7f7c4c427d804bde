#include "core/published.h"

namespace micro::internal {

uint64_t NewPublishedId() {
  static std::atomic<uint64_t> last = 0;
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

PublishedRow& RowOf(uint64_t id) {
  constexpr size_t kRows = 8;
  thread_local PublishedRow rows[kRows];
  thread_local size_t oldest = 0;
  for (PublishedRow& row : rows) {
    if (row.id == id) return row;
  }
  PublishedRow& row = rows[oldest];
  oldest = (oldest + 1) % kRows;
  row = {.id = id, .version = 0, .value = nullptr};
  return row;
}

}  // namespace micro::internal
