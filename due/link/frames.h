// Frames are what gates and nodes say to each other: the link protocol of due v2.3.0 to v2.5.8,
// byte by byte (reference/due.md §6). Integers are big endian, whatever the packets' byte order.
//
//    size u32 | header u8 | route u8 | seq u64 | body
//
// Who dials asks, who accepts answers. A request with a seq above zero is answered once, on its
// connection, with its route and seq; one with seq zero never.
//
//   std::string out;
//   const link::Deliver deliver{.cid = 1, .uid = 7, .packet = packet};
//   RETURN_IF_ERROR(link::Append(deliver, /*seq=*/0, out));
//   …
//   while (true) {
//     ASSIGN_OR_RETURN(const std::optional<link::Frame> frame, link::Take(rest));
//     if (!frame.has_value()) break;     // `rest` begins with a part of the next
//     if (frame->is_heartbeat) continue;
//     const absl::StatusOr<link::Request> request = link::ParseRequest(*frame, targets);
//   }
//
// Functions without state: any thread. Texts and targets are lent: of what was taken, they lie in
// the bytes that were read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace due::link {

inline constexpr size_t kMostFrameBytes = 16 << 20;  // what we take, unless it is said otherwise
inline constexpr size_t kMostTargets = 8189;         // of a frame that Go reads rightly
inline constexpr size_t kMostChannelBytes = 240;     // likewise

enum class Route : uint8_t {
  kHandshake = 1,
  kBind,
  kUnbind,
  kGetIp,
  kStat,
  kIsOnline,
  kDisconnect,
  kPush,
  kMulticast,
  kBroadcast,
  kPublish,
  kSubscribe,
  kUnsubscribe,
  kTrigger,
  kDeliver,
  kGetState,
  kSetState,
};
std::string_view NameOf(Route route);  // "Bind"; "?" for what is none

enum class InstanceKind : uint8_t { kGate = 1, kNode = 2, kMesh = 3 };
enum class SessionKind : uint8_t { kConn = 1, kUser = 2 };  // what a target is: a cid, a uid
enum class Event : uint8_t { kConnect = 1, kReconnect = 2, kDisconnect = 3 };
enum class State : uint8_t { kShut = 0, kWork = 1, kBusy = 2, kHang = 3 };
enum class Code : uint16_t { kOk = 0, kNotFoundSession = 1, kInternalError = 2 };

// ---- Requests ----

struct Handshake {
  InstanceKind kind = InstanceKind::kGate;
  std::string_view id = {};
};
struct Bind {
  int64_t cid = 0, uid = 0;
};
struct Unbind {
  int64_t uid = 0;
};
struct GetIp {
  SessionKind kind = SessionKind::kConn;
  int64_t target = 0;
};
struct Stat {
  SessionKind kind = SessionKind::kConn;
};
struct IsOnline {
  SessionKind kind = SessionKind::kConn;
  int64_t target = 0;
};
struct Disconnect {
  SessionKind kind = SessionKind::kConn;
  int64_t target = 0;
  bool force = false;
};

// A packet is one of a client's, whole, with its size. `disconnect`: the connection ends after it.
struct Push {
  SessionKind kind = SessionKind::kConn;
  int64_t target = 0;
  std::string_view packet = {};
  bool disconnect = false;
};
struct Multicast {
  SessionKind kind = SessionKind::kConn;
  std::span<const int64_t> targets = {};
  std::string_view packet = {};
  bool disconnect = false;
};
struct Broadcast {
  SessionKind kind = SessionKind::kConn;
  std::string_view packet = {};
  bool disconnect = false;
};
struct Publish {
  std::string_view channel = {};
  std::string_view packet = {};
  bool disconnect = false;
};

struct Subscribe {
  SessionKind kind = SessionKind::kConn;
  std::span<const int64_t> targets = {};
  std::string_view channel = {};
};
struct Unsubscribe {
  SessionKind kind = SessionKind::kConn;
  std::span<const int64_t> targets = {};
  std::string_view channel = {};
};
struct Trigger {
  Event event = Event::kConnect;
  int64_t cid = 0;
  int64_t uid = 0;  // 0: nobody's; it is not on the wire then
};
struct Deliver {
  int64_t cid = 0;  // 0: from node to node
  int64_t uid = 0;
  std::string_view packet = {};
};
struct GetState {};
struct SetState {
  State state = State::kShut;
};

// In the order of their routes.
using Request =
    std::variant<Handshake, Bind, Unbind, GetIp, Stat, IsOnline, Disconnect, Push, Multicast,
                 Broadcast, Publish, Subscribe, Unsubscribe, Trigger, Deliver, GetState, SetState>;

inline Route RouteOf(const Request& request) { return static_cast<Route>(request.index() + 1); }

// ---- Responses ----

// The answer to any request. Its value is GetIp's address (in the integer's highest byte the first
// number), the total of Stat, Multicast, Broadcast and Publish, whether IsOnline, or GetState's
// State; zero for the others.
struct Response {
  Code code = Code::kOk;
  uint64_t value = 0;
};

// OK; NOT_FOUND "not found session"; INTERNAL for all other codes.
absl::Status ToStatus(Code code);

// ---- The wire ----

// What lies between two sizes.
struct Frame {
  bool is_heartbeat = false;  // and nothing else then
  bool disconnect = false;
  uint8_t route = 0;
  uint64_t seq = 0;
  std::string_view body = {};
};

// Takes the next frame off the front of a stream's bytes; none while it is not whole.
// RESOURCE_EXHAUSTED: it says a size above `most`; INVALID_ARGUMENT: a size that no frame has.
// Either is told as soon as it is seen, and there is no reading on.
absl::StatusOr<std::optional<Frame>> Take(std::string_view& bytes, size_t most = kMostFrameBytes);

// How long the frame at the front will be, its size field included; 0: nobody knows yet.
size_t Wanted(std::string_view bytes);

// What a frame asks. Of Multicast, Subscribe and Unsubscribe the targets are put into `targets` and
// lent from there. UNIMPLEMENTED: no such route; INVALID_ARGUMENT: its length is not what the route
// needs: the frame is dropped, the stream is whole.
absl::StatusOr<Request> ParseRequest(const Frame& frame, std::vector<int64_t>& targets);

// Whether its session kind, event or state is one that there is.
bool IsKnown(const Request& request);

// What a frame answers to a request of `route`. INVALID_ARGUMENT: it is no answer to that. Publish
// has three forms: with code and total, with code alone, and, until v2.5.4, with the total alone.
absl::StatusOr<Response> ParseResponse(Route route, const Frame& frame);

// due v2.5.5 to v2.5.8 answer Publish, when there was nobody or it failed, with a frame that says
// 20 bytes and has 12. Whether one may be at the front: what is known of it.
inline constexpr size_t kShortPublishBytes = 16;
enum class ShortPublish {
  kNo,     // something else, or whole
  kMaybe,  // what is there may be one, or the beginning of a whole answer
  kYes,    // one; what follows is the next frame
};
ShortPublish CheckShortPublish(std::string_view bytes);

// Takes it off the front, when it is one, or nothing else came for a while.
Frame TakeShortPublish(std::string_view& bytes);

// Appends a request's frame. INVALID_ARGUMENT, with `out` as it was: a cid, uid or target below
// zero, above kMostTargets, a channel of no bytes or above kMostChannelBytes, or a frame above
// kMostFrameBytes: what a peer in Go would not survive or read wrongly.
absl::Status Append(const Request& request, uint64_t seq, std::string& out);

// Appends the answer to a request.
void Append(Route route, uint64_t seq, const Response& response, std::string& out);

void AppendHeartbeat(std::string& out);

}  // namespace due::link
