// How a game's packets look, as flags.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "due/packet/options.h"
#include "micro/flags.h"

namespace due {

struct PacketFlags {
  explicit PacketFlags(PacketOptions defaults = {});

  PacketOptions options;
  std::string byte_order, dialect;
  int buffer_bytes;

  // Flags that fill this, which outlives their parsing; others may be added.
  std::vector<micro::Flag> Flags();

  // INVALID_ARGUMENT names the option or flag.
  absl::StatusOr<PacketOptions> ToOptions() const;
};

}  // namespace due
