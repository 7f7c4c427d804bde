// A Turn gathers what is written to the connections of one loop, so that each is written to once in a
// turn of the loop, however many messages and threads there are.
//
//   turn->FlushLater(connection);                    // on the loop: it writes when the turn ends
//   turn->Send(std::make_unique<Message>(…));        // from another thread; takes no lock
//
// What other threads send is opened on the loop in the order of sending. Whoever acts on the loop's
// own thread takes what was sent first (TakeSent): of two messages, the first comes first then,
// whatever threads a coroutine has gone through in between.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "core/net/deadlines.h"
#include "core/net/loops.h"

namespace micro::net {

class Turn : public std::enable_shared_from_this<Turn> {
 public:
  // What is written at the end of a turn.
  class Writer {
   public:
    virtual void Flush() = 0;

   protected:
    ~Writer() = default;
  };

  // What goes from another thread to the loop.
  class Parcel {
   public:
    virtual ~Parcel() = default;  // on the loop, or unopened, where the loop ends first
    virtual void Open() = 0;      // on the loop

   private:
    friend class Turn;
    Parcel* next_ = nullptr;
  };

  // A Turn, or what derives from it. Freed on its loop, whichever thread lets go of it last; with the
  // loop, if that ends before.
  template <class T>
  static std::shared_ptr<T> New(Loop& loop) {
    return std::shared_ptr<T>(
        new T(loop), [&loop](T* turn) { loop.Post([owned = std::unique_ptr<T>(turn)] {}); });
  }

  explicit Turn(Loop& loop) : loop_(loop), deadlines_(loop) {}
  virtual ~Turn();
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  Loop& loop() { return loop_; }
  Deadlines& deadlines() { return deadlines_; }

  // Has it write what waits, at the end of this turn. On the loop.
  void FlushLater(std::shared_ptr<Writer> writer);

  // From any thread. The first in a turn wakes the loop.
  void Send(std::unique_ptr<Parcel> parcel);
  void Send(absl::AnyInvocable<void()> work);

  // Opens what other threads have sent until now; from inside a parcel nothing, as what is new comes
  // after what is being opened. On the loop.
  void TakeSent() {
    if (last_.load(std::memory_order_acquire) != nullptr) OpenAll();
  }

 private:
  void OpenAll();
  void FlushAll();

  Loop& loop_;
  Deadlines deadlines_;
  std::vector<std::shared_ptr<Writer>> due_;  // to be flushed
  bool is_opening_ = false;
  std::atomic<Parcel*> last_ = nullptr;  // of the parcels, each before the one that came before
};

}  // namespace micro::net
