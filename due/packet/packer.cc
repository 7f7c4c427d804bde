#include "due/packet/packer.h"

#include <fmt/format.h>

#include <cstring>

#include "core/status_macros.h"

namespace due {
namespace {

// Whether `value` fits into so many bytes, signed.
bool Fits(int32_t value, int bytes) {
  if (bytes >= 4) return true;
  const int32_t bound = 1 << (8 * bytes - 1);
  return value >= -bound && value < bound;
}

// The number of `bytes` bytes, which are its lowest, with its sign.
int32_t Signed(uint64_t value, int bytes) {
  switch (bytes) {
    case 1:
      return static_cast<int8_t>(value);
    case 2:
      return static_cast<int16_t>(value);
    default:
      return static_cast<int32_t>(value);
  }
}

template <class T>
uint64_t Read(const char* at, bool swapped) {
  T value;
  std::memcpy(&value, at, sizeof(value));
  if (!swapped) return value;
  if constexpr (sizeof(T) == 2) return __builtin_bswap16(value);
  if constexpr (sizeof(T) == 4) return __builtin_bswap32(value);
  if constexpr (sizeof(T) == 8) return __builtin_bswap64(value);
  return value;
}

template <class T>
void Write(uint64_t wide, bool swapped, char* at) {
  const T value =
      static_cast<T>(swapped ? Read<T>(reinterpret_cast<const char*>(&wide), true) : wide);
  std::memcpy(at, &value, sizeof(value));
}

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "integers are swapped for this order");

}  // namespace

absl::StatusOr<Packer> Packer::New(PacketOptions options) {
  RETURN_IF_ERROR(options.Check());
  return Packer(options);
}

uint64_t Packer::ReadInteger(const char* at, size_t bytes) const {
  const bool swapped = options_.byte_order == ByteOrder::kBig;
  switch (bytes) {
    case 1:
      return Read<uint8_t>(at, false);
    case 2:
      return Read<uint16_t>(at, swapped);
    case 4:
      return Read<uint32_t>(at, swapped);
    default:
      return Read<uint64_t>(at, swapped);
  }
}

void Packer::WriteInteger(uint64_t value, size_t bytes, char* at) const {
  const bool swapped = options_.byte_order == ByteOrder::kBig;
  switch (bytes) {
    case 1:
      return Write<uint8_t>(value, false, at);
    case 2:
      return Write<uint16_t>(value, swapped, at);
    case 4:
      return Write<uint32_t>(value, swapped, at);
    default:
      return Write<uint64_t>(value, swapped, at);
  }
}

absl::Status Packer::Pack(const Message& message, std::string& out) const {
  if (!Fits(message.route, options_.route_bytes)) {
    return absl::OutOfRangeError(fmt::format("route overflow: {} does not fit into {} bytes",
                                             message.route, options_.route_bytes));
  }
  if (options_.seq_bytes > 0 && !Fits(message.seq, options_.seq_bytes)) {
    return absl::OutOfRangeError(fmt::format("seq overflow: {} does not fit into {} bytes",
                                             message.seq, options_.seq_bytes));
  }
  if (message.body.size() > options_.buffer_bytes) {
    return absl::InvalidArgumentError(
        fmt::format("message too large: {} bytes, at most {} are sent", message.body.size(),
                    options_.buffer_bytes));
  }
  const size_t head = HeadBytes(), begin = out.size();
  out.resize(begin + head + message.body.size());
  char* at = out.data() + begin;
  WriteInteger(head - kSizeBytes + message.body.size(), kSizeBytes, at);
  at += kSizeBytes;
  *at++ = 0;
  const auto route_bytes = static_cast<size_t>(options_.route_bytes);
  WriteInteger(static_cast<uint32_t>(message.route), route_bytes, at);
  at += route_bytes;
  if (options_.seq_bytes > 0) {
    const auto seq_bytes = static_cast<size_t>(options_.seq_bytes);
    WriteInteger(static_cast<uint32_t>(message.seq), seq_bytes, at);
    at += seq_bytes;
  }
  if (!message.body.empty()) std::memcpy(at, message.body.data(), message.body.size());
  return absl::OkStatus();
}

absl::StatusOr<Message> Packer::Unpack(std::string_view packet) const {
  const size_t head = HeadBytes();
  if (packet.size() < head ||
      ReadInteger(packet.data(), kSizeBytes) != packet.size() - kSizeBytes) {
    return absl::InvalidArgumentError(
        packet.size() < head
            ? fmt::format("invalid message: {} bytes, no fewer than {} make a packet",
                          packet.size(), head)
            : fmt::format("invalid message: its size says {} bytes, {} are there",
                          ReadInteger(packet.data(), kSizeBytes), packet.size() - kSizeBytes));
  }
  const char* at = packet.data() + kSizeBytes + kHeaderBytes;
  Message message;
  message.route =
      Signed(ReadInteger(at, static_cast<size_t>(options_.route_bytes)), options_.route_bytes);
  at += options_.route_bytes;
  if (options_.seq_bytes > 0)
    message.seq =
        Signed(ReadInteger(at, static_cast<size_t>(options_.seq_bytes)), options_.seq_bytes);
  message.body = packet.substr(head);
  return message;
}

absl::StatusOr<int32_t> Packer::RouteOf(std::string_view packet) const {
  if (packet.size() < HeadBytes())
    return absl::InvalidArgumentError("invalid message: too short for a route");
  return Signed(ReadInteger(packet.data() + kSizeBytes + kHeaderBytes,
                            static_cast<size_t>(options_.route_bytes)),
                options_.route_bytes);
}

std::string_view Packer::ClientHeartbeat() const {
  return options_.byte_order == ByteOrder::kBig ? std::string_view("\0\0\0\1\x80", 5)
                                                : std::string_view("\1\0\0\0\x80", 5);
}

std::string Packer::Heartbeat(absl::Time now) const {
  if (!options_.heartbeat_time) return std::string(ClientHeartbeat());
  std::string packet(kSizeBytes + kHeaderBytes + 8, '\0');
  WriteInteger(kHeaderBytes + 8, kSizeBytes, packet.data());
  packet[kSizeBytes] = static_cast<char>(0x80);
  WriteInteger(static_cast<uint64_t>(absl::ToUnixNanos(now)), 8,
               packet.data() + kSizeBytes + kHeaderBytes);
  return packet;
}

absl::Time Packer::TimeOf(std::string_view heartbeat) const {
  if (heartbeat.size() != kSizeBytes + kHeaderBytes + 8) return absl::InfinitePast();
  return absl::FromUnixNanos(
      static_cast<int64_t>(ReadInteger(heartbeat.data() + kSizeBytes + kHeaderBytes, 8)));
}

}  // namespace due
