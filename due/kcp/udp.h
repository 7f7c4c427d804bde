// UDP sockets as KCP uses them: they do not block, and are closed on exec. Internal. Any thread.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "due/kcp/options.h"
#include "due/kcp/peer_address.h"

namespace due {

struct BoundUdp {
  int socket = -1;
  PeerAddress address = {};  // its own
};

// A socket of host:port, as in net::Listener::Listen. UNAVAILABLE: taken, or not this machine's.
absl::StatusOr<BoundUdp> BindUdp(const std::string& host, int port, const KcpOptions& options);

// Lets other sockets of this user join the address of one that is bound, and has one join.
absl::Status ShareUdp(int socket);
absl::StatusOr<int> JoinUdp(const PeerAddress& address, const KcpOptions& options);

// A socket that exchanges datagrams with `peer` alone.
absl::StatusOr<int> ConnectUdp(const PeerAddress& peer, const KcpOptions& options);

}  // namespace due
