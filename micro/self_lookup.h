// A look at the registry as callers have it: whether a node that registered is found. Internal.
#pragma once

#include "absl/status/status.h"
#include "core/context.h"
#include "core/task.h"
#include "registry/registry.h"

namespace micro {

// OK: who asks `registry`, which outlives the task, for the service of `record` finds its one node,
// at its address. NOT_FOUND: it answers without that node; the message says what it lists instead.
// Any other error: it cannot be asked, which says nothing of the node.
Task<absl::Status> LookUpSelf(Context ctx, registry::Registry& registry, registry::Service record);

}  // namespace micro
