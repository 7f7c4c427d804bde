#include "core/nats/nats_address.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <utility>

#include "core/status_macros.h"
#include "core/strings.h"

namespace micro::nats {

std::string Address::text() const {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port)
                                             : fmt::format("[{}]:{}", host, port);
}

absl::StatusOr<Address> ParseAddress(std::string_view text) {
  if (text.find('@') != std::string_view::npos) {
    return absl::InvalidArgumentError("a NATS address has no room for secrets: it is host:port");
  }
  const absl::Status malformed = absl::InvalidArgumentError(
      fmt::format("NATS address \"{}\" is not host:port, nats://host:port or tls://host:port",
                  text.substr(0, 200)));
  Address address;
  std::string_view rest = text;
  if (const size_t scheme = rest.find("://"); scheme != std::string_view::npos) {
    address.tls = rest.substr(0, scheme) == "tls";
    if (!address.tls && rest.substr(0, scheme) != "nats") return malformed;
    rest.remove_prefix(scheme + 3);
  }
  if (rest.ends_with('/')) rest.remove_suffix(1);
  std::string_view port;
  if (rest.starts_with('[')) {
    const size_t end = rest.find(']');
    if (end == std::string_view::npos) return malformed;
    address.host = rest.substr(1, end - 1);
    port = rest.substr(end + 1);
  } else {
    const size_t colon = rest.find(':');
    address.host = rest.substr(0, colon);
    if (colon != std::string_view::npos) port = rest.substr(colon);
  }
  if (address.host.empty() || address.host.size() > 255 ||
      address.host.find_first_of(" \t/,\"") != std::string::npos) {
    return malformed;
  }
  if (port.empty()) return address;
  const char* const end = port.data() + port.size();
  const auto [stop, error] = std::from_chars(port.data() + 1, end, address.port);
  if (port[0] != ':' || error != std::errc() || stop != end || address.port < 1 ||
      address.port > 65535) {
    return malformed;
  }
  return address;
}

absl::StatusOr<std::vector<Address>> ParseAddresses(const std::vector<std::string>& given) {
  std::vector<std::string> texts = given;
  if (const char* named = std::getenv("MICRO_NATS_ADDRESS"); texts.empty() && named != nullptr) {
    texts = SplitList(named);
  }
  if (texts.empty()) texts = {"nats://127.0.0.1:4222"};
  std::vector<Address> addresses;
  for (const std::string& text : texts) {
    ASSIGN_OR_RETURN(addresses.emplace_back(), ParseAddress(text));
  }
  return addresses;
}

}  // namespace micro::nats
