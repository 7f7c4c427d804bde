#include "due/kcp/segment.h"

namespace due {
namespace {

constexpr size_t kFecNumber = 4, kFecKind = 2, kFecSize = 2;
constexpr uint16_t kFecData = 0x00f1, kFecParity = 0x00f2;

template <class Number>
Number Get(const char* at) {
  Number number = 0;
  for (size_t i = 0; i < sizeof(Number); ++i)
    number |= static_cast<Number>(static_cast<Number>(static_cast<uint8_t>(at[i])) << 8 * i);
  return number;
}

template <class Number>
void Put(Number number, char* at) {
  for (size_t i = 0; i < sizeof(Number); ++i) at[i] = static_cast<char>(number >> 8 * i);
}

}  // namespace

void WriteHead(const Segment& segment, char* at) {
  Put<uint32_t>(segment.conv, at);
  Put<uint8_t>(segment.command, at + 4);
  Put<uint8_t>(segment.fragment, at + 5);
  Put<uint16_t>(segment.window, at + 6);
  Put<uint32_t>(segment.ts, at + 8);
  Put<uint32_t>(segment.sn, at + 12);
  Put<uint32_t>(segment.una, at + 16);
  Put<uint32_t>(static_cast<uint32_t>(segment.bytes.size()), at + 20);
}

std::optional<Segment> TakeSegment(std::string_view& segments) {
  if (segments.size() < kSegmentHead) return std::nullopt;
  const char* const at = segments.data();
  const auto command = Get<uint8_t>(at + 4);
  if (command < Segment::kPush || command > Segment::kTell) return std::nullopt;
  const auto size = Get<uint32_t>(at + 20);
  if (size > kMostPayload || size > segments.size() - kSegmentHead) return std::nullopt;
  segments.remove_prefix(kSegmentHead + size);
  return Segment{.conv = Get<uint32_t>(at),
                 .command = static_cast<Segment::Command>(command),
                 .fragment = Get<uint8_t>(at + 5),
                 .window = Get<uint16_t>(at + 6),
                 .ts = Get<uint32_t>(at + 8),
                 .sn = Get<uint32_t>(at + 12),
                 .una = Get<uint32_t>(at + 16),
                 .bytes = std::string_view(at + kSegmentHead, size)};
}

Carried Open(std::string_view& datagram) {
  if (datagram.size() >= kFecNumber + kFecKind) {
    // A segment has its command there, which is neither.
    const auto kind = Get<uint16_t>(datagram.data() + kFecNumber);
    if (kind == kFecParity) return Carried::kParity;
    if (kind == kFecData) {
      if (datagram.size() < kFecNumber + kFecKind + kFecSize) return Carried::kMalformed;
      datagram.remove_prefix(kFecNumber + kFecKind + kFecSize);
    }
  }
  std::string_view rest = datagram;
  const std::optional<Segment> first = TakeSegment(rest);
  if (!first.has_value()) return Carried::kMalformed;
  while (!rest.empty()) {
    const std::optional<Segment> next = TakeSegment(rest);
    if (!next.has_value() || next->conv != first->conv) return Carried::kMalformed;
  }
  return Carried::kSegments;
}

}  // namespace due
