// What becomes of a handler that throws. Internal.
#pragma once

#include "absl/status/status.h"

namespace due {

// INTERNAL, with what was thrown; also logged. Inside a catch block.
absl::Status HandlerThrew();

}  // namespace due
