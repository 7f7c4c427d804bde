#include "registry/consul/consul_address.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>

#include "core/status_macros.h"

namespace micro::registry::consul {
namespace {

constexpr std::string_view kHttp = "http://", kHttps = "https://";

absl::Status NoAddress(std::string_view text, std::string_view why) {
  return absl::InvalidArgumentError(
      fmt::format("registry \"consul\": address \"{}\": {}; give host, host:port or "
                  "http(s)://host:port (flag --registry_address)",
                  text, why));
}

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

std::string Address::url() const {
  const bool ipv6 = host.find(':') != std::string::npos;
  return fmt::format(fmt::runtime(ipv6 ? "{}[{}]:{}" : "{}{}:{}"), tls ? kHttps : kHttp, host,
                     port);
}

absl::StatusOr<Address> ParseAddress(std::string_view text, bool tls) {
  Address address{.tls = tls};
  std::string_view rest = text;
  if (rest.starts_with(kHttps)) {
    address.tls = true;
    rest.remove_prefix(kHttps.size());
  } else if (rest.starts_with(kHttp)) {
    if (tls) return NoAddress(text, "TLS is asked for by other flags (--registry_tls…)");
    rest.remove_prefix(kHttp.size());
  } else if (rest.find("://") != std::string_view::npos) {
    return NoAddress(text, "its scheme is not spoken here");
  }
  if (rest.ends_with('/')) rest.remove_suffix(1);
  address.port = address.tls ? 8501 : 8500;
  const size_t bracket = rest.starts_with('[') ? rest.find(']') : 0;
  if (bracket == std::string_view::npos) return NoAddress(text, "a bracket is open");
  const size_t colon = rest.find(':', bracket);
  const bool bare_ipv6 = bracket == 0 && colon != rest.rfind(':');
  const std::string_view host = bare_ipv6 ? rest : rest.substr(0, colon);
  address.host = bracket == 0 ? host : host.substr(1, bracket - 1);
  if (address.host.empty()) return NoAddress(text, "it has no host");
  if (address.host.find_first_of("/@?# []") != std::string::npos ||
      (bracket != 0 && host.size() != bracket + 1))
    return NoAddress(text, "its host is none");
  if (bare_ipv6 || colon == std::string_view::npos) return address;
  const std::string_view port = rest.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (error != std::errc() || end != port.data() + port.size() || address.port < 1 ||
      address.port > 65535) {
    return NoAddress(text, "its port is no number from 1 to 65535");
  }
  return address;
}

absl::StatusOr<std::vector<Address>> AddressesOf(const Options& options) {
  std::vector<std::string> texts = options.addresses;
  if (texts.empty()) texts.push_back(Environment("CONSUL_HTTP_ADDR"));
  if (texts.front().empty()) texts.front() = "127.0.0.1";
  std::vector<Address> addresses;
  for (const std::string& text : texts) {
    ASSIGN_OR_RETURN(Address address, ParseAddress(text, options.UsesTls()));
    addresses.push_back(std::move(address));
  }
  return addresses;
}

std::string TokenOf(const Options& options) {
  return options.token.empty() ? Environment("CONSUL_HTTP_TOKEN") : options.token;
}

std::string Escape(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      escaped += c;
    } else {
      escaped += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return escaped;
}

bool FitsPath(std::string_view name) {
  while (true) {
    const size_t slash = name.find('/');
    const std::string_view piece = name.substr(0, slash);
    if (piece.empty() || piece == "." || piece == "..") return false;
    if (slash == std::string_view::npos) return true;
    name.remove_prefix(slash + 1);
  }
}

}  // namespace micro::registry::consul
