#include "micro/rpc/legacy.h"

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

#include "absl/strings/ascii.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "micro/rpc/protorpc.pb.h"

namespace micro::rpc {
namespace {

using Json = nlohmann::json;

constexpr int kMostDepth = 100;  // as the JSON codec has it, inside of `params`

std::string Text(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// The object that `body` is, at most so deep that nothing below runs out of stack.
absl::StatusOr<Json> ParseObject(std::string_view body) {
  bool too_deep = false;
  const auto depth_ends = [&](int depth, Json::parse_event_t, Json&) {
    too_deep = too_deep || depth > kMostDepth + 2;
    return !too_deep;
  };
  Json json = Json::parse(body, depth_ends, /*allow_exceptions=*/false);
  if (too_deep || !json.is_object())
    return absl::InvalidArgumentError("the body is no JSON-RPC message");
  return json;
}

// A length and that many bytes, taken from the front of `body`.
std::optional<std::string_view> TakeFrame(std::string_view& body) {
  if (body.size() < 4) return std::nullopt;
  size_t length = 0;
  for (const char byte : body.substr(0, 4)) length = length << 8 | static_cast<unsigned char>(byte);
  if (body.size() - 4 < length) return std::nullopt;
  const std::string_view frame = body.substr(4, length);
  body.remove_prefix(4 + length);
  return frame;
}

void AppendFrame(std::string_view frame, std::string& body) {
  for (int shift = 24; shift >= 0; shift -= 8) body += static_cast<char>(frame.size() >> shift);
  body += frame;
}

absl::Status NoProtoRpc() { return absl::InvalidArgumentError("the body is no protorpc message"); }

template <class Envelope>
absl::StatusOr<std::string_view> ReadEnvelope(std::string_view body, Envelope& envelope) {
  const auto head = TakeFrame(body);
  if (!head.has_value() || !envelope.ParseFromArray(head->data(), static_cast<int>(head->size()))) {
    return NoProtoRpc();
  }
  const auto payload = TakeFrame(body);
  if (!payload.has_value() || !body.empty()) return NoProtoRpc();
  return *payload;
}

std::string_view Bare(std::string_view content_type) {
  return ToStd(absl::StripAsciiWhitespace(ToAbsl(content_type.substr(0, content_type.find(';')))));
}

uint64_t Number(std::string_view text) {
  uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

}  // namespace

absl::StatusOr<LegacyFormat> LegacyFormat::Of(std::string_view content_type) {
  const std::string_view type = Bare(content_type);
  const auto is = [&](std::string_view name) { return EqualsIgnoreCase(type, name); };
  if (is("application/json") || is("application/json-rpc")) {
    ASSIGN_OR_RETURN(const codec::Codec* codec, codec::ForContentType("application/json"));
    return LegacyFormat(/*json=*/true, *codec);
  }
  if (type.empty() || is("application/protobuf") || is("application/proto-rpc")) {
    ASSIGN_OR_RETURN(const codec::Codec* codec, codec::ForContentType("application/protobuf"));
    return LegacyFormat(/*json=*/false, *codec);
  }
  return absl::InvalidArgumentError(fmt::format("unsupported Content-Type: {}", content_type));
}

bool LegacyFormat::IsNamedBy(std::string_view content_type) {
  const std::string_view type = Bare(content_type);
  return EqualsIgnoreCase(type, "application/json-rpc") ||
         EqualsIgnoreCase(type, "application/proto-rpc");
}

std::string_view LegacyFormat::content_type() const {
  return json_ ? "application/json-rpc" : "application/proto-rpc";
}

absl::StatusOr<LegacyCall> LegacyFormat::ReadRequest(std::string_view body) const {
  LegacyCall call;
  if (json_) {
    ASSIGN_OR_RETURN(const Json json, ParseObject(body));
    const auto method = json.find("method");
    if (method == json.end() || !method->is_string())
      return absl::InvalidArgumentError("the JSON-RPC request has no method");
    call.endpoint = method->get<std::string>();
    if (const auto id = json.find("id"); id != json.end() && !id->is_null())
      call.id = id->is_string() ? id->get<std::string>() : Text(*id);
    if (const auto params = json.find("params"); params != json.end() && !params->is_null()) {
      if (!params->is_array() || params->size() > 1)
        return absl::InvalidArgumentError("the JSON-RPC request's params are not a list of one");
      if (!params->empty()) call.message = Text(params->front());
    }
    return call;
  }
  protorpc::Request envelope;
  ASSIGN_OR_RETURN(call.message, ReadEnvelope(body, envelope));
  call.endpoint = envelope.service_method();
  call.id = std::to_string(envelope.seq());
  return call;
}

absl::Status LegacyFormat::ReadMessage(const LegacyCall& call, codec::Body message) const {
  const bool empty = call.message.empty() || (json_ && call.message == "null");
  return codec_->UnmarshalFromString(empty && json_ ? "{}" : call.message, message);
}

absl::StatusOr<std::string> LegacyFormat::Encode(codec::ConstBody message, size_t limit) const {
  ASSIGN_OR_RETURN(std::string bytes, codec_->MarshalToString(message));
  if (bytes.size() <= limit) return bytes;
  return absl::ResourceExhaustedError(
      fmt::format("a message of {} bytes is larger than the limit of {} (max_send_message_size)",
                  bytes.size(), limit));
}

absl::Status LegacyFormat::AppendResponse(const LegacyCall& call, codec::ConstBody message,
                                          size_t limit, std::string& body) const {
  ASSIGN_OR_RETURN(const std::string bytes, Encode(message, limit));
  if (json_) {
    body += fmt::format("{{\"id\":{},\"result\":{},\"error\":null}}\n", Text(Json(call.id)), bytes);
    return absl::OkStatus();
  }
  protorpc::Response envelope;
  envelope.set_service_method(call.endpoint);
  envelope.set_seq(Number(call.id));
  AppendFrame(envelope.SerializeAsString(), body);
  AppendFrame(bytes, body);
  return absl::OkStatus();
}

void LegacyFormat::AppendError(const LegacyCall& call, std::string_view error,
                               std::string& body) const {
  if (json_) {
    body += fmt::format("{{\"id\":{},\"result\":null,\"error\":{}}}\n", Text(Json(call.id)),
                        Text(Json(std::string(error))));
    return;
  }
  protorpc::Response envelope;
  envelope.set_service_method(call.endpoint);
  envelope.set_seq(Number(call.id));
  envelope.set_error(std::string(error));
  AppendFrame(envelope.SerializeAsString(), body);
  AppendFrame("", body);
}

absl::Status LegacyFormat::AppendRequest(std::string_view endpoint, uint64_t id,
                                         codec::ConstBody message, size_t limit,
                                         std::string& body) const {
  ASSIGN_OR_RETURN(const std::string bytes, Encode(message, limit));
  if (json_) {
    body += fmt::format("{{\"id\":\"{}\",\"method\":{},\"params\":[{}]}}\n", id,
                        Text(Json(std::string(endpoint))), bytes);
    return absl::OkStatus();
  }
  protorpc::Request envelope;
  envelope.set_service_method(std::string(endpoint));
  envelope.set_seq(id);
  AppendFrame(envelope.SerializeAsString(), body);
  AppendFrame(bytes, body);
  return absl::OkStatus();
}

absl::StatusOr<std::string> LegacyFormat::ReadResponse(std::string_view body,
                                                       codec::Body message) const {
  LegacyCall call;
  std::string error;
  if (json_) {
    ASSIGN_OR_RETURN(const Json json, ParseObject(body));
    if (const auto text = json.find("error"); text != json.end() && !text->is_null())
      error = text->is_string() ? text->get<std::string>() : Text(*text);
    if (const auto result = json.find("result"); result != json.end()) call.message = Text(*result);
  } else {
    protorpc::Response envelope;
    ASSIGN_OR_RETURN(call.message, ReadEnvelope(body, envelope));
    error = envelope.error();
  }
  if (error.empty()) RETURN_IF_ERROR(ReadMessage(call, message));
  return error;
}

}  // namespace micro::rpc
