#include "core/errors.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "core/errors.pb.h"
#include "core/text.h"

namespace micro::errors {
namespace {

constexpr absl::string_view kPayloadUrl = "type.googleapis.com/errors.Error";
constexpr size_t kMaxTextSize = 64 * 1024;  // of an error object in its text form

constexpr std::array<std::pair<int, absl::StatusCode>, 10> kCodes = {{
    {400, absl::StatusCode::kInvalidArgument},
    {401, absl::StatusCode::kUnauthenticated},
    {403, absl::StatusCode::kPermissionDenied},
    {404, absl::StatusCode::kNotFound},
    {408, absl::StatusCode::kDeadlineExceeded},
    {409, absl::StatusCode::kAlreadyExists},
    {412, absl::StatusCode::kFailedPrecondition},
    {500, absl::StatusCode::kInternal},
    {501, absl::StatusCode::kUnimplemented},
    {503, absl::StatusCode::kUnavailable},
}};

// `text` as a JSON string. What is not UTF-8 becomes U+FFFD.
std::string Quoted(std::string_view text) {
  return nlohmann::json(std::string(text))
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

absl::Status New(std::string_view id, std::string_view detail, int code) {
  return ToStatus(
      {.id = std::string(id), .code = code, .detail = std::string(detail), .status = ""});
}

absl::Status ToStatus(Error error) {
  if (error.code == 200) error.code = 500;
  const absl::StatusCode code = ToStatusCode(error.code);
  return ToStatus(std::move(error), code);
}

absl::Status ToStatus(Error error, absl::StatusCode code) {
  if (error.status.empty()) error.status = HttpPhrase(error.code);
  absl::Status status(code == absl::StatusCode::kOk ? absl::StatusCode::kUnknown : code,
                      ToAbsl(error.detail));
  status.SetPayload(kPayloadUrl, absl::Cord(ToProto(error)));
  return status;
}

bool HasError(const absl::Status& status) { return status.GetPayload(kPayloadUrl).has_value(); }

Error FromStatus(const absl::Status& status, std::string_view id) {
  Error error;
  const auto payload = status.GetPayload(kPayloadUrl);
  if (payload.has_value() && FromProto(std::string(*payload), &error)) return error;
  const int code = FromStatusCode(status.code());
  return {.id = std::string(id),
          .code = code,
          .detail = std::string(status.message()),
          .status = std::string(HttpPhrase(code))};
}

std::string ToJson(const Error& error) {
  std::string json = "{";
  const auto add = [&](std::string_view key) {
    if (json.size() > 1) json += ',';
    json.append("\"").append(key).append("\":");
  };
  const auto add_text = [&](std::string_view key, std::string_view value) {
    if (value.empty()) return;
    add(key);
    json += EscapeJsonAsGo(Quoted(value));
  };
  add_text("id", error.id);
  if (error.code != 0) {
    add("code");
    json += std::to_string(error.code);
  }
  add_text("detail", error.detail);
  add_text("status", error.status);
  return json + "}";
}

Error Parse(std::string_view text) {
  const auto plain = [&] {
    return Error{.id = "", .code = 0, .detail = std::string(text), .status = ""};
  };
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == text.npos || text[begin] != '{' || text.size() > kMaxTextSize) return plain();
  // An error object has no inner arrays or objects worth reading: they are dropped while parsing.
  using Event = nlohmann::json::parse_event_t;
  const auto shallow = [](int depth, Event event, nlohmann::json&) {
    return depth < (event == Event::object_start || event == Event::array_start ? 1 : 2);
  };
  const nlohmann::json json = nlohmann::json::parse(text, shallow, /*allow_exceptions=*/false);
  if (!json.is_object()) return plain();

  Error error;
  for (const auto& [key, slot] :
       {std::pair("id", &error.id), {"detail", &error.detail}, {"status", &error.status}}) {
    const auto field = json.find(key);
    if (field == json.end()) continue;
    if (!field->is_string()) return plain();
    *slot = field->get<std::string>();
  }
  if (const auto code = json.find("code"); code != json.end()) {
    if (!code->is_number_integer()) return plain();
    const bool in_range = code->is_number_unsigned() ? code->get<uint64_t>() <= INT32_MAX
                                                     : code->get<int64_t>() >= INT32_MIN;
    if (!in_range) return plain();
    error.code = code->get<int>();
  }
  return error;
}

std::string ToProto(const Error& error) {
  wire::Error proto;
  proto.set_id(ValidUtf8(error.id));
  proto.set_code(error.code);
  proto.set_detail(ValidUtf8(error.detail));
  proto.set_status(ValidUtf8(error.status));
  return proto.SerializeAsString();
}

bool FromProto(std::string_view bytes, Error* error) {
  wire::Error proto;
  if (!proto.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return false;
  *error = {
      .id = proto.id(), .code = proto.code(), .detail = proto.detail(), .status = proto.status()};
  return true;
}

absl::StatusCode ToStatusCode(int code) {
  for (const auto& [micro, status] : kCodes) {
    if (micro == code) return status;
  }
  return absl::StatusCode::kUnknown;
}

int FromStatusCode(absl::StatusCode code) {
  if (code == absl::StatusCode::kOk) return 200;
  for (const auto& [micro, status] : kCodes) {
    if (status == code) return micro;
  }
  return 500;
}

std::string_view HttpPhrase(int code) {
  switch (code) {
    case 100:
      return "Continue";
    case 101:
      return "Switching Protocols";
    case 102:
      return "Processing";
    case 103:
      return "Early Hints";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 203:
      return "Non-Authoritative Information";
    case 204:
      return "No Content";
    case 205:
      return "Reset Content";
    case 206:
      return "Partial Content";
    case 207:
      return "Multi-Status";
    case 208:
      return "Already Reported";
    case 226:
      return "IM Used";
    case 300:
      return "Multiple Choices";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 305:
      return "Use Proxy";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 402:
      return "Payment Required";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 407:
      return "Proxy Authentication Required";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Request Entity Too Large";
    case 414:
      return "Request URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Requested Range Not Satisfiable";
    case 417:
      return "Expectation Failed";
    case 418:
      return "I'm a teapot";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Entity";
    case 423:
      return "Locked";
    case 424:
      return "Failed Dependency";
    case 425:
      return "Too Early";
    case 426:
      return "Upgrade Required";
    case 428:
      return "Precondition Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 451:
      return "Unavailable For Legal Reasons";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    case 506:
      return "Variant Also Negotiates";
    case 507:
      return "Insufficient Storage";
    case 508:
      return "Loop Detected";
    case 510:
      return "Not Extended";
    case 511:
      return "Network Authentication Required";
    default:
      return "";
  }
}

std::string ToText(const absl::Status& status) {
  if (status.ok()) return "ok";
  const Error error = FromStatus(status);
  return fmt::format("error id=\"{}\" code={} detail=\"{}\" status=\"{}\"", error.id, error.code,
                     error.detail, error.status);
}

}  // namespace micro::errors
