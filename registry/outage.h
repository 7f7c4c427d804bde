// An Outage is a time in which a registry does not answer for a service.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace micro::registry {

struct Outage {
  absl::Time since = absl::InfiniteFuture();  // of the first lookup that failed
  int lookups = 0;                            // that failed since then
  absl::Status cause = {};                    // of the last; names the registry's address
};

// "registry consul cannot be asked (3 lookups failed in 12.1s): <cause>".
std::string ToText(const Outage& outage, std::string_view registry, absl::Time now);

}  // namespace micro::registry
