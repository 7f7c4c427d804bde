#include "due/kcp/udp.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "core/status_macros.h"

namespace due {
namespace {

absl::Status Failed(std::string_view what, const PeerAddress& address) {
  return absl::UnavailableError(
      fmt::format("cannot {} {} by UDP: {}", what, address.ToText(), std::strerror(errno)));
}

void Set(int socket, int level, int option, int value) {
  setsockopt(socket, level, option, &value, sizeof(value));
}

// A socket of the address's family; -1: errno says why not.
int Open(const PeerAddress& address, const KcpOptions& options) {
  const int opened =
      socket(address.is_v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (opened < 0) return opened;
  // All interfaces are those of both families.
  const bool is_any = address.host == PeerAddress().host;
  if (!address.is_v4) Set(opened, IPPROTO_IPV6, IPV6_V6ONLY, is_any ? 0 : 1);
  if (options.read_buffer > 0)
    Set(opened, SOL_SOCKET, SO_RCVBUF, static_cast<int>(options.read_buffer));
  if (options.write_buffer > 0)
    Set(opened, SOL_SOCKET, SO_SNDBUF, static_cast<int>(options.write_buffer));
  return opened;
}

// socket() and what is done with it then; the address is that of the peer, or its own.
template <class Call>
absl::StatusOr<int> OpenAnd(std::string_view what, Call call, const PeerAddress& address,
                            const KcpOptions& options, bool is_shared = false) {
  const int opened = Open(address, options);
  if (opened < 0) return Failed(what, address);
  if (is_shared) Set(opened, SOL_SOCKET, SO_REUSEPORT, 1);
  sockaddr_storage storage = {};
  const socklen_t size = address.CopyTo(storage);
  if (call(opened, reinterpret_cast<const sockaddr*>(&storage), size) == 0) return opened;
  const int error = errno;
  const absl::Status failed = Failed(what, address);
  close(opened);
  errno = error;
  return failed;
}

// The addresses to try, in order.
absl::StatusOr<std::vector<PeerAddress>> AddressesOf(const std::string& host, int port) {
  if (host.empty()) {
    return std::vector<PeerAddress>{{.port = static_cast<uint16_t>(port)},
                                    {.port = static_cast<uint16_t>(port), .is_v4 = true}};
  }
  addrinfo hints = {};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0) {
    return absl::UnavailableError(
        fmt::format("cannot listen on {}: {}", host, gai_strerror(error)));
  }
  const auto free_found = absl::MakeCleanup([found] { freeaddrinfo(found); });
  std::vector<PeerAddress> addresses;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    sockaddr_storage storage = {};
    std::memcpy(&storage, one->ai_addr, one->ai_addrlen);
    addresses.push_back(PeerAddress::Of(storage));
  }
  return addresses;
}

}  // namespace

absl::StatusOr<BoundUdp> BindUdp(const std::string& host, int port, const KcpOptions& options) {
  ASSIGN_OR_RETURN(const std::vector<PeerAddress> addresses, AddressesOf(host, port));
  absl::Status failed;
  for (const PeerAddress& address : addresses) {
    const absl::StatusOr<int> bound = OpenAnd("listen on", ::bind, address, options);
    if (bound.ok()) {
      sockaddr_storage own = {};
      socklen_t size = sizeof(own);
      getsockname(*bound, reinterpret_cast<sockaddr*>(&own), &size);
      return BoundUdp{.socket = *bound, .address = PeerAddress::Of(own)};
    }
    const bool is_taken = errno == EADDRINUSE;
    failed = bound.status();
    if (is_taken) break;
  }
  return failed;
}

absl::Status ShareUdp(int socket) {
  const int yes = 1;
  if (setsockopt(socket, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof(yes)) == 0) return absl::OkStatus();
  return absl::UnavailableError(
      fmt::format("cannot share a UDP port between loops: {}", std::strerror(errno)));
}

absl::StatusOr<int> JoinUdp(const PeerAddress& address, const KcpOptions& options) {
  return OpenAnd("listen on", ::bind, address, options, /*is_shared=*/true);
}

absl::StatusOr<int> ConnectUdp(const PeerAddress& peer, const KcpOptions& options) {
  return OpenAnd("connect to", ::connect, peer, options);
}

}  // namespace due
