// Sessions are the connections of a gate: by their own number, by the user that is bound to them, and
// by the channels that they subscribed to.
//
//   Sessions sessions;                                  // from the server's hooks: Add, Remove
//   ASSIGN_OR_RETURN(const Bound bound, sessions.Bind(cid, uid));
//   …
//   sessions.Unbind(uid, bound.epoch);                  // that binding, and no later one
//
// A user has one connection, the one that was bound last. Each bind has an epoch, larger than all
// before: what is done for an old binding, however late it comes, does nothing to a newer one.
// Mirrors due's session table (reference/due.md §3.3), without its one lock: each operation locks a
// shard of what it is about.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "core/mutex.h"
#include "due/link/frames.h"
#include "due/network/conn.h"

namespace due {

// By what a connection is meant: its number, or its user's.
using SessionKind = link::SessionKind;

using ConnPtr = std::shared_ptr<Conn>;

// What a bind has come to.
struct Bound {
  ConnPtr conn = nullptr;
  uint64_t epoch = 0;
  bool is_new = false;          // false: it was so already
  ConnPtr displaced = nullptr;  // the user's connection until now, open and nobody's from now on
  int64_t previous_uid = 0;     // whose the connection was until now; 0: nobody's
  uint64_t previous_epoch = 0;
};

// All of it from any thread.
class Sessions {
 public:
  Sessions();
  ~Sessions();

  // A connection has come; it is nobody's.
  void Add(ConnPtr conn);

  // It is gone: from all maps and channels. The user it had, whose connection nobody else has become
  // meanwhile: 0 there is none.
  int64_t Remove(int64_t cid);

  // Binds a user to a connection. INVALID_ARGUMENT: a number is below 1; NOT_FOUND: there is no such
  // connection.
  absl::StatusOr<Bound> Bind(int64_t cid, int64_t uid);

  // Takes a user's binding back: the one of `epoch`, or with none whichever there is. False: there is
  // none, or it is a newer one.
  bool Unbind(int64_t uid, std::optional<uint64_t> epoch = std::nullopt);

  // Null: there is none.
  ConnPtr Find(SessionKind kind, int64_t target) const;

  int64_t Count(SessionKind kind) const;

  // All connections, or those of users.
  std::vector<ConnPtr> All(SessionKind kind) const;

  // A channel is there as long as somebody subscribes to it. False: there is no such session.
  bool Subscribe(SessionKind kind, int64_t target, std::string_view channel);
  bool Unsubscribe(SessionKind kind, int64_t target, std::string_view channel);
  std::vector<ConnPtr> Subscribers(std::string_view channel) const;
  int64_t channels() const;

 private:
  struct Entry;
  using EntryPtr = std::shared_ptr<Entry>;

  // A part of a map.
  template <class Key, class Value>
  struct alignas(64) Shard {
    mutable micro::Mutex mutex;
    std::unordered_map<Key, Value> map ABSL_GUARDED_BY(mutex);
  };
  struct Binding {
    EntryPtr entry;
    uint64_t epoch = 0;
  };
  using Members = std::unordered_map<int64_t, ConnPtr>;

  static constexpr size_t kShards = 64;
  template <class Key, class Value>
  using Map = std::array<Shard<Key, Value>, kShards>;

  EntryPtr FindEntry(SessionKind kind, int64_t target) const;
  bool EraseUser(int64_t uid, uint64_t epoch);
  void Leave(int64_t cid, const std::string& channel);

  Map<int64_t, EntryPtr> conns_;
  Map<int64_t, Binding> users_;
  Map<std::string, Members> channels_;
  std::atomic<int64_t> conn_count_ = 0, user_count_ = 0;
  std::atomic<uint64_t> epochs_ = 0;
};

}  // namespace due
