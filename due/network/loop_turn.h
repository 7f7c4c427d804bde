// A LoopTurn is what the sessions of one loop have in common: its turn, and what they count. Internal.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/net/turn.h"

namespace due {

class Session;

class LoopTurn final : public micro::net::Turn {
 public:
  using Turn::Turn;

  // Packets that went over the loop's connections: written on the loop, read anywhere.
  std::atomic<int64_t> packets_in = 0, packets_out = 0;
  std::atomic<int64_t> dropped = 0;  // messages that held no packet
  std::atomic<int64_t> missed = 0;   // broadcasts, by connections whose queue was full

  // An empty text with room, lent to the session that delivers what it has read. On the loop.
  std::string spare;

  // From another thread: the session takes a packet. Takes no lock.
  void Push(std::shared_ptr<Session> session, std::string_view packet);
};

}  // namespace due
