// A Health keeps watch over the nodes of one service: who fails is left out ("ejected") for a while
// and then tried with one call; for every strategy alike.
//
// A node that cannot be reached is left out at its first failure. One that answers with errors is
// after a number of them in a row, or when too large a part of its calls fails; but only if the
// other nodes do better, and never so that fewer than half of them are left: when all fail, leaving
// some out makes it worse. Each time it is left out for longer.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "core/clock.h"
#include "core/mutex.h"
#include "selector/node_state.h"
#include "selector/options.h"

namespace micro::selector {

// Why a node is left out.
struct Ejection {
  absl::Time since = absl::InfiniteFuture();
  absl::Time until = absl::InfiniteFuture();  // a call tries it from then on
  std::string why = {};                       // "5 failures in a row, last: …"
  int times = 0;                              // in a row
  bool unreachable = false;                   // it cannot be reached; else it answers with errors
};

class Health : public std::enable_shared_from_this<Health> {
 public:
  // `changed` is called, on any thread and with no lock held, when a node's phase was changed.
  Health(EjectionOptions options, Clock& clock, std::function<void()> changed);

  // The service's nodes from now on.
  void SetNodes(const std::vector<NodeStatePtr>& nodes);

  // What came of a call on a node; of one that ended well only where the node is suspected.
  void Failed(NodeState& node, const absl::Status& error, bool unreachable);
  void Succeeded(NodeState& node);

  // Nothing came of the call that was to try the node: the next one may.
  static void TrialAbandoned(NodeState& node);

  // Null: it is not left out.
  std::unique_ptr<Ejection> EjectionOf(const NodeState& node) const;

  // Whether an error is the node's fault: what it answered to a call that another node may well
  // answer.
  static bool IsFailure(const absl::Status& error);

 private:
  struct Record {
    NodeStatePtr node = nullptr;
    int in_a_row = 0;
    int64_t failures = 0;      // in this window
    int64_t calls_before = 0;  // this window
    Ejection ejection = {};
    absl::Time fine_since = absl::InfinitePast();  // since it was let in again
  };

  void OpenWindow(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string Verdict(const Record& record, const absl::Status& error) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool MayEjectOneMore() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Eject(Record& record, std::string why, bool unreachable, absl::Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void LetTry(const NodeState* node);

  const EjectionOptions options_;
  Clock& clock_;
  const std::function<void()> changed_;
  mutable Mutex mutex_;
  std::map<const NodeState*, Record> records_ ABSL_GUARDED_BY(mutex_);
  absl::Time window_end_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

}  // namespace micro::selector
