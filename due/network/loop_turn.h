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

  // What went over the loop's connections: counted on the loop, read anywhere.
  class Count {
   public:
    void Add(int64_t more) { Set(*this + more); }
    operator int64_t() const { return value_.load(std::memory_order_relaxed); }

   private:
    void Set(int64_t value) { value_.store(value, std::memory_order_relaxed); }
    std::atomic<int64_t> value_ = 0;
  };
  Count packets_in, packets_out, bytes_in, bytes_out;
  Count dropped;  // messages that held no packet
  Count missed;   // broadcasts, by connections whose queue was full
  Count slowed;   // times that a connection was read later, as it had sent too much

  std::atomic<int64_t> refused = 0;  // packets that were pushed to full queues; from any thread

  // An empty text with room, lent to the session that delivers what it has read. On the loop.
  std::string spare;

  // From another thread: the session takes a packet. Takes no lock.
  void Push(std::shared_ptr<Session> session, std::string_view packet);
};

}  // namespace due
