// "host:port", as addresses of peers are written.
#pragma once

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "core/strings.h"

namespace micro::net {

struct HostPort {
  std::string host;  // an IPv6 address without its brackets
  uint16_t port = 0;
};

// INVALID_ARGUMENT: `address` is not host:port, with a port above zero.
inline absl::StatusOr<HostPort> ParseHostPort(std::string_view address) {
  const size_t colon = address.rfind(':');
  HostPort parts;
  if (colon != address.npos) {
    const std::string_view port = address.substr(colon + 1);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), parts.port);
    std::string_view host = address.substr(0, colon);
    if (host.size() > 1 && host.front() == '[' && host.back() == ']')
      host = host.substr(1, host.size() - 2);
    parts.host = host;
    if (error == std::errc() && end == port.data() + port.size() && parts.port > 0 && !host.empty())
      return parts;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("\"", ToAbsl(address), "\" is no address: it must be host:port"));
}

}  // namespace micro::net
