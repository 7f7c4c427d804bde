// A Framing finds packets in what a transport carries, and makes what it carries of packets.
//
// In the dialect of today that is the packet itself, on every transport, and nothing is copied. In
// v2.0 a WebSocket message holds a packet without its size, and TCP and KCP carry packets without
// header byte, a heartbeat as a size of zero (reference/due.md §1.5); whatever the byte order, it
// wrote sizes and times big endian.
//
//   std::string_view rest = received;
//   while (true) {
//     ASSIGN_OR_RETURN(const std::optional<std::string_view> packet, framing.Take(rest, scratch));
//     if (!packet.has_value()) break;     // `rest` begins with a part of the next
//     …
//   }
//
// A value without state: any thread, all the time.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "due/packet/packer.h"

namespace due {

enum class Carrier {
  kStream,    // TCP, KCP: bytes
  kMessages,  // WebSocket: one packet each
};

class Framing {
 public:
  Framing(const Packer& packer, Carrier carrier) : packer_(packer), carrier_(carrier) {}

  const Packer& packer() const { return packer_; }

  // Takes the next packet off the front of a stream's bytes; none while it is not whole. The packet
  // lies there, or in `scratch`, until the next. One of four bytes, size zero, is due's empty packet:
  // a sign of life and nothing else. RESOURCE_EXHAUSTED: it says a size above receive_bytes; there
  // is no reading on.
  absl::StatusOr<std::optional<std::string_view>> Take(std::string_view& bytes,
                                                       std::string& scratch) const;

  // The packet that one message holds. INVALID_ARGUMENT: it holds none, or more than one;
  // RESOURCE_EXHAUSTED: it is too large.
  absl::StatusOr<std::string_view> Open(std::string_view message, std::string& scratch) const;

  // What the size field at the front of a stream's bytes says.
  size_t SizeAt(const char* bytes) const;

  // Appends what the transport carries for a packet of Packer's form.
  void Put(std::string_view packet, std::string& out) const;

  // Whether that is the packet itself.
  bool is_plain() const { return packer_.options().dialect == Dialect::kV21; }

 private:
  std::string_view WithHeader(std::string_view body, std::string& scratch) const;
  std::string_view WithSize(std::string_view body, std::string& scratch) const;

  Packer packer_;
  Carrier carrier_;
};

}  // namespace due
