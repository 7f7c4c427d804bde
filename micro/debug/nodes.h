// A selector's report as the message of Debug.Nodes.
#pragma once

#include "absl/time/time.h"
#include "micro/debug/debug.pb.h"
#include "selector/report.h"

namespace micro {

// Times become durations from `now`, of the clock that the selector has; what is not UTF-8 becomes
// U+FFFD.
debug::NodesResponse ToMessage(const selector::Report& report, absl::Time now);

// The report of a message that arrived at `now`.
selector::Report FromMessage(const debug::NodesResponse& message, absl::Time now);

}  // namespace micro
