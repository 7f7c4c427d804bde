#include "due/packet/framing.h"

#include <fmt/format.h>

namespace due {
namespace {

// The integers that v2.0 wrote big endian.
uint64_t ReadBig(const char* at, size_t bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; ++i) value = value << 8 | static_cast<uint8_t>(at[i]);
  return value;
}

void AppendBig(uint64_t value, size_t bytes, std::string& out) {
  for (size_t i = bytes; i > 0; --i) out += static_cast<char>(value >> (8 * (i - 1)));
}

absl::Status TooLarge(size_t size, size_t most) {
  return absl::ResourceExhaustedError(
      fmt::format("a packet of {} bytes, at most {} are taken", size, most));
}

}  // namespace

// A packet of v2.0's streams, which have no header byte.
std::string_view Framing::WithHeader(std::string_view body, std::string& scratch) const {
  scratch.resize(kSizeBytes);
  packer_.WriteInteger(body.size() + kHeaderBytes, kSizeBytes, scratch.data());
  scratch += body.empty() ? '\x80' : '\0';
  scratch += body;
  return scratch;
}

// A packet of v2.0's WebSocket messages, which have no size, and times in milliseconds.
std::string_view Framing::WithSize(std::string_view body, std::string& scratch) const {
  scratch.resize(kSizeBytes);
  packer_.WriteInteger(body.size(), kSizeBytes, scratch.data());
  scratch += body;
  if (!Packer::IsHeartbeat(scratch) || body.size() != kHeaderBytes + 8) return scratch;
  const auto time =
      absl::FromUnixMillis(static_cast<int64_t>(ReadBig(body.data() + kHeaderBytes, 8)));
  packer_.WriteInteger(static_cast<uint64_t>(absl::ToUnixNanos(time)), 8,
                       scratch.data() + kSizeBytes + kHeaderBytes);
  return scratch;
}

size_t Framing::SizeAt(const char* bytes) const {
  return is_plain() ? packer_.ReadInteger(bytes, kSizeBytes) : ReadBig(bytes, kSizeBytes);
}

absl::StatusOr<std::optional<std::string_view>> Framing::Take(std::string_view& bytes,
                                                              std::string& scratch) const {
  if (bytes.size() < kSizeBytes) return std::nullopt;
  const size_t size = SizeAt(bytes.data());
  if (size > packer_.options().receive_bytes)
    return TooLarge(size, packer_.options().receive_bytes);
  if (bytes.size() - kSizeBytes < size) return std::nullopt;
  const std::string_view packet = bytes.substr(0, kSizeBytes + size);
  bytes.remove_prefix(packet.size());
  if (is_plain()) return packet;
  return WithHeader(packet.substr(kSizeBytes), scratch);
}

absl::StatusOr<std::string_view> Framing::Open(std::string_view message,
                                               std::string& scratch) const {
  const size_t most = packer_.options().receive_bytes;
  if (message.size() > most + (is_plain() ? kSizeBytes : 0)) return TooLarge(message.size(), most);
  if (!is_plain()) {
    if (message.empty()) return absl::InvalidArgumentError("invalid message: it is empty");
    return WithSize(message, scratch);
  }
  if (message.size() < kSizeBytes + kHeaderBytes) {
    return absl::InvalidArgumentError(
        fmt::format("invalid message: {} bytes are no packet", message.size()));
  }
  const size_t size = packer_.ReadInteger(message.data(), kSizeBytes);
  if (size != message.size() - kSizeBytes) {
    return absl::InvalidArgumentError(
        fmt::format("invalid message: its size says {} bytes, {} are there", size,
                    message.size() - kSizeBytes));
  }
  return message;
}

void Framing::Put(std::string_view packet, std::string& out) const {
  if (is_plain() || packet.size() < kSizeBytes + kHeaderBytes) {
    out += packet;
    return;
  }
  if (carrier_ == Carrier::kStream) {
    const bool is_heartbeat = Packer::IsHeartbeat(packet);
    const std::string_view body =
        is_heartbeat ? std::string_view() : packet.substr(kSizeBytes + kHeaderBytes);
    AppendBig(body.size(), kSizeBytes, out);
    out += body;
    return;
  }
  const absl::Time time =
      Packer::IsHeartbeat(packet) ? packer_.TimeOf(packet) : absl::InfinitePast();
  if (time == absl::InfinitePast()) {
    out += packet.substr(kSizeBytes);
    return;
  }
  out += packet[kSizeBytes];
  AppendBig(static_cast<uint64_t>(absl::ToUnixMillis(time)), 8, out);
}

}  // namespace due
