// What a server or client has seen since it began.
#pragma once

#include <array>
#include <cstdint>

#include "due/network/conn.h"

namespace due {

struct Counts {
  int64_t accepted = 0;  // connections, of a client those that it opened
  int64_t refused = 0;   // above max_conn_num; of KCP their datagrams
  int64_t unopened = 0;  // whose handshake failed: WebSocket's
  int64_t open = 0;      // now
  int64_t packets_in = 0, packets_out = 0;
  int64_t bytes_in = 0, bytes_out = 0;
  int64_t full = 0;        // packets that were pushed to connections with full queues
  int64_t dropped = 0;     // messages that held no packet: text, a wrong size
  int64_t broadcasts = 0;  // each encoded once
  int64_t missed = 0;      // broadcasts by connections with full queues
  int64_t slowed = 0;      // times that a connection was read later, above packet_rate
  std::array<int64_t, kCauses> ended = {};  // by Cause
};

}  // namespace due
