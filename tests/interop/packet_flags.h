// What the programs of the contract say of a game's packets, as flags.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "due/packet/options.h"
#include "micro/flags.h"

namespace interop {

struct PacketFlags {
  std::string byte_order = "big", dialect = "v2.1";
  int route_bytes = 2, seq_bytes = 2, buffer_bytes = 5000;
  bool heartbeat_time = false;

  // Flags that fill this, which outlives their parsing; others may be added.
  std::vector<micro::Flag> Flags();

  // INVALID_ARGUMENT names the option or flag.
  absl::StatusOr<due::PacketOptions> ToOptions() const;
};

// A route or seq of an echo's answer, which goes round at the ends.
inline int32_t Shifted(int32_t value, int shift) {
  return static_cast<int32_t>(static_cast<uint32_t>(value) + static_cast<uint32_t>(shift));
}

}  // namespace interop
