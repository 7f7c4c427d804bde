#include "due/link/frames.h"

#include <fmt/format.h>

#include <algorithm>

#include "due/link/wire.h"

namespace due::link {
namespace {

constexpr std::string_view kRouteNames[] = {
    "?",         "Handshake",   "Bind",    "Unbind",    "GetIp",     "Stat",
    "IsOnline",  "Disconnect",  "Push",    "Multicast", "Broadcast", "Publish",
    "Subscribe", "Unsubscribe", "Trigger", "Deliver",   "GetState",  "SetState"};

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
