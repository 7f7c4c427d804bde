// How a game's packets look: what clients, gates and nodes of one cluster agree on.
//
// The names and defaults are those of due's etc.packet.*; facts of the format: packer.h.
#pragma once

#include <cstddef>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace due {

enum class ByteOrder { kBig, kLittle };

// Which due the clients speak. From v2.1.0 on all transports carry the same frame. In v2.0.0
// WebSocket messages had no size, frames of TCP no header byte, and a heartbeat's time was in
// milliseconds.
enum class Dialect { kV21, kV20 };

struct PacketOptions {
  ByteOrder byte_order = ByteOrder::kBig;  // of size, route, seq and time
  int route_bytes = 2;                     // 1, 2 or 4
  int seq_bytes = 2;                       // 0 (there is none), 1, 2 or 4
  size_t buffer_bytes = 5000;              // of the message in a packet that is packed, at most
  bool heartbeat_time = false;             // a heartbeat that is sent tells the time
  Dialect dialect = Dialect::kV21;

  // What a packet that comes in may hold behind its size field, at most. due sets no bound; ours
  // leaves room for the largest that anybody with other limits is likely to send.
  size_t receive_bytes = 64 << 10;

  // INVALID_ARGUMENT names the option that has no meaning.
  absl::Status Check() const;
};

// "big" and "little", "v2.1" (also "v2.1+") and "v2.0", whatever their case. INVALID_ARGUMENT else.
absl::StatusOr<ByteOrder> ParseByteOrder(std::string_view text);
absl::StatusOr<Dialect> ParseDialect(std::string_view text);

}  // namespace due
