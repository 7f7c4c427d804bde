#include "registry/outage.h"

#include <fmt/format.h>

#include "core/text.h"

namespace micro::registry {

std::string ToText(const Outage& outage, std::string_view registry, absl::Time now) {
  return fmt::format("registry {} cannot be asked ({} lookup{} failed in {}): {}", registry,
                     outage.lookups, outage.lookups == 1 ? "" : "s", ShortText(now - outage.since),
                     std::string(outage.cause.message()));
}

}  // namespace micro::registry
