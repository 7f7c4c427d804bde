#include "micro/rpc/client_error.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "core/errors.h"
#include "core/metadata.h"
#include "core/strings.h"
#include "micro/wire.h"

namespace micro::rpc {
namespace {

constexpr std::string_view kTransportId = "go.micro.client.transport";
constexpr std::string_view kCodecId = "go.micro.client.codec";
constexpr size_t kShownBytes = 256;  // of what a node answered, in an error's text

absl::Status New(std::string_view id, int code, std::string detail, absl::StatusCode status) {
  return errors::ToStatus(
      {.id = std::string(id), .code = code, .detail = std::move(detail), .status = ""}, status);
}

std::string Shown(std::string_view bytes) {
  return absl::CHexEscape(ToAbsl(bytes.substr(0, kShownBytes)));
}

}  // namespace

absl::Status Refused(const absl::Status& why) {
  return New(errors::kClientId, 500, std::string(why.message()), why.code());
}

absl::Status NotConnected(std::string_view node, const absl::Status& why) {
  return MarkUnsent(New(errors::kClientId, 500,
                        fmt::format("connection error: {}: {}", node, ToStd(why.message())),
                        absl::StatusCode::kUnavailable));
}

absl::Status NotHttp(std::string_view node, std::string_view bytes, bool never_has) {
  absl::Status error = New(kTransportId, 500,
                           fmt::format("node {} does not speak HTTP/1.1: it answers \"{}\"", node,
                                       Shown(bytes.substr(0, 32))),
                           absl::StatusCode::kUnavailable);
  return never_has ? MarkUnsent(std::move(error)) : error;
}

absl::Status Lost(std::string_view node, std::string_view why) {
  return New(kTransportId, 500, fmt::format("node {}: {}", node, why),
             absl::StatusCode::kUnavailable);
}

absl::Status BadAnswer(std::string_view node, const absl::Status& why) {
  const bool too_large = absl::IsResourceExhausted(why);
  return New(kTransportId, 500, fmt::format("answer of node {}: {}", node, ToStd(why.message())),
             too_large ? absl::StatusCode::kResourceExhausted : absl::StatusCode::kUnavailable);
}

absl::Status Ended(const absl::Status& why) {
  return New(errors::kClientId, 408, std::string(why.message()), why.code());
}

absl::Status Unreadable(const absl::Status& why) {
  return New(kCodecId, 500, std::string(why.message()), absl::StatusCode::kInternal);
}

std::string_view ErrorText(const HttpMessage& answer) {
  const std::string_view text = answer.Get(headers::kError);
  return text.empty() ? answer.Get("X-Micro-Error") : text;
}

absl::Status ParseError(std::string_view text) {
  errors::Error error = errors::Parse(text);
  if (error.id.empty()) error.id = errors::kClientId;
  if (error.code <= 0) error.code = 500;
  return errors::ToStatus(std::move(error));
}

absl::Status ErrorIn(const HttpMessage& answer, std::string_view node) {
  if (answer.status != 200) {
    return New(kTransportId, 500,
               fmt::format("node {} answers HTTP {} {}: {}", node, answer.status,
                           errors::HttpPhrase(answer.status), Shown(answer.body)),
               absl::StatusCode::kUnavailable);
  }
  if (const std::string_view text = ErrorText(answer); !text.empty()) return ParseError(text);
  // go-micro's servers answer so to a content type that they do not know.
  if (answer.Get(headers::kContentType).starts_with("text/plain")) {
    return New(errors::kClientId, 500, fmt::format("node {}: {}", node, Shown(answer.body)),
               absl::StatusCode::kInvalidArgument);
  }
  return absl::OkStatus();
}

}  // namespace micro::rpc
