// Segments are what KCP's datagrams hold: one or more, one after the other, all of them of one
// conversation. All numbers are little endian.
//
//   conv u32 | command u8 | fragment u8 | window u16 | ts u32 | sn u32 | una u32 | size u32 | bytes
//
// A datagram of a peer with forward error correction has a head before them:
//
//   number u32 | kind u16: 0x00f1 data, 0x00f2 parity | data: size u16 | data: segments
//
// Internal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace due {

inline constexpr size_t kSegmentHead = 24;
inline constexpr size_t kMostDatagram = 1500;  // kcp-go neither sends nor takes larger ones
inline constexpr size_t kMostPayload = kMostDatagram - kSegmentHead;

struct Segment {
  enum Command : uint8_t {
    kPush = 81,  // bytes, number `sn` of their side
    kAck = 82,   // push `sn` has come; it said `ts`
    kAsk = 83,   // how large is your window?
    kTell = 84,  // see `window`
  };

  uint32_t conv = 0;
  Command command = kPush;
  uint8_t fragment = 0;  // how many more belong to a message, which is nothing to a stream
  uint16_t window = 0;   // how many pushes from `una` on the sender has room for
  uint32_t ts = 0;       // the sender's time in ms
  uint32_t sn = 0;
  uint32_t una = 0;  // the first push that the sender has not received
  std::string_view bytes = {};
};

// How far `number` is behind `other`: numbers and times go round at 2^32.
inline int32_t Distance(uint32_t number, uint32_t other) {
  return static_cast<int32_t>(number - other);
}

// Writes a segment's kSegmentHead bytes, which its bytes are to follow.
void WriteHead(const Segment& segment, char* at);

// Takes a segment off the front of `segments`; none where the rest is cut short, or is not KCP.
std::optional<Segment> TakeSegment(std::string_view& segments);

enum class Carried {
  kSegments,  // of one conversation, at least one, each of them whole
  kParity,
  kMalformed,
};

// What a datagram carries; `datagram` becomes its segments.
Carried Open(std::string_view& datagram);

}  // namespace due
