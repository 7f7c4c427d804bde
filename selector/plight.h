// A Plight is what stands against calls to a service: for the error of one that failed.
#pragma once

#include <cstddef>
#include <string>

#include "absl/time/time.h"
#include "selector/health.h"
#include "selector/node_state.h"

namespace micro::selector {

struct Plight {
  // "all 3 nodes are ejected (2 unreachable, 1 failing), the last 2.1s ago"; empty: a node that the
  // call could have gone to is not.
  std::string ejected = {};
  // "nodes as of 12.3s ago: registry consul cannot be asked (3 lookups failed in 12.1s): …"; empty:
  // the registry answers.
  std::string age = {};
};

// Plight::ejected of a call that could have gone to `candidates`, out of `known` nodes.
std::string EjectedText(const Candidates& candidates, size_t known, const Health& health,
                        absl::Time now);

}  // namespace micro::selector
