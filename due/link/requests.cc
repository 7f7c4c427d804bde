// The requests among the frames.
#include <fmt/format.h>

#include <algorithm>
#include <type_traits>

#include "core/status_macros.h"
#include "due/link/frames.h"
#include "due/link/wire.h"

namespace due::link {
namespace {

template <class T>
constexpr bool kHasTargets = requires(const T& request) { request.targets; };
template <class T>
constexpr bool kHasKind = requires(const T& request) { request.kind == SessionKind::kConn; };

// The integers of a request in front of its targets and its text.
void PutIntegers(const Handshake& r, Writer& w) { w.Put(static_cast<uint8_t>(r.kind)); }
void PutIntegers(const Bind& r, Writer& w) { w.Put(r.cid).Put(r.uid); }
void PutIntegers(const Unbind& r, Writer& w) { w.Put(r.uid); }
void PutIntegers(const Stat& r, Writer& w) { w.Put(static_cast<uint8_t>(r.kind)); }
void PutIntegers(const GetIp& r, Writer& w) { w.Put(static_cast<uint8_t>(r.kind)).Put(r.target); }
void PutIntegers(const IsOnline& r, Writer& w) {
  w.Put(static_cast<uint8_t>(r.kind)).Put(r.target);
}
void PutIntegers(const Disconnect& r, Writer& w) {
  w.Put(static_cast<uint8_t>(r.kind)).Put(r.target).Put(static_cast<uint8_t>(r.force));
}
void PutIntegers(const Push& r, Writer& w) { w.Put(static_cast<uint8_t>(r.kind)).Put(r.target); }
void PutIntegers(const Broadcast& r, Writer& w) { w.Put(static_cast<uint8_t>(r.kind)); }
void PutIntegers(const Publish& r, Writer& w) { w.Put(static_cast<uint8_t>(r.channel.size())); }
void PutIntegers(const Trigger& r, Writer& w) {
  w.Put(static_cast<uint8_t>(r.event)).Put(r.cid);
  if (r.uid != 0) w.Put(r.uid);
}
void PutIntegers(const Deliver& r, Writer& w) { w.Put(r.cid).Put(r.uid); }
void PutIntegers(const GetState&, Writer&) {}
void PutIntegers(const SetState& r, Writer& w) { w.Put(static_cast<uint8_t>(r.state)); }
template <class T>
  requires kHasTargets<T>
void PutIntegers(const T& r, Writer& w) {
  w.Put(static_cast<uint8_t>(r.kind)).Put(static_cast<uint16_t>(r.targets.size()));
}

// The texts at its end.
template <class T>
std::string_view FirstText(const T& request) {
  if constexpr (requires { request.id; }) return request.id;
  if constexpr (requires { request.channel; }) return request.channel;
  return {};
}
template <class T>
std::string_view LastText(const T& request) {
  if constexpr (requires { request.packet; }) return request.packet;
  return {};
}

absl::Status Refuse(Route route, std::string_view why) {
  return absl::InvalidArgumentError(
      fmt::format("a link frame {} must not be sent: {}", NameOf(route), why));
}

template <class T>
absl::Status Check(const T& request, Route route) {
  const auto is_negative = [](int64_t number) { return number < 0; };
  bool has_negative = false;
  if constexpr (requires { request.cid; }) has_negative |= is_negative(request.cid);
  if constexpr (requires { request.uid; }) has_negative |= is_negative(request.uid);
  if constexpr (requires { request.target; }) has_negative |= is_negative(request.target);
  if constexpr (kHasTargets<T>) {
    if (request.targets.size() > kMostTargets) {
      return Refuse(route, fmt::format("it has {} targets, at most {} are read; send several",
                                       request.targets.size(), kMostTargets));
    }
    has_negative |= std::ranges::any_of(request.targets, is_negative);
  }
  if (has_negative) return Refuse(route, "a cid, uid or target is below zero");
  if constexpr (requires { request.channel; }) {
    if (request.channel.empty() || request.channel.size() > kMostChannelBytes) {
      return Refuse(route, fmt::format("its channel has {} bytes, there must be 1 to {}",
                                       request.channel.size(), kMostChannelBytes));
    }
  }
  return absl::OkStatus();
}

template <class T>
absl::Status AppendAs(const T& request, Route route, uint64_t seq, std::string& out) {
  RETURN_IF_ERROR(Check(request, route));
  Writer integers;
  PutIntegers(request, integers);
  const std::string_view first = FirstText(request), last = LastText(request);
  size_t body_bytes = integers.bytes().size() + first.size() + last.size();
  if constexpr (kHasTargets<T>) body_bytes += request.targets.size() * sizeof(int64_t);
  if (kHeadBytes + body_bytes > kMostFrameBytes) {
    return Refuse(route, fmt::format("it would have {} bytes, at most {} are taken",
                                     kHeadBytes + body_bytes, kMostFrameBytes));
  }
  uint8_t header = 0;
  if constexpr (requires {
                  request.packet;
                  request.disconnect;
                })
    header = request.disconnect ? kDisconnectAfter : 0;
  Writer head;
  out += PutHead(head, body_bytes, header, route, seq).bytes();
  out += integers.bytes();
  if constexpr (kHasTargets<T>) {
    for (const int64_t target : request.targets) {
      char bytes[sizeof(target)];
      WriteAt(target, bytes);
      out.append(bytes, sizeof(bytes));
    }
  }
  out += first;
  out += last;
  return absl::OkStatus();
}

Request Read(Route route, bool disconnect, Reader& body, std::vector<int64_t>& targets) {
  const auto kind = [&] { return static_cast<SessionKind>(body.Next<uint8_t>()); };
  const auto number = [&] { return body.Next<int64_t>(); };
  // The fields are read in the order in which they stand: braces evaluate from left to right.
  switch (route) {
    case Route::kHandshake:
      return Handshake{static_cast<InstanceKind>(body.Next<uint8_t>()), body.Rest()};
    case Route::kBind:
      return Bind{number(), number()};
    case Route::kUnbind:
      return Unbind{number()};
    case Route::kGetIp:
      return GetIp{kind(), number()};
    case Route::kStat:
      return Stat{kind()};
    case Route::kIsOnline:
      return IsOnline{kind(), number()};
    case Route::kDisconnect:
      return Disconnect{kind(), number(), body.Next<uint8_t>() != 0};
    case Route::kPush:
      return Push{kind(), number(), body.Rest(), disconnect};
    case Route::kMulticast:
      return Multicast{kind(), body.NextTargets(targets), body.Rest(), disconnect};
    case Route::kBroadcast:
      return Broadcast{kind(), body.Rest(), disconnect};
    case Route::kPublish:
      return Publish{body.Next(body.Next<uint8_t>()), body.Rest(), disconnect};
    case Route::kSubscribe:
      return Subscribe{kind(), body.NextTargets(targets), body.Rest()};
    case Route::kUnsubscribe:
      return Unsubscribe{kind(), body.NextTargets(targets), body.Rest()};
    case Route::kTrigger:
      return Trigger{static_cast<Event>(body.Next<uint8_t>()), number(),
                     body.left() == 0 ? 0 : number()};
    case Route::kDeliver:
      return Deliver{number(), number(), body.Rest()};
    case Route::kGetState:
      return GetState{};
    case Route::kSetState:
      return SetState{static_cast<State>(body.Next<uint8_t>())};
  }
  return GetState{};  // there is no other route
}

}  // namespace

absl::StatusOr<Request> ParseRequest(const Frame& frame, std::vector<int64_t>& targets) {
  const auto route = static_cast<Route>(frame.route);
  if (frame.route == 0 || frame.route > std::variant_size_v<Request>)
    return absl::UnimplementedError(fmt::format("a link frame of route {}", frame.route));
  Reader body(frame.body);
  Request request = Read(route, frame.disconnect, body, targets);
  if (!body.is_at_end()) {
    return absl::InvalidArgumentError(
        fmt::format("a link frame {} whose body has {} bytes", NameOf(route), frame.body.size()));
  }
  return request;
}

bool IsKnown(const Request& request) {
  const auto is_known = []<class T>(const T& asked) {
    if constexpr (kHasKind<T>)
      return asked.kind == SessionKind::kConn || asked.kind == SessionKind::kUser;
    if constexpr (std::is_same_v<T, Trigger>)
      return asked.event >= Event::kConnect && asked.event <= Event::kDisconnect;
    if constexpr (std::is_same_v<T, SetState>) return asked.state <= State::kHang;
    return true;
  };
  return std::visit(is_known, request);
}

absl::Status Append(const Request& request, uint64_t seq, std::string& out) {
  const Route route = RouteOf(request);
  // The most by far are these two.
  if (const auto* deliver = std::get_if<Deliver>(&request))
    return AppendAs(*deliver, route, seq, out);
  if (const auto* push = std::get_if<Push>(&request)) return AppendAs(*push, route, seq, out);
  return std::visit([&](const auto& other) { return AppendAs(other, route, seq, out); }, request);
}

}  // namespace due::link
