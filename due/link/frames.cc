#include "due/link/frames.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <type_traits>
#include <utility>

#include "core/status_macros.h"

namespace due::link {
namespace {

constexpr size_t kSizeBytes = 4;
constexpr size_t kHeadBytes = 10;  // header, route and seq
constexpr size_t kFixedBytes = kSizeBytes + kHeadBytes;
constexpr uint8_t kHeartbeat = 0x80;
constexpr uint8_t kDisconnectAfter = 0x40;

constexpr std::string_view kRouteNames[] = {
    "?",         "Handshake",   "Bind",    "Unbind",    "GetIp",     "Stat",
    "IsOnline",  "Disconnect",  "Push",    "Multicast", "Broadcast", "Publish",
    "Subscribe", "Unsubscribe", "Trigger", "Deliver",   "GetState",  "SetState"};

template <class Integer>
Integer ReadAt(const char* at) {
  std::make_unsigned_t<Integer> value = 0;
  for (size_t i = 0; i < sizeof(Integer); ++i)
    value = static_cast<decltype(value)>(value << 7 << 1) | static_cast<uint8_t>(at[i]);
  return static_cast<Integer>(value);
}

template <class Integer>
void WriteAt(Integer value, char* at) {
  const auto bits = static_cast<std::make_unsigned_t<Integer>>(value);
  for (size_t i = 0; i < sizeof(Integer); ++i)
    at[i] = static_cast<char>(bits >> (8 * (sizeof(Integer) - 1 - i)));
}

// Reads a body from its front; what it does not have is zero, and told at the end.
class Reader {
 public:
  explicit Reader(std::string_view body) : rest_(body) {}

  template <class Integer>
  Integer Next() {
    if (rest_.size() < sizeof(Integer)) {
      is_short_ = true;
      return 0;
    }
    const auto value = ReadAt<Integer>(rest_.data());
    rest_.remove_prefix(sizeof(Integer));
    return value;
  }
  std::string_view Next(size_t bytes) {
    if (rest_.size() < bytes) is_short_ = true;
    const std::string_view text = rest_.substr(0, bytes);
    rest_.remove_prefix(text.size());
    return text;
  }
  std::span<const int64_t> NextTargets(std::vector<int64_t>& targets) {
    const auto count = Next<uint16_t>();
    const std::string_view bytes = Next(count * sizeof(int64_t));
    targets.clear();
    if (is_short_) return {};
    for (size_t i = 0; i < count; ++i)
      targets.push_back(ReadAt<int64_t>(bytes.data() + i * sizeof(int64_t)));
    return targets;
  }
  std::string_view Rest() { return std::exchange(rest_, {}); }

  bool is_at_end() const { return rest_.empty() && !is_short_; }
  size_t left() const { return rest_.size(); }

 private:
  std::string_view rest_;
  bool is_short_ = false;
};

// Puts what comes before a body's last text on the stack; only targets may be too many for that.
class Writer {
 public:
  template <class Integer>
  Writer& Put(Integer value) {
    WriteAt(value, room_.data() + size_);
    size_ += sizeof(Integer);
    return *this;
  }
  std::string_view bytes() const { return {room_.data(), size_}; }

 private:
  std::array<char, 48> room_;
  size_t size_ = 0;
};

Writer& PutHead(Writer& writer, size_t body_bytes, uint8_t header, Route route, uint64_t seq) {
  return writer.Put(static_cast<uint32_t>(kHeadBytes + body_bytes))
      .Put(header)
      .Put(static_cast<uint8_t>(route))
      .Put(seq);
}

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

// How long the body of an answer is without its value.
enum class Value { kNone, kAddress, kTotal, kByte };
Value ValueOf(Route route) {
  switch (route) {
    case Route::kGetIp:
      return Value::kAddress;
    case Route::kStat:
    case Route::kMulticast:
    case Route::kBroadcast:
    case Route::kPublish:
      return Value::kTotal;
    case Route::kIsOnline:
    case Route::kGetState:
      return Value::kByte;
    default:
      return Value::kNone;
  }
}

}  // namespace

std::string_view NameOf(Route route) {
  const auto index = static_cast<size_t>(route);
  return index < std::size(kRouteNames) ? kRouteNames[index] : kRouteNames[0];
}

absl::Status ToStatus(Code code) {
  if (code == Code::kOk) return absl::OkStatus();
  if (code == Code::kNotFoundSession) return absl::NotFoundError("not found session");
  return absl::InternalError(fmt::format("the peer failed (code {})", static_cast<uint16_t>(code)));
}

absl::StatusOr<std::optional<Frame>> Take(std::string_view& bytes, size_t most) {
  if (bytes.size() < kSizeBytes) return std::nullopt;
  const size_t size = ReadAt<uint32_t>(bytes.data());
  if (size > most) {
    return absl::ResourceExhaustedError(
        fmt::format("a link frame of {} bytes, at most {} are taken", size, most));
  }
  if (size == 0) return absl::InvalidArgumentError("a link frame of size 0");
  if (bytes.size() == kSizeBytes) return std::nullopt;
  const auto header = static_cast<uint8_t>(bytes[kSizeBytes]);
  const bool is_heartbeat = (header & kHeartbeat) != 0;
  if (!is_heartbeat && size < kHeadBytes) {
    return absl::InvalidArgumentError(
        fmt::format("a link frame of size {}, which is too short for its head", size));
  }
  if (bytes.size() - kSizeBytes < size) return std::nullopt;
  const char* const at = bytes.data();
  const std::string_view frame = bytes.substr(0, kSizeBytes + size);
  bytes.remove_prefix(frame.size());
  if (is_heartbeat) return Frame{.is_heartbeat = true};
  return Frame{.disconnect = (header & kDisconnectAfter) != 0,
               .route = static_cast<uint8_t>(at[5]),
               .seq = ReadAt<uint64_t>(at + 6),
               .body = frame.substr(kFixedBytes)};
}

size_t Wanted(std::string_view bytes) {
  if (bytes.size() < kSizeBytes) return 0;
  return kSizeBytes + ReadAt<uint32_t>(bytes.data());
}

absl::StatusOr<Request> ParseRequest(const Frame& frame, std::vector<int64_t>& targets) {
  const auto route = static_cast<Route>(frame.route);
  if (frame.route == 0 || frame.route >= std::size(kRouteNames))
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

absl::StatusOr<Response> ParseResponse(Route route, const Frame& frame) {
  const auto misfit = [&] {
    return absl::InvalidArgumentError(
        fmt::format("a link frame of route {} and {} bytes answers {}", frame.route,
                    frame.body.size(), NameOf(route)));
  };
  if (frame.route != static_cast<uint8_t>(route)) return misfit();
  const size_t size = frame.body.size();
  Reader body(frame.body);
  if (route == Route::kPublish && size == 8) return Response{Code::kOk, body.Next<uint64_t>()};
  Response response{.code = static_cast<Code>(body.Next<uint16_t>())};
  switch (ValueOf(route)) {
    case Value::kNone:
      break;
    case Value::kAddress:
      if (size != 2) response.value = body.Next<uint32_t>();
      break;
    case Value::kTotal:
      if (size != 2) response.value = body.Next<uint64_t>();
      break;
    case Value::kByte:
      response.value = body.Next<uint8_t>();
      break;
  }
  if (!body.is_at_end()) return misfit();
  return response;
}

ShortPublish CheckShortPublish(std::string_view bytes) {
  constexpr std::string_view kBegin("\0\0\0\x14\0\x0b", 6);
  if (!bytes.starts_with(kBegin) || bytes.size() < kShortPublishBytes) return ShortPublish::kNo;
  if (ReadAt<uint16_t>(bytes.data() + kFixedBytes) != 0) return ShortPublish::kYes;
  // What follows is a total, whose upper half is zero, or the next frame's size, which is not.
  const std::string_view after = bytes.substr(kShortPublishBytes);
  const size_t seen = std::min(after.size(), kSizeBytes);
  if (after.substr(0, seen).find_first_not_of('\0') != after.npos) return ShortPublish::kYes;
  return after.size() < sizeof(uint64_t) ? ShortPublish::kMaybe : ShortPublish::kNo;
}

Frame TakeShortPublish(std::string_view& bytes) {
  const Frame frame{.route = static_cast<uint8_t>(Route::kPublish),
                    .seq = ReadAt<uint64_t>(bytes.data() + 6),
                    .body = bytes.substr(kFixedBytes, 2)};
  bytes.remove_prefix(kShortPublishBytes);
  return frame;
}

absl::Status Append(const Request& request, uint64_t seq, std::string& out) {
  const Route route = RouteOf(request);
  // The most by far are these two.
  if (const auto* deliver = std::get_if<Deliver>(&request))
    return AppendAs(*deliver, route, seq, out);
  if (const auto* push = std::get_if<Push>(&request)) return AppendAs(*push, route, seq, out);
  return std::visit([&](const auto& other) { return AppendAs(other, route, seq, out); }, request);
}

void Append(Route route, uint64_t seq, const Response& response, std::string& out) {
  Writer body;
  body.Put(static_cast<uint16_t>(response.code));
  const bool has_value = response.code == Code::kOk && response.value != 0;
  switch (ValueOf(route)) {
    case Value::kNone:
      break;
    case Value::kAddress:
      if (has_value) body.Put(static_cast<uint32_t>(response.value));
      break;
    case Value::kTotal:
      if (has_value) body.Put(response.value);
      break;
    case Value::kByte:
      body.Put(static_cast<uint8_t>(response.value));
      break;
  }
  Writer head;
  out += PutHead(head, body.bytes().size(), 0, route, seq).bytes();
  out += body.bytes();
}

void AppendHeartbeat(std::string& out) { out.append("\0\0\0\x01\x80", 5); }

}  // namespace due::link
