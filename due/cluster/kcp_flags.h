// How KCP connections behave, as flags.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "due/kcp/options.h"
#include "micro/flags.h"

namespace due {

struct KcpFlags {
  std::vector<std::string> no_delay, window;  // of four numbers and two; empty: as they are
  KcpOptions options = {};

  // Flags that fill this, which outlives their parsing.
  std::vector<micro::Flag> Flags();

  // INVALID_ARGUMENT names the option or flag.
  absl::StatusOr<KcpOptions> ToOptions() const;
};

}  // namespace due
