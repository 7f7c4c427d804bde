// HostilePeers are connections to a game's server that speak no protocol, or a hostile one; they end with
// the object.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "due/network/options.h"

namespace interop {

class HostilePeers {
 public:
  // Sends noise, and packets that say that they have up to `most_bytes`: each on a connection of its
  // own, in what `client.network` carries them in. Blocks until it is connected. UNAVAILABLE: there
  // is no server, or it does not take WebSocket's handshake.
  static absl::StatusOr<HostilePeers> Attack(const due::ClientOptions& client, uint32_t most_bytes);

  HostilePeers(HostilePeers&&) = default;
  ~HostilePeers();

 private:
  HostilePeers() = default;

  std::vector<int> sockets_;
};

}  // namespace interop
