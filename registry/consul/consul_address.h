// Where Consul's agents are, as flags and environment say.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "registry/registry.h"

namespace micro::registry::consul {

// The HTTP interface of one agent.
struct Address {
  bool tls = false;
  std::string host = {};  // IPv6 without brackets
  int port = 0;
  friend bool operator==(const Address&, const Address&) = default;

  std::string url() const;  // "http://127.0.0.1:8500"
};

// Reads host, host:port, http://host:port or https://host:port; IPv6 in brackets. Without a scheme
// `tls` decides; without a port it is Consul's, 8500, and 8501 for https. INVALID_ARGUMENT: it is
// none of these.
absl::StatusOr<Address> ParseAddress(std::string_view text, bool tls);

// The addresses of `options`; else that of the environment's CONSUL_HTTP_ADDR; else the agent on
// this machine.
absl::StatusOr<std::vector<Address>> AddressesOf(const Options& options);

// The token of `options`, else that of the environment's CONSUL_HTTP_TOKEN.
std::string TokenOf(const Options& options);

// `text` as one piece of a URL's path or query.
std::string Escape(std::string_view text);

// Whether Consul's HTTP interface can be asked for a service or id of this name: not where a piece
// between slashes is empty, "." or "..", which its paths lose.
bool FitsPath(std::string_view name);

}  // namespace micro::registry::consul
