#include "micro/address.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <charconv>

namespace micro {
namespace {

bool ParsePort(std::string_view text, int* port) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *port);
  return error == std::errc() && end == text.data() + text.size() && *port >= 0 && *port <= 65535;
}

bool IsPrivate(const in_addr& address) {
  const uint32_t ip = ntohl(address.s_addr);
  return (ip >> 24) == 10 || (ip >> 20) == 0xac1 || (ip >> 16) == 0xc0a8 ||
         (ip >> 22) == (0x64400000u >> 22);
}

bool IsPrivate(const in6_addr& address) { return (address.s6_addr[0] & 0xfe) == 0xfc; }

}  // namespace

absl::StatusOr<ListenAddress> ParseListenAddress(std::string_view address) {
  const auto refuse = [&](std::string_view why) {
    return absl::InvalidArgumentError(fmt::format(
        "server address \"{}\" {}; write host:port, :port or host:min-max (flag --server_address)",
        address, why));
  };
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return refuse("has no port");
  std::string_view host = address.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return refuse("has an IPv6 host without brackets");
  }
  const std::string_view ports = address.substr(colon + 1);
  const size_t dash = ports.find('-');
  ListenAddress parsed{.host = std::string(host)};
  if (!ParsePort(ports.substr(0, dash), &parsed.first_port))
    return refuse("has a port that is not in 0 … 65535");
  parsed.last_port = parsed.first_port;
  if (dash != std::string_view::npos) {
    if (!ParsePort(ports.substr(dash + 1), &parsed.last_port))
      return refuse("has a port that is not in 0 … 65535");
    if (parsed.first_port == 0 || parsed.last_port < parsed.first_port)
      return refuse("has an empty port range");
  }
  return parsed;
}

std::string JoinHostPort(std::string_view host, int port) {
  if (host.find(':') != std::string_view::npos) return fmt::format("[{}]:{}", host, port);
  return fmt::format("{}:{}", host, port);
}

std::string AdvertisedHost(std::string_view host) {
  if (!host.empty() && host != "0.0.0.0" && host != "::") return std::string(host);
  std::string first_private, first_public;
  ifaddrs* interfaces = nullptr;
  if (getifaddrs(&interfaces) != 0) return "127.0.0.1";
  for (const ifaddrs* i = interfaces; i != nullptr; i = i->ifa_next) {
    if (i->ifa_addr == nullptr || (i->ifa_flags & IFF_UP) == 0 ||
        (i->ifa_flags & IFF_LOOPBACK) != 0)
      continue;
    char text[INET6_ADDRSTRLEN] = "";
    bool is_private = false;
    if (i->ifa_addr->sa_family == AF_INET) {
      const in_addr& ip = reinterpret_cast<const sockaddr_in*>(i->ifa_addr)->sin_addr;
      inet_ntop(AF_INET, &ip, text, sizeof(text));
      is_private = IsPrivate(ip);
    } else if (i->ifa_addr->sa_family == AF_INET6) {
      const in6_addr& ip = reinterpret_cast<const sockaddr_in6*>(i->ifa_addr)->sin6_addr;
      if (IN6_IS_ADDR_LINKLOCAL(&ip)) continue;
      inet_ntop(AF_INET6, &ip, text, sizeof(text));
      is_private = IsPrivate(ip);
    } else {
      continue;
    }
    std::string& place = is_private ? first_private : first_public;
    if (place.empty()) place = text;
  }
  freeifaddrs(interfaces);
  if (!first_private.empty()) return first_private;
  return first_public.empty() ? "127.0.0.1" : first_public;
}

}  // namespace micro
