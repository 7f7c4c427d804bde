#include "micro/grpc/headers.h"

#include <charconv>
#include <utility>

#include "absl/strings/ascii.h"
#include "core/status_macros.h"

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

Metadata ReadResponseMetadata(const std::multimap<grpc::string_ref, grpc::string_ref>& incoming) {
  Metadata metadata;
  for (const auto& [name, value] : incoming) {
    if (IsForwarded(View(name))) metadata.Append(View(name), View(value));
  }
  return metadata;
}

void WriteHeader(const Metadata& header, grpc::CallbackServerContext& context) {
  for (const auto& [key, value] : header) {
    context.AddInitialMetadata(absl::AsciiStrToLower(key), value);
  }
}

void WriteTrailer(const Metadata& trailer, grpc::CallbackServerContext& context) {
  for (const auto& [key, value] : trailer) {
    context.AddTrailingMetadata(absl::AsciiStrToLower(key), value);
  }
}

absl::Status WriteHeaders(const Metadata& metadata, std::string_view content_type,
                          absl::FunctionRef<void(std::string, std::string)> add) {
  for (const auto& [name, value] : metadata) {
    if (!IsForwarded(name)) continue;
    RETURN_IF_ERROR(CheckHeader(name, value));
    add(absl::AsciiStrToLower(name), value);
  }
  if (content_type != "application/grpc+proto" && content_type != "application/grpc") {
    add("x-content-type", std::string(content_type));
  }
  return absl::OkStatus();
}

}  // namespace micro::grpc_wire
