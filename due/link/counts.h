// What the two sides of links have seen since they began.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace due {

// Why a link's connection has ended.
enum class LinkEnd {
  kPeer,       // the peer closed it, or it was lost
  kLocal,      // our Close or Stop
  kSilent,     // nothing came for too long
  kTooLarge,   // a frame above the limit
  kMalformed,  // bytes that are no frame, or an answer that does not fit
  kStalled,    // it took nothing of what was to be written
};
inline constexpr size_t kLinkEnds = 6;
std::string_view NameOf(LinkEnd end);  // "peer", "local" …

struct LinkServerCounts {
  int64_t accepted = 0;
  int64_t refused = 0;  // above max_connections
  int64_t probes = 0;   // came and went without a byte, as Consul's TCP checks
  int64_t open = 0;     // now
  int64_t frames_in = 0, heartbeats = 0;
  int64_t answers = 0;                        // handed to connections
  int64_t late = 0;                           // answers dropped: the peer has given up by now
  int64_t orphaned = 0;                       // answers dropped: their connection has ended
  int64_t unanswered = 0;                     // by the handler; an internal error was answered
  int64_t unknown = 0;                        // frames of routes that there are not; dropped
  int64_t malformed = 0;                      // frames that are not as their route needs; dropped
  std::array<int64_t, kLinkEnds> ended = {};  // by LinkEnd
};

// Why a frame that was to be sent was not.
enum class LinkDrop {
  kRefused,      // it is none that may be sent
  kFull,         // as much waits as may
  kClosed,       // after Close
  kUnreachable,  // the peer cannot be reached
  kLost,         // it was under way when its connection was lost
};
inline constexpr size_t kLinkDrops = 5;
std::string_view NameOf(LinkDrop drop);  // "refused", "full" …

struct LinkClientCounts {
  int64_t opened = 0;                            // connections, handshake included
  int64_t failed = 0;                            // attempts to open one
  int64_t open = 0;                              // now
  int64_t queued = 0;                            // frames that wait now
  int64_t frames_out = 0;                        // given to the kernel
  int64_t calls = 0;                             // with an answer wanted
  int64_t answered = 0;                          // of those
  int64_t unexpected = 0;                        // frames that answer nothing any more; dropped
  int64_t short_publishes = 0;                   // answers of Go's with the wrong size (frames.h)
  std::array<int64_t, kLinkDrops> dropped = {};  // frames, by LinkDrop
  std::array<int64_t, kLinkEnds> ended = {};     // connections, by LinkEnd
};

}  // namespace due
