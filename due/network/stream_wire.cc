#include "due/network/wire.h"

namespace due {

absl::StatusOr<Wire::Taken> StreamWire::Take(std::span<char>& bytes, std::string&) {
  std::string_view rest(bytes.data(), bytes.size());
  const auto packet = framing_.Take(rest, scratch_);
  if (!packet.ok()) return packet.status();
  if (!packet->has_value()) return Taken{};
  bytes = bytes.last(rest.size());
  return Taken{Taken::kPacket, **packet};
}

size_t StreamWire::Wanted(std::span<const char> bytes) const {
  if (bytes.size() < kSizeBytes) return 0;
  return kSizeBytes + framing_.SizeAt(bytes.data());
}

}  // namespace due
