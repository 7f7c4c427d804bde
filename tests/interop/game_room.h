// A GameRoom is where one check of a game happens: its connections, which end with it.
//
//   Task<absl::Status> Internal(Context ctx, GameRoom& room) {
//     CO_ASSIGN_OR_RETURN(GameLink* const link, co_await room.Join(ctx));
//     co_return co_await link->Unanswered(ctx, kInternal);
//   }
//   … {"internal is refused", InRoom<Internal>} …
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "tests/interop/game_link.h"
#include "tests/interop/player_check.h"

namespace interop {

// For one coroutine.
class GameRoom {
 public:
  explicit GameRoom(const Player& player);

  const Player& player() const { return player_; }
  const PlayerOptions& options() const { return player_.options(); }
  bool has_several_nodes() const { return options().nodes > 1; }

  // A text that no other room has: for what is broadcast, and for channels.
  std::string Mark(std::string_view text) const;

  // Connects, to --address or --other_address.
  micro::Task<absl::StatusOr<GameLink*>> Connect(micro::Context ctx, bool to_other_gate);

  // The same, and awaits an echo, so that the gate knows the connection. With a user it is bound to
  // that.
  struct Who {
    int64_t uid = 0;
    bool at_other_gate = false;
  };
  micro::Task<absl::StatusOr<GameLink*>> Join(micro::Context ctx, Who who = {0, false});

  // Nothing has come to a connection that it has not waited for.
  micro::Task<absl::Status> Silent(micro::Context ctx);

 private:
  const Player& player_;
  const std::string mark_;
  std::deque<GameLink> links_;
};

// A user that no check has had, in this or another run.
int64_t NewUid();

// A PlayerCheck's run, at whose end nothing more comes than was waited for.
template <micro::Task<absl::Status> (*check)(micro::Context, GameRoom&)>
micro::Task<absl::Status> InRoom(micro::Context ctx, const Player& player) {
  GameRoom room(player);
  absl::Status status = co_await check(ctx, room);
  if (status.ok()) status = co_await room.Silent(ctx);
  co_return status;
}

}  // namespace interop
