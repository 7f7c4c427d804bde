// A TrafficFile keeps traffic rules as a file has them: it is read again when it changes, and while
// it is wrong or gone the last good rules stay.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/context.h"
#include "core/task.h"
#include "core/task_scope.h"
#include "selector/traffic.h"

namespace micro::selector {

class TrafficFile {
 public:
  using OnRules = std::function<void(std::shared_ptr<const TrafficRules>)>;

  // Reads the file and hands its rules to `on_rules`, now and, on an executor's thread, with each
  // change, of which the log tells, as of a file that is wrong. NOT_FOUND, INVALID_ARGUMENT: what is
  // wrong with it now.
  static absl::StatusOr<std::unique_ptr<TrafficFile>> Open(std::string path, OnRules on_rules);
  ~TrafficFile();  // waits until on_rules is not called any more

 private:
  TrafficFile(std::string path, OnRules on_rules);
  Task<void> Follow(Context ctx);

  // What tells one state of the file from another.
  struct Mark {
    int64_t device = 0, inode = 0, size = -1, changed_ns = 0;
    bool operator==(const Mark&) const = default;
  };
  static Mark MarkOf(const std::string& path);

  const std::string path_;
  const OnRules on_rules_;
  Mark read_;  // what was read last
  CancelFunction cancel_;
  TaskScope scope_;
};

}  // namespace micro::selector
