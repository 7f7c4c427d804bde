#include "tests/interop/packet_flags.h"

#include "core/status_macros.h"

namespace interop {

std::vector<micro::Flag> PacketFlags::Flags() {
  return {{"byte_order", &byte_order, "big or little"},
          {"route_bytes", &route_bytes, "1, 2 or 4"},
          {"seq_bytes", &seq_bytes, "0, 1, 2 or 4"},
          {"buffer_bytes", &buffer_bytes, "of a message that is sent, at most"},
          {"heartbeat_time", &heartbeat_time, "heartbeats tell the time"},
          {"dialect", &dialect, "v2.1 or v2.0"}};
}

absl::StatusOr<due::PacketOptions> PacketFlags::ToOptions() const {
  if (buffer_bytes < 0) {
    return absl::InvalidArgumentError("buffer_bytes is negative (flag --buffer_bytes)");
  }
  due::PacketOptions options{.route_bytes = route_bytes,
                             .seq_bytes = seq_bytes,
                             .buffer_bytes = static_cast<size_t>(buffer_bytes),
                             .heartbeat_time = heartbeat_time};
  ASSIGN_OR_RETURN(options.byte_order, due::ParseByteOrder(byte_order));
  ASSIGN_OR_RETURN(options.dialect, due::ParseDialect(dialect));
  RETURN_IF_ERROR(options.Check());
  return options;
}

}  // namespace interop
