// A SessionTable is the sessions of a server or of a client, each on its loop. Internal.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/async.h"
#include "core/context.h"
#include "core/mutex.h"
#include "core/net/loops.h"
#include "core/task.h"
#include "due/network/counts.h"
#include "due/network/session.h"

namespace due {

class SessionTable final : public std::enable_shared_from_this<SessionTable> {
 public:
  // `most` at once, with ids from `first_id` on.
  SessionTable(micro::net::Loops& loops, std::shared_ptr<const SessionSettings> settings,
               int64_t most, int64_t first_id = 1);

  // Starts a session on its loop, and there: with the bytes that were `read` already. Null: as many
  // are open as may, or all have been ended.
  std::shared_ptr<Session> Add(micro::net::Loop& loop, std::unique_ptr<micro::net::Socket> socket,
                               std::unique_ptr<Wire> wire, std::string_view read);

  // Of a loop, for its thread.
  micro::net::Deadlines& DeadlinesOf(micro::net::Loop& loop) { return Of(loop).turn->deadlines(); }

  // From any thread: writes bytes of the wire to all sessions that `is_meant` says; null: to all.
  void Broadcast(std::shared_ptr<const std::string> bytes,
                 std::function<bool(const Conn&)> is_meant);

  // From any thread.
  Counts counts() const;

  // Takes no more sessions and ends those there are, at once with `force`; waits until they are gone or
  // `ctx` ends. Not to be waited for on a loop's thread; goes on on none.
  micro::Task<void> EndAll(micro::Context ctx, bool force);

 private:
  // Used on the loop alone.
  struct OnLoop {
    explicit OnLoop(micro::net::Loop& loop) : turn(micro::net::Turn::New<LoopTurn>(loop)) {}
    const std::shared_ptr<LoopTurn> turn;
    std::unordered_map<int64_t, std::shared_ptr<Session>> sessions;
    bool is_closed = false;
  };

  OnLoop& Of(micro::net::Loop& loop);
  void Remove(OnLoop& here, int64_t id, Cause cause);

  const std::shared_ptr<const SessionSettings> settings_;
  const int64_t most_;
  std::vector<std::unique_ptr<OnLoop>> on_loops_;
  std::atomic<int64_t> next_id_, accepted_ = 0, refused_ = 0, open_ = 0;
  std::array<std::atomic<int64_t>, kCauses> ended_ = {};
  micro::Mutex mutex_;
  std::shared_ptr<micro::OneShot<bool>> all_ended_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace due
