#include "due/network/websocket_wire.h"

#include <fmt/format.h>

#include <cstring>
#include <utility>

#include "core/random.h"
#include "core/status_macros.h"

namespace due {
namespace {

constexpr size_t kMostControl = 125;
constexpr size_t kKeptParts = 16 << 10;

constexpr uint16_t kNormal = 1000, kProtocolError = 1002, kNoText = 1007, kTooBig = 1009;

// That a peer may give (RFC 6455 §7.4, and IANA's later ones).
bool IsCloseCode(uint16_t code) {
  if (code >= 3000 && code <= 4999) return true;
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014);
}

// XORs with the mask, from its beginning.
void Mask(const char (&mask)[4], char* bytes, size_t size) {
  uint64_t wide = 0;
  std::memcpy(&wide, mask, 4);
  wide |= wide << 32;
  size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    uint64_t part = 0;
    std::memcpy(&part, bytes + i, 8);
    part ^= wide;
    std::memcpy(bytes + i, &part, 8);
  }
  for (; i < size; ++i) bytes[i] = static_cast<char>(bytes[i] ^ mask[i & 3]);
}

uint64_t ReadBig(const char* at, size_t bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; ++i) value = value << 8 | static_cast<uint8_t>(at[i]);
  return value;
}

}  // namespace

WebSocketWire::Header WebSocketWire::ReadHeader(std::span<const char> bytes) {
  Header header;
  if (bytes.size() < 2) return header;
  const auto first = static_cast<uint8_t>(bytes[0]), second = static_cast<uint8_t>(bytes[1]);
  header.is_final = (first & 0x80) != 0;
  header.reserved = first & 0x70;
  header.opcode = static_cast<Opcode>(first & 0x0f);
  header.is_masked = (second & 0x80) != 0;
  header.length = second & 0x7f;
  const size_t more = header.length == 127 ? 8 : header.length == 126 ? 2 : 0;
  const size_t size = 2 + more + (header.is_masked ? 4 : 0);
  if (bytes.size() < size) return header;
  if (more > 0) header.length = ReadBig(bytes.data() + 2, more);
  if (header.is_masked) std::memcpy(header.mask, bytes.data() + 2 + more, 4);
  header.size = size;
  return header;
}

size_t WebSocketWire::Wanted(std::span<const char> bytes) const {
  const Header header = ReadHeader(bytes);
  return header.size == 0 ? 0 : header.size + header.length;
}

absl::Status WebSocketWire::Refuse(uint16_t code, std::string_view why, std::string& answer) {
  Say(code, answer);
  const std::string text = fmt::format("WebSocket: {}", why);
  return code == kTooBig ? absl::ResourceExhaustedError(text) : absl::InvalidArgumentError(text);
}

void WebSocketWire::Say(uint16_t code, std::string& answer) {
  if (std::exchange(has_said_goodbye_, true)) return;
  const char bytes[2] = {static_cast<char>(code >> 8), static_cast<char>(code)};
  PutFrame(kClose, {bytes, sizeof(bytes)}, answer);
}

void WebSocketWire::PutGoodbye(std::string& out) { Say(kNormal, out); }

// What a header may not say, before its payload is waited for.
absl::Status WebSocketWire::Check(const Header& header, std::string& answer) {
  const auto bad = [&](std::string_view why) { return Refuse(kProtocolError, why, answer); };
  if (header.reserved != 0) return bad("reserved bits without an extension");
  if (header.is_masked != (side_ == kServer))
    return bad(side_ == kServer ? "a client's frame without a mask"
                                : "a server's frame with a mask");
  switch (header.opcode) {
    case kClose:
    case kPing:
    case kPong:
      if (!header.is_final) return bad("a control frame in fragments");
      if (header.length > kMostControl) return bad("a control frame above 125 bytes");
      return absl::OkStatus();
    case kContinuation:
      if (message_ == kContinuation) return bad("a continuation of nothing");
      break;
    case kText:
    case kBinary:
      if (message_ != kContinuation) return bad("a message inside of another");
      break;
    default:
      return bad("an unknown opcode");
  }
  const size_t most = framing_.packer().options().receive_bytes + kSizeBytes;
  const bool is_first = header.opcode != kContinuation;
  if (header.length > most || (is_first ? 0 : parts_.size()) + header.length > most)
    return Refuse(kTooBig, fmt::format("a message above {} bytes", most), answer);
  return absl::OkStatus();
}

absl::StatusOr<Wire::Taken> WebSocketWire::Take(std::span<char>& bytes, std::string& answer) {
  const Header header = ReadHeader(bytes);
  if (header.size == 0) {
    // The first two bytes tell most of what is forbidden: nobody waits for the rest of it.
    if (bytes.size() >= 2 && header.length < 126) RETURN_IF_ERROR(Check(header, answer));
    return Taken{};
  }
  RETURN_IF_ERROR(Check(header, answer));
  if (bytes.size() - header.size < header.length) return Taken{};
  char* const payload = bytes.data() + header.size;
  const auto length = static_cast<size_t>(header.length);
  if (header.is_masked) Mask(header.mask, payload, length);
  bytes = bytes.subspan(header.size + length);
  if (header.opcode >= kClose) return TakeControl(header.opcode, {payload, length}, answer);
  return TakeData(header, {payload, length}, answer);
}

absl::StatusOr<Wire::Taken> WebSocketWire::TakeData(const Header& header, std::string_view payload,
                                                    std::string& answer) {
  if (header.opcode != kContinuation) {
    message_ = header.opcode;
    text_.Reset();
    if (!parts_.empty()) {  // of the last message
      parts_.clear();
      if (parts_.capacity() > kKeptParts) parts_.shrink_to_fit();
    }
  }
  if (message_ == kText) {
    if (!text_.Add(payload) || (header.is_final && !text_.IsWhole()))
      return Refuse(kNoText, "a text that is no UTF-8", answer);
    if (!header.is_final) return Taken{Taken::kControl};
    message_ = kContinuation;
    return Taken{Taken::kDropped};
  }
  const bool is_one = header.is_final && header.opcode == kBinary;
  if (!is_one) parts_ += payload;
  if (!header.is_final) return Taken{Taken::kControl};
  message_ = kContinuation;
  const absl::StatusOr<std::string_view> packet =
      framing_.Open(is_one ? payload : std::string_view(parts_), scratch_);
  if (packet.ok()) return Taken{Taken::kPacket, *packet};
  if (absl::IsResourceExhausted(packet.status()))
    return Refuse(kTooBig, std::string(packet.status().message()), answer);
  return Taken{Taken::kDropped};
}

absl::StatusOr<Wire::Taken> WebSocketWire::TakeControl(Opcode opcode, std::string_view payload,
                                                       std::string& answer) {
  if (opcode == kPing) PutFrame(kPong, payload, answer);
  if (opcode != kClose) return Taken{Taken::kControl};
  if (payload.size() == 1) return Refuse(kProtocolError, "half a close code", answer);
  if (!payload.empty()) {
    if (!IsCloseCode(static_cast<uint16_t>(ReadBig(payload.data(), 2))))
      return Refuse(kProtocolError, "a close code that nobody may send", answer);
    Utf8Check reason;
    if (!reason.Add(payload.substr(2)) || !reason.IsWhole())
      return Refuse(kNoText, "a reason that is no UTF-8", answer);
  }
  if (!std::exchange(has_said_goodbye_, true)) PutFrame(kClose, payload.substr(0, 2), answer);
  return Taken{Taken::kGoodbye};
}

void WebSocketWire::Put(std::string_view packet, std::string& out) {
  if (framing_.is_plain()) return PutFrame(kBinary, packet, out);
  std::string message;
  framing_.Put(packet, message);
  PutFrame(kBinary, message, out);
}

void WebSocketWire::PutFrame(Opcode opcode, std::string_view payload, std::string& out) {
  char header[14];
  size_t size = 0;
  const auto mask_bit = static_cast<char>(side_ == kClient ? 0x80 : 0);
  header[size++] = static_cast<char>(0x80 | opcode);
  const size_t length = payload.size();
  const size_t more = length < 126 ? 0 : length < (1 << 16) ? 2 : 8;
  header[size++] = static_cast<char>(mask_bit | (more == 0   ? static_cast<char>(length)
                                                 : more == 2 ? 126
                                                             : 127));
  for (size_t i = more; i > 0; --i) header[size++] = static_cast<char>(length >> (8 * (i - 1)));
  if (side_ == kServer) {
    out.append(header, size);
    out += payload;
    return;
  }
  const auto random = static_cast<uint32_t>(micro::RandomBelow(uint64_t{1} << 32));
  char mask[4];
  std::memcpy(mask, &random, sizeof(mask));
  out.append(header, size);
  out.append(mask, sizeof(mask));
  out += payload;
  Mask(mask, out.data() + out.size() - length, length);
}

}  // namespace due
