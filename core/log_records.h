// The last lines of the log, for those who ask a running process for them.
//
//   log::KeepRecords();                                       // from now on
//   for (const auto& record : log::RecordsAfter(0)) …         // all that are kept, oldest first
//
// At most kRecords are kept, each with at most kRecordSize bytes of text: what is longer is cut.
// Nothing is kept, and logging costs no more, until KeepRecords is called. All functions may be
// called from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "core/log.h"

namespace micro::log {

inline constexpr size_t kRecords = 1024;
inline constexpr size_t kRecordSize = 4096;

struct Record {
  int64_t number = 0;  // counts from 1: a gap tells of records that are gone
  absl::Time time = {};
  std::string_view level = {};  // "info"
  std::string message = {};
  std::vector<std::pair<std::string, std::string>> fields = {};
};

// Keeps records from now on, for the rest of the process's life.
void KeepRecords();

// What is kept with a number above `number`, oldest first.
std::vector<std::shared_ptr<const Record>> RecordsAfter(int64_t number);

namespace internal {

bool KeepsRecords();
void Keep(absl::Time time, std::string_view level, std::string_view message, Fields fields);

}  // namespace internal
}  // namespace micro::log
