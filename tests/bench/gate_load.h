// The light client of gate_bench: one thread, epoll, packets of one size, as many in flight on each
// connection as the window says. And the bare server that it can measure beside ours.
#pragma once

#include <string>

#include "due/kcp/options.h"

namespace bench {

struct GateLoad {
  std::string network = "tcp";  // or ws, kcp
  int port = 0;
  int connections = 50;
  int window = 1;
  int body = 64;       // bytes of a packet's message, 8 at least
  double seconds = 1;  // measured, after a quarter as long of warming up
};

// Connects, prints `connected`, runs, and prints `measured MESSAGES SECONDS P50_NS P99_NS ALL`, where
// ALL counts from the start on. Ends the process where an answer is not what was sent.
void RunGateLoad(const GateLoad& load);

// The same over KCP, with our own client; for a process on one core.
void RunKcpLoad(const GateLoad& load);

// What games tune KCP to, for both sides of each pair.
inline due::KcpOptions GateKcp() {
  return {.no_delay = {.nodelay = 1, .interval_ms = 10, .resend = 2, .nc = 1},
          .send_window = 256,
          .receive_window = 256};
}

// Opens connections that say nothing, prints `connected` and waits to be killed.
void HoldConnections(const GateLoad& load);

// Prints `ready addr=…`, takes the connections, and for each line that it reads sends one packet to
// all of them, one bare call each, and prints `done …`.
void RunBareBroadcast(const GateLoad& load);

// Echoes packets over TCP with epoll, a read and a write for all that a read has brought: prints
// `ready addr=…`, and waits to be killed.
[[noreturn]] void RunBareEcho();

// A gate and a node of the same kind, one connection between them: each prints `ready addr=…`, and
// ends with the other.
[[noreturn]] void RunBareNode();
[[noreturn]] void RunBareGate(int node_port);

}  // namespace bench
