#include "due/cluster/packet_flags.h"

#include "core/status_macros.h"

namespace due {

PacketFlags::PacketFlags(PacketOptions defaults)
    : options(defaults),
      byte_order(defaults.byte_order == ByteOrder::kBig ? "big" : "little"),
      dialect(defaults.dialect == Dialect::kV21 ? "v2.1" : "v2.0"),
      buffer_bytes(static_cast<int>(defaults.buffer_bytes)) {}

std::vector<micro::Flag> PacketFlags::Flags() {
  return {
      {"byte_order", &byte_order, "of packets: big or little", "MICRO_BYTE_ORDER"},
      {"route_bytes", &options.route_bytes, "of packets: 1, 2 or 4", "MICRO_ROUTE_BYTES"},
      {"seq_bytes", &options.seq_bytes, "of packets: 0, 1, 2 or 4", "MICRO_SEQ_BYTES"},
      {"buffer_bytes", &buffer_bytes, "of a message that is sent, at most", "MICRO_BUFFER_BYTES"},
      {"heartbeat_time", &options.heartbeat_time, "heartbeats tell the time",
       "MICRO_HEARTBEAT_TIME"},
      {"dialect", &dialect, "of due that clients speak: v2.1 or v2.0", "MICRO_DIALECT"}};
}

absl::StatusOr<PacketOptions> PacketFlags::ToOptions() const {
  if (buffer_bytes < 0) {
    return absl::InvalidArgumentError("buffer_bytes is negative (flag --buffer_bytes)");
  }
  PacketOptions read = options;
  read.buffer_bytes = static_cast<size_t>(buffer_bytes);
  ASSIGN_OR_RETURN(read.byte_order, ParseByteOrder(byte_order));
  ASSIGN_OR_RETURN(read.dialect, ParseDialect(dialect));
  RETURN_IF_ERROR(read.Check());
  return read;
}

}  // namespace due
