#include "due/kcp/peer_address.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <cstring>

namespace due {

PeerAddress PeerAddress::Of(const sockaddr_storage& address) {
  PeerAddress peer;
  if (address.ss_family == AF_INET) {
    sockaddr_in in;
    std::memcpy(&in, &address, sizeof(in));
    std::memcpy(peer.host.data(), &in.sin_addr, sizeof(in.sin_addr));
    peer.port = ntohs(in.sin_port);
    peer.is_v4 = true;
  } else if (address.ss_family == AF_INET6) {
    sockaddr_in6 in;
    std::memcpy(&in, &address, sizeof(in));
    std::memcpy(peer.host.data(), &in.sin6_addr, sizeof(in.sin6_addr));
    peer.port = ntohs(in.sin6_port);
    peer.scope = in.sin6_scope_id;
  }
  return peer;
}

socklen_t PeerAddress::CopyTo(sockaddr_storage& address) const {
  if (is_v4) {
    sockaddr_in in = {};
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    std::memcpy(&in.sin_addr, host.data(), sizeof(in.sin_addr));
    std::memcpy(&address, &in, sizeof(in));
    return sizeof(in);
  }
  sockaddr_in6 in = {};
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(port);
  in.sin6_scope_id = scope;
  std::memcpy(&in.sin6_addr, host.data(), sizeof(in.sin6_addr));
  std::memcpy(&address, &in, sizeof(in));
  return sizeof(in);
}

std::string PeerAddress::ToText() const {
  in6_addr v6;
  std::memcpy(&v6, host.data(), sizeof(v6));
  const bool shows_v4 = is_v4 || IN6_IS_ADDR_V4MAPPED(&v6);
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(shows_v4 ? AF_INET : AF_INET6, host.data() + (shows_v4 && !is_v4 ? 12 : 0), text,
            sizeof(text));
  return shows_v4 ? fmt::format("{}:{}", text, port) : fmt::format("[{}]:{}", text, port);
}

}  // namespace due
