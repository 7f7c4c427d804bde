// How KCP connections behave. Names and defaults are those of due's etc.network.kcp.*, and where it
// sets nothing, of kcp-go (reference/due.md §2.6).
#pragma once

#include <cstddef>

#include "absl/status/status.h"

namespace due {

// due's list noDelay, in its order: {1, 10, 2, 1} is what games use.
struct KcpNoDelay {
  int nodelay = 0;        // 1: what is lost is sent again sooner, and its wait grows more slowly
  int interval_ms = 100;  // the least that is added to the round trip before it is; 10 to 5000
  int resend = 0;         // sent again once so many later ones were acknowledged; 0: only in time
  int nc = 0;             // 1: sends what the windows allow, whatever is lost
};

struct KcpOptions {
  int mtu = 1400;  // of a datagram that is sent; 50 to 1500. Those that come may have 1500
  KcpNoDelay no_delay = {};

  // Acknowledges at the end of the loop's turn in any case. False: 10 ms later when it was little
  // that came, so that the acknowledgement rides on the answer.
  bool ack_no_delay = false;

  // Sends what is written after interval_ms, unless it fills a datagram. False: at the turn's end.
  bool write_delay = false;

  // In segments: how many go unacknowledged, and how many are kept for a reader. As many more as the
  // first are taken and wait. 1 to 32768.
  int send_window = 32, receive_window = 32;

  size_t read_buffer = 0, write_buffer = 0;  // bytes of the UDP socket; 0: the system's

  // INVALID_ARGUMENT names the option that has no meaning.
  absl::Status Check() const;
};

}  // namespace due
