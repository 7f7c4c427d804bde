// A Packer writes and reads the packets that game clients, gates and nodes exchange.
//
//    size u32 | header u8 | route i8/i16/i32 | seq none/i8/i16/i32 | message
//
// The size counts what follows it. The header's highest bit marks a heartbeat, which has no route
// and seq, and perhaps the time in nanoseconds; its other bits are reserved. Mirrors the packer of
// due v2.1.0 to v2.5.8, byte by byte (reference/due.md §1). This whole form, size included, is what
// programs handle and what goes from gate to node, whatever a transport makes of it (framing.h).
//
//   const Packer packer = *Packer::New({.route_bytes = 4});
//   std::string packet;
//   RETURN_IF_ERROR(packer.Pack({.route = 7, .seq = 1, .body = "hello"}, packet));
//   ASSIGN_OR_RETURN(const Message message, packer.Unpack(packet));
//
// A value without state: any thread, all the time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "due/packet/options.h"

namespace due {

// What a data packet says. The body is lent: of a packet that was unpacked, it lies there.
struct Message {
  int32_t route = 0;
  int32_t seq = 0;  // of a request, and of its answer; 0: of neither
  std::string_view body = {};
};

inline constexpr size_t kSizeBytes = 4;
inline constexpr size_t kHeaderBytes = 1;

class Packer {
 public:
  // The errors are those of PacketOptions::Check.
  static absl::StatusOr<Packer> New(PacketOptions options = {});

  const PacketOptions& options() const { return options_; }

  // Appends the message's packet to `out`. OUT_OF_RANGE: route or seq needs more bytes than the
  // options have (a seq is left out where they have none); INVALID_ARGUMENT: the message is larger
  // than buffer_bytes. `out` is as it was then.
  absl::Status Pack(const Message& message, std::string& out) const;

  // What a data packet says. INVALID_ARGUMENT: it is shorter than its options need, or its size is
  // not its length. Tells nothing of heartbeats: ask IsHeartbeat first.
  absl::StatusOr<Message> Unpack(std::string_view packet) const;

  // The route of a data packet that Unpack takes, without a look at the rest.
  absl::StatusOr<int32_t> RouteOf(std::string_view packet) const;

  // A heartbeat of a server, which tells the time where the options want it, and of a client.
  std::string Heartbeat(absl::Time now) const;
  std::string_view ClientHeartbeat() const;

  // Whether a packet, size included, is a heartbeat of either side.
  static bool IsHeartbeat(std::string_view packet) {
    return packet.size() > kSizeBytes && (static_cast<uint8_t>(packet[kSizeBytes]) & 0x80) != 0;
  }

  // The time that a heartbeat tells; absl::InfinitePast() without one.
  absl::Time TimeOf(std::string_view heartbeat) const;

  // An integer of the options' byte order, 1, 2, 4 or 8 bytes at `at`.
  uint64_t ReadInteger(const char* at, size_t bytes) const;
  void WriteInteger(uint64_t value, size_t bytes, char* at) const;

 private:
  explicit Packer(PacketOptions options) : options_(options) {}

  size_t HeadBytes() const {
    return kSizeBytes + kHeaderBytes +
           static_cast<size_t>(options_.route_bytes + options_.seq_bytes);
  }

  PacketOptions options_;
};

}  // namespace due
