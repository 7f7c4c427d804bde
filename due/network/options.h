// How a game's server and client talk to their peers. Names and defaults are those of due's
// etc.network.tcp.*, .ws.* and .kcp.* (reference/due.md §2).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "due/kcp/options.h"
#include "due/packet/options.h"

namespace due {

// Who begins with heartbeats: the client, whose every one is answered, or the server by itself.
enum class HeartbeatMechanism { kResp, kTick };

struct ServerOptions {
  std::string network = "tcp";    // or ws, kcp
  std::string address = ":3553";  // port 0: a free one
  PacketOptions packet = {};
  KcpOptions kcp = {};

  std::string cert_file = {}, key_file = {};  // both: TLS; not for KCP
  int max_conn_num = 5000;                    // more are closed as they come
  int64_t first_id = 1;                       // of connections

  // Packets that wait to be written to one connection. Who pushes more is refused; what comes in is
  // not read while as many answers wait.
  int write_queue_size = 512;

  // Packets that are read of one connection in a second, be it at once; what comes above that is read
  // later. Zero, as due: all are.
  int packet_rate = 0;

  // A connection that takes nothing of what waits for so long is closed.
  absl::Duration stall_timeout = absl::Seconds(30);

  // A connection that is silent for twice as long is closed; zero: none is.
  absl::Duration heartbeat_interval = absl::Seconds(10);
  HeartbeatMechanism heartbeat_mechanism = HeartbeatMechanism::kResp;

  // A connection without a user for so long is closed; zero: none is.
  absl::Duration authorize_timeout = absl::ZeroDuration();

  // TLS's handshake, and WebSocket's.
  absl::Duration handshake_timeout = absl::Seconds(10);

  // Of WebSocket: "/" is every path, another only itself; of the Origin headers, one must be equal, and
  // "*" is any or none.
  std::string path = "/";
  std::vector<std::string> origins = {"*"};

  // INVALID_ARGUMENT names the option that has no meaning.
  absl::Status Check() const;
};

struct ClientOptions {
  std::string network = "tcp";             // or ws, kcp
  std::string address = "127.0.0.1:3553";  // of ws also "ws://host:port/path", "wss://…"
  PacketOptions packet = {};
  KcpOptions kcp = {};

  std::string ca_file = {}, server_name = {};  // either: TLS
  absl::Duration dial_timeout = absl::Seconds(3);
  int write_queue_size = 1024;
  absl::Duration stall_timeout = absl::Seconds(30);

  // Between heartbeats; a server that is silent for twice as long is left. Zero: neither.
  absl::Duration heartbeat_interval = absl::Seconds(10);

  absl::Status Check() const;
};

}  // namespace due
