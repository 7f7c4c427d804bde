#include "micro/grpc/headers.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "absl/strings/ascii.h"
#include "core/strings.h"

namespace micro::grpc_wire {
namespace {

std::string_view View(const grpc::string_ref& text) { return {text.data(), text.size()}; }

// "ipv4:127.0.0.1:5123" → "127.0.0.1:5123"; IPv6 addresses come percent-encoded:
// "ipv6:%5B::1%5D:5123".
std::string RemoteOf(const std::string& peer) {
  const size_t scheme = peer.find(':');
  std::string remote = scheme == std::string::npos ? peer : peer.substr(scheme + 1);
  for (const auto& [from, to] : {std::pair("%5B", "["), std::pair("%5D", "]")}) {
    if (const size_t place = remote.find(from); place != std::string::npos)
      remote.replace(place, 3, to);
  }
  return remote;
}

bool IsKeyCharacter(char c) {
  return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-' || c == '_' || c == '.';
}

}  // namespace

IncomingHeaders ReadHeaders(const grpc::CallbackServerContext& context) {
  IncomingHeaders headers;
  const auto& incoming = context.client_metadata();
  headers.metadata.reserve(incoming.size() + 1);
  for (const auto& [name, text] : incoming) {
    const std::string_view key = View(name), value = View(text);
    if (key == "x-content-type") {
      headers.content_type = value;
    } else if (key == "timeout") {
      int64_t nanos = 0;  // a value that is not a number is ignored, as in go-micro
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), nanos);
      if (error == std::errc() && end == value.data() + value.size() && nanos > 0) {
        headers.timeout = absl::Nanoseconds(nanos);
      }
    } else {
      headers.metadata.Append(key, value);
    }
  }
  headers.metadata.Set(headers::kRemote, RemoteOf(context.peer()));
  return headers;
}

absl::Status WriteHeaders(const Metadata& metadata, std::string_view content_type,
                          absl::FunctionRef<void(std::string, std::string)> add) {
  for (const auto& [name, value] : metadata) {
    if (!IsForwarded(name)) continue;
    std::string key = absl::AsciiStrToLower(name);
    for (const char c : key) {
      if (!IsKeyCharacter(c)) {
        return absl::InvalidArgumentError(
            fmt::format("metadata key \"{}\" cannot be a gRPC header: keys are letters, digits, "
                        "'-', '_' and '.'",
                        name));
      }
    }
    if (!key.ends_with("-bin")) {
      for (const char c : value) {
        if (c < 0x20 || c > 0x7e) {
          return absl::InvalidArgumentError(
              fmt::format("metadata \"{}\" has byte 0x{:02x}, which a gRPC header cannot carry; "
                          "encode it, or end the key in -bin",
                          name, static_cast<unsigned char>(c)));
        }
      }
    }
    add(std::move(key), value);
  }
  if (content_type != "application/grpc+proto" && content_type != "application/grpc") {
    add("x-content-type", std::string(content_type));
  }
  return absl::OkStatus();
}

}  // namespace micro::grpc_wire
