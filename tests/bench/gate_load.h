// The light client of gate_bench: one thread, epoll, packets of one size, as many in flight on each
// connection as the window says. And the bare server that it can measure beside ours.
#pragma once

#include <string>

namespace bench {

struct GateLoad {
  std::string network = "tcp";  // or ws
  int port = 0;
  int connections = 50;
  int window = 1;
  int body = 64;       // bytes of a packet's message, 8 at least
  double seconds = 1;  // measured, after a quarter as long of warming up
};

// Connects, prints `connected`, runs, and prints `measured MESSAGES SECONDS P50_NS P99_NS ALL`, where
// ALL counts from the start on. Ends the process where an answer is not what was sent.
void RunGateLoad(const GateLoad& load);

// Opens connections that say nothing, prints `connected` and waits to be killed.
void HoldConnections(const GateLoad& load);

// Prints `ready addr=…`, takes the connections, and for each line that it reads sends one packet to
// all of them, one bare call each, and prints `done …`.
void RunBareBroadcast(const GateLoad& load);

// Echoes packets over TCP with epoll, a read and a write for all that a read has brought: prints
// `ready addr=…`, and waits to be killed.
void RunBareEcho();

}  // namespace bench
