// The address of a UDP peer: the key of its session. Internal.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <string>
#include <utility>

namespace due {

struct PeerAddress {
  std::array<uint8_t, 16> host = {};  // IPv4: the first four
  uint32_t scope = 0;                 // of a link-local IPv6 address
  uint16_t port = 0;
  bool is_v4 = false;

  static PeerAddress Of(const sockaddr_storage& address);

  // As the system wants it; how long that is.
  socklen_t CopyTo(sockaddr_storage& address) const;

  // "127.0.0.1:8080"; an IPv4 address in an IPv6 one is shown as what it is.
  std::string ToText() const;

  friend bool operator==(const PeerAddress& a, const PeerAddress& b) = default;

  template <class Hash>
  friend Hash AbslHashValue(Hash hash, const PeerAddress& address) {
    return Hash::combine(std::move(hash), address.host, address.scope, address.port);
  }
};

}  // namespace due
