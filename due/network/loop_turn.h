// A LoopTurn gathers what is pushed to the connections of one loop, so that each is written to once
// in a turn of the loop, however many packets and threads there are. Internal.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "core/net/deadlines.h"
#include "core/net/loops.h"

namespace due {

class Session;

class LoopTurn : public std::enable_shared_from_this<LoopTurn> {
 public:
  // Freed on its loop, whichever thread lets go of it last.
  static std::shared_ptr<LoopTurn> New(micro::net::Loop& loop);

  LoopTurn(const LoopTurn&) = delete;
  LoopTurn& operator=(const LoopTurn&) = delete;

  micro::net::Loop& loop() { return loop_; }
  micro::net::Deadlines& deadlines() { return deadlines_; }

  // Packets that went over the loop's connections: written on the loop, read anywhere.
  std::atomic<int64_t> packets_in = 0, packets_out = 0;
  std::atomic<int64_t> dropped = 0;  // messages that held no packet
  std::atomic<int64_t> missed = 0;   // broadcasts, by connections whose queue was full

  // An empty text with room, lent to the session that delivers what it has read. On the loop.
  std::string spare;

  // Has the session write what waits, at the end of this turn. On the loop.
  void FlushLater(std::shared_ptr<Session> session);

  // From another thread: the session takes a packet. Takes no lock.
  void Push(std::shared_ptr<Session> session, std::string_view packet);

  // The same for work that keeps its place among the packets; from any thread.
  void Push(absl::AnyInvocable<void()> work);

  // What other threads have pushed until now. Before the loop's own thread pushes: of two pushes, the
  // first comes first, whatever threads a coroutine has gone through in between. On the loop.
  void TakePushed() {
    if (last_.load(std::memory_order_acquire) != nullptr) TakeParcels();
  }

 private:
  explicit LoopTurn(micro::net::Loop& loop) : loop_(loop), deadlines_(loop) {}
  ~LoopTurn();

  struct Parcel {
    std::shared_ptr<Session> session = nullptr;
    std::string packet = {};
    absl::AnyInvocable<void()> work = nullptr;  // in place of those
    Parcel* next = nullptr;
  };

  void Push(Parcel* parcel);
  void TakeParcels();
  void FlushAll();

  micro::net::Loop& loop_;
  micro::net::Deadlines deadlines_;
  std::vector<std::shared_ptr<Session>> due_;  // to be flushed
  bool is_taking_ = false;
  std::atomic<Parcel*> last_ = nullptr;  // of the parcels, each before the one that came before
};

}  // namespace due
