#include "micro/rpc/request_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "absl/strings/ascii.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "micro/rpc/http_message.h"

namespace micro::rpc {
namespace {

constexpr std::string_view kLineEnd = "\r\n";

// What stands in front.
constexpr std::string_view kRequestLine = "POST / HTTP/1.1\r\nHost: ";
constexpr std::string_view kUserAgent = "\r\nUser-Agent: micro-cpp\r\nContent-Length: ";
constexpr std::string_view kTimeout = "\r\nTimeout: ";
constexpr size_t kLongestNumber = 20;

// Headers that say what this call is: of metadata that came in with another one, they would say
// something else. Each also bears an older name with X- in front.
bool IsOfTheCall(std::string_view name) {
  static constexpr std::array<std::string_view, 8> kNames = {
      "micro-service", "micro-endpoint", "micro-method",   "micro-id",
      "micro-stream",  "micro-error",    "micro-protocol", "micro-target"};
  if (EqualsIgnoreCase(name.substr(0, 2), "x-")) name.remove_prefix(2);
  if (!EqualsIgnoreCase(name.substr(0, 6), "micro-")) return false;
  return std::any_of(kNames.begin(), kNames.end(),
                     [&](std::string_view own) { return EqualsIgnoreCase(name, own); });
}

// As net/http spells it: "X-Trace-Id", "Foo_bar".
void AppendCanonical(std::string_view name, std::string* out) {
  bool word_begins = true;
  for (const char c : name) {
    const auto letter = static_cast<unsigned char>(c);
    out->push_back(word_begins ? absl::ascii_toupper(letter) : absl::ascii_tolower(letter));
    word_begins = c == '-';
  }
}

absl::Status CheckValue(std::string_view what, std::string_view name, std::string_view value) {
  if (IsHeaderValue(value)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("{} \"{}\" has a control character, which an HTTP header cannot carry; encode it",
                  what, name));
}

void Append(std::string_view name, std::string_view value, std::string* out) {
  out->append(name).append(": ").append(value).append(kLineEnd);
}

absl::Status AppendChecked(std::string_view name, std::string_view value, std::string* out) {
  RETURN_IF_ERROR(CheckValue("the header", name, value));
  Append(name, value, out);
  return absl::OkStatus();
}

}  // namespace

absl::Status AppendHeaders(const RequestHeader& header, const Metadata& metadata,
                           std::string* out) {
  RETURN_IF_ERROR(AppendChecked("Accept", header.content_type, out));
  Append("Content-Type", header.content_type, out);
  RETURN_IF_ERROR(AppendChecked("Micro-Endpoint", header.endpoint, out));
  const fmt::format_int id(header.id);
  Append("Micro-Id", {id.data(), id.size()}, out);
  Append("Micro-Method", header.endpoint, out);
  RETURN_IF_ERROR(AppendChecked("Micro-Service", header.service, out));
  if (header.stream) Append("Micro-Stream", {id.data(), id.size()}, out);
  for (const auto& [name, value] : metadata) {
    if (!IsForwarded(name) || IsOfTheCall(name)) continue;
    if (!IsHeaderName(name)) {
      return absl::InvalidArgumentError(fmt::format(
          "metadata key \"{}\" cannot be an HTTP header: keys are letters, digits, '-' and '_'",
          name));
    }
    RETURN_IF_ERROR(CheckValue("metadata", name, value));
    AppendCanonical(name, out);
    out->append(": ").append(value).append(kLineEnd);
  }
  return absl::OkStatus();
}

void RequestText::Begin(std::string_view host) {
  host_ = host;
  front_ = kRequestLine.size() + host.size() + kUserAgent.size() + kLongestNumber +
           kTimeout.size() + kLongestNumber + kLineEnd.size();
  bytes_.resize(front_);
}

void RequestText::EndHeaders() {
  bytes_.append(kLineEnd);
  body_ = bytes_.size();
}

std::string_view RequestText::Finish(absl::Duration timeout) {
  // Written from its end to its beginning.
  size_t begin = front_;
  const auto put = [&](std::string_view text) {
    begin -= text.size();
    std::memcpy(bytes_.data() + begin, text.data(), text.size());
  };
  const auto put_number = [&](uint64_t number) {
    const fmt::format_int digits(number);
    put({digits.data(), digits.size()});
  };
  put(kLineEnd);
  if (timeout != absl::InfiniteDuration()) {
    put_number(static_cast<uint64_t>(std::max<int64_t>(absl::ToInt64Nanoseconds(timeout), 1)));
    put(kTimeout);
  }
  put_number(bytes_.size() - body_);
  put(kUserAgent);
  put(host_);
  put(kRequestLine);
  return std::string_view(bytes_).substr(begin);
}

}  // namespace micro::rpc
