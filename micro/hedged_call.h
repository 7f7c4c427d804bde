// One attempt of a unary call that gets company when it takes long: the first good answer counts,
// and the others are cancelled.
//
// Each attempt fills a message of its own, and the call ends when all of them have: a wire ends
// them as soon as they are cancelled, so that the winner does not wait for a slow node.
#pragma once

#include <functional>
#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "codec/codec.h"
#include "core/context.h"
#include "core/metadata.h"
#include "core/task.h"
#include "micro/wire.h"
#include "registry/registry.h"
#include "selector/selector.h"

namespace micro {

// Where an attempt goes: a node that was chosen, or a given address.
struct CallTarget {
  std::optional<selector::Pick> pick = std::nullopt;
  registry::Node address = {};

  const registry::Node& node() const { return pick.has_value() ? pick->node() : address; }
  void Done(const absl::Status& status) {
    if (pick.has_value()) pick->Done(status, IsUnsent(status));
  }
};

// Where an attempt puts what came with its answer; null: nobody asks.
struct AnswerMetadata {
  Metadata* header = nullptr;
  Metadata* trailer = nullptr;
};

struct HedgedCall {
  absl::Duration after;  // how long the last attempt has had when the next one begins
  int most;              // attempts beside the first
  // Where the next attempt goes; none: there are no more. On some thread, one at a time.
  std::function<std::optional<CallTarget>()> next;
  // One attempt. What it refers to outlives it.
  std::function<Task<absl::Status>(const Context&, const registry::Node&, codec::Body,
                                   AnswerMetadata)>
      attempt;
  // Whether an error is the call's, so that no other attempt is waited for.
  std::function<bool(const absl::Status&)> is_final;
};

// Makes the call and tells the targets how it went: a loser that was given `after` or more has had
// its time (DEADLINE_EXCEEDED, or a strategy that looks at latency would never learn that its node
// is slow), one with less is abandoned. All parameters outlive the task. The error, where no
// attempt went well, is that of the last to end.
Task<absl::Status> CallHedged(const Context& ctx, const HedgedCall& call, CallTarget first,
                              codec::Body response, AnswerMetadata metadata);

}  // namespace micro
