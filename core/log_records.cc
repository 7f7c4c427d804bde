#include "core/log_records.h"

#include <algorithm>
#include <atomic>
#include <deque>

#include "core/mutex.h"

namespace micro::log {
namespace {

struct Kept {
  std::atomic<bool> keeps = false;
  Mutex mutex;
  int64_t last_number ABSL_GUARDED_BY(mutex) = 0;
  std::deque<std::shared_ptr<const Record>> records ABSL_GUARDED_BY(mutex);
};

Kept& Ring() {
  static Kept& kept = *new Kept;
  return kept;
}

// As much of `text` as is left of `room`.
std::string Cut(std::string_view text, size_t& room) {
  text = text.substr(0, room);
  room -= text.size();
  return std::string(text);
}

}  // namespace

void KeepRecords() { Ring().keeps.store(true, std::memory_order_relaxed); }

std::vector<std::shared_ptr<const Record>> RecordsAfter(int64_t number) {
  Kept& kept = Ring();
  MutexLock lock(kept.mutex);
  const auto first =
      std::partition_point(kept.records.begin(), kept.records.end(),
                           [&](const auto& record) { return record->number <= number; });
  return {first, kept.records.end()};
}

namespace internal {

bool KeepsRecords() { return Ring().keeps.load(std::memory_order_relaxed); }

void Keep(absl::Time time, std::string_view level, std::string_view message, Fields fields) {
  size_t room = kRecordSize;
  auto record = std::make_shared<Record>();
  record->time = time;
  record->level = level;
  record->message = Cut(message, room);
  for (const Field& field : fields) {
    if (room == 0) break;
    std::string key = Cut(field.key(), room);
    record->fields.emplace_back(std::move(key), Cut(field.value(), room));
  }
  std::shared_ptr<const Record> oldest;  // freed without the lock
  Kept& kept = Ring();
  MutexLock lock(kept.mutex);
  record->number = ++kept.last_number;
  if (kept.records.size() == kRecords) {
    oldest = std::move(kept.records.front());
    kept.records.pop_front();
  }
  kept.records.push_back(std::move(record));
}

}  // namespace internal
}  // namespace micro::log
