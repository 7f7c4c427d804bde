// A Registration keeps a server's record in the registry, for as long as the server runs, and knows
// whether those who look there find it: whether the server is ready.
//
// Begin, Continue and End are called one after the other. Mirrors go-micro's register loop, but for
// a failing check, which keeps the node out, and for what comes after a failure: the next attempt
// comes sooner than the interval, and the log has one line for each cause, not for each attempt.
//
// Ready is a node that was found when it last looked itself up: once it has registered, and halfway
// between two refreshes. A registry that answers without it makes it unready, and it registers again
// 0.1 s later, 0.2 s … , at most an interval. One that does not answer changes nothing: callers go on
// with the nodes that they know, and an outage must not take all nodes of a fleet out of service. A
// check that fails makes it unready, for it keeps callers from finding it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "core/context.h"
#include "core/mutex.h"
#include "core/task.h"
#include "core/task_scope.h"
#include "micro/server.h"
#include "registry/registry.h"

namespace micro {

class Registration {
 public:
  // Of a server with these options, which outlive it. `tell` is called when the server has become
  // ready, and when it no longer is, from any thread but one call at a time, and not after End.
  Registration(const ServerOptions& options, std::shared_ptr<registry::Registry> registry,
               std::function<void(bool ready)> tell);
  ~Registration();
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;

  // Registers `record`, if the check allows, in three attempts; the status of the last.
  // INVALID_ARGUMENT: the registry will never take it. After anything else Continue tries again.
  Task<absl::Status> Begin(Context ctx, registry::Service record);

  // Looks the node up, refreshes the record every interval (zero: only until it was found once), and
  // tries again after failures: 1 s, 2 s, 4 s … later, at most an interval.
  void Continue();

  // Ends that, and takes the record out of the registry. An error: it may still be there.
  Task<absl::Status> End(Context ctx);

  // Whether the registry had the record when End began.
  bool was_registered() const { return was_registered_; }

  const registry::Service& record() const { return record_; }

  // OK: ready. UNAVAILABLE: why not, for people. From any thread.
  absl::Status readiness() const;

 private:
  Task<absl::Status> Turn(Context ctx, int attempts);
  Task<absl::Status> Deregister(Context ctx);
  Task<void> Loop();
  Task<void> Look();
  void SetReadiness(absl::Status status);
  absl::Duration Pause() const;
  void Complain(std::string_view what, const absl::Status& status);

  const ServerOptions& options_;
  const std::shared_ptr<registry::Registry> registry_;
  const std::function<void(bool ready)> tell_;
  registry::Service record_;
  // Written by Begin, then the loop, then End: one after the other.
  bool maybe_listed_ = false;  // since a registration was sent, whatever its answer
  bool registered_ = false;
  bool was_registered_ = false;
  int failures_ = 0;        // in a row
  bool is_silent_ = false;  // the registry, when it was last asked to register
  int unseen_ = 0;          // lookups in a row that left the node unready
  bool said_unseen_ = false;
  std::map<std::string_view, std::string>
      complaints_;  // that the log has, since it last registered
  mutable Mutex mutex_;
  absl::Status readiness_ ABSL_GUARDED_BY(mutex_) =
      absl::UnavailableError("the server has not registered yet");
  Context loop_ctx_;
  CancelFunction stop_loop_;
  TaskScope scope_;
};

}  // namespace micro
