// Addresses that a server listens on, and the one that it tells others.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace micro {

// A parsed --server_address: host (may be empty) and a range of ports to try in order; a single
// port is a range of one.
struct ListenAddress {
  std::string host;
  int first_port = 0;
  int last_port = 0;
};

// Reads "host:port", ":port", "[::1]:port" and "host:min-max". INVALID_ARGUMENT names the text and
// the flag.
absl::StatusOr<ListenAddress> ParseListenAddress(std::string_view address);

// "host:port", an IPv6 host in brackets.
std::string JoinHostPort(std::string_view host, int port);

// The host that others reach this one by, as go-micro chooses it: `host` itself unless it is empty,
// 0.0.0.0 or ::; else the first private address of a non-loopback interface, else the first public
// one, else loopback.
std::string AdvertisedHost(std::string_view host);

}  // namespace micro
