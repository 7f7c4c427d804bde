// Loops are the threads that network events run on: one event loop (Asio's io_context) per core,
// and a connection stays on its loop.
//
//   net::Loop& loop = net::Loops::Default().Next();           // for a new connection
//   co_await loop.Enter();                                    // the coroutine goes on in the loop
//   loop.Post([=] { connection->Start(); });                  // the same for a function
//
// What belongs to a loop is used on its thread alone, and so needs no lock. Whatever runs there
// holds up all connections of the loop: it never blocks. Loops hold no protocol: the HTTP RPC wire,
// the game gate and the admin pages share them.
#pragma once

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <memory>
#include <vector>

#include "absl/functional/any_invocable.h"

namespace boost::asio {
class io_context;
}

namespace micro::net {

class Loop {
 public:
  Loop();
  ~Loop();  // lets posted work go unrun; not on its own thread
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  boost::asio::io_context& io() { return *io_; }

  // The loop of this thread, or null.
  static Loop* Current();
  bool IsCurrent() const { return Current() == this; }

  // Runs `work` on the loop's thread, never inside Post itself; in the order of posting. From any
  // thread. From the loop's own thread: after the handlers of the events that are at hand now,
  // which is the place to flush what they wrote.
  void Post(absl::AnyInvocable<void()> work);

  // co_await loop.Enter(): goes on on the loop's thread; at once when it is there already.
  auto Enter() {
    struct Awaiter {
      Loop& loop;
      bool await_ready() const { return loop.IsCurrent(); }
      void await_suspend(std::coroutine_handle<> waiter) {
        loop.Post([waiter] { waiter.resume(); });
      }
      void await_resume() const {}
    };
    return Awaiter{*this};
  }

 private:
  struct Thread;
  std::unique_ptr<boost::asio::io_context> io_;
  std::unique_ptr<Thread> thread_;
};

class Loops {
 public:
  explicit Loops(size_t count);

  // The loops of the process, one per core that it may use; they live as long as it.
  static Loops& Default();

  // One after the other, so that connections spread over the cores. From any thread.
  Loop& Next();

  size_t size() const { return loops_.size(); }
  Loop& operator[](size_t index) { return *loops_[index]; }

 private:
  std::vector<std::unique_ptr<Loop>> loops_;
  std::atomic<size_t> next_ = 0;
};

}  // namespace micro::net
