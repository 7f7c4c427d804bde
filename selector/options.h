// What a selector may be told beside its strategy. Values.
#pragma once

#include <string>

#include "absl/time/time.h"

namespace micro::selector {

// Which nodes are left out because they fail (selector/health.h), and for how long.
struct EjectionOptions {
  bool enabled = true;
  int failures_in_a_row = 5;
  double failure_rate = 0.2;  // of a node's calls in `window` …
  int least_failures = 5;     // … but so many at least
  absl::Duration window = absl::Seconds(10);
  absl::Duration unreachable_for = absl::Milliseconds(100);  // doubled with each time in a row
  absl::Duration failing_for = absl::Seconds(1);             // so is this
  absl::Duration longest = absl::Seconds(30);
  double most = 0.5;  // part of the nodes that may be left out for answering with errors
};

struct Options {
  std::string locality = {};  // where this process is, "eu/a": nodes whose metadata `locality` has
                              // more of it in common come first
  EjectionOptions ejection = {};
};

}  // namespace micro::selector
