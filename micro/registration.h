// A Registration keeps a server's record in the registry, for as long as the server runs.
//
// Begin, Continue and End are called one after the other. Mirrors go-micro's register loop, but for
// a failing check, which keeps the node out, and for what comes after a failure: the next attempt
// comes sooner than the interval, and the log has one line for each cause, not for each attempt.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "core/context.h"
#include "core/task.h"
#include "core/task_scope.h"
#include "micro/server.h"
#include "registry/registry.h"

namespace micro {

class Registration {
 public:
  // Of a server with these options, which outlive it.
  Registration(const ServerOptions& options, std::shared_ptr<registry::Registry> registry);
  ~Registration();
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;

  // Registers `record`, if the check allows, in three attempts; the status of the last.
  // INVALID_ARGUMENT: the registry will never take it. After anything else Continue tries again.
  Task<absl::Status> Begin(Context ctx, registry::Service record);

  // Refreshes the record every interval (zero: only until it was registered once), and tries again
  // after failures: 1 s, 2 s, 4 s … later, at most an interval.
  void Continue();

  // Ends that, and takes the record out of the registry. An error: it may still be there.
  Task<absl::Status> End(Context ctx);

  // Whether the registry had the record when End began.
  bool was_registered() const { return was_registered_; }

  const registry::Service& record() const { return record_; }

 private:
  Task<absl::Status> Turn(Context ctx, int attempts);
  Task<absl::Status> Deregister(Context ctx);
  Task<void> Loop();
  absl::Duration Pause() const;
  void Complain(std::string_view what, const absl::Status& status);

  const ServerOptions& options_;
  const std::shared_ptr<registry::Registry> registry_;
  registry::Service record_;
  // Written by Begin, then the loop, then End: one after the other.
  bool maybe_listed_ = false;  // since a registration was sent, whatever its answer
  bool registered_ = false;
  bool was_registered_ = false;
  int failures_ = 0;  // in a row
  std::map<std::string_view, std::string>
      complaints_;  // that the log has, since it last registered
  Context loop_ctx_;
  CancelFunction stop_loop_;
  TaskScope scope_;
};

}  // namespace micro
