// A PlayerCheck is one thing that a player asks of a server.
#pragma once

#include <string>

#include "tests/interop/player_link.h"

namespace interop {

struct PlayerCheck {
  std::string name = {};

  // With a Player of its own. An error says why the server is not as it must be.
  micro::Task<absl::Status> (*run)(micro::Context ctx, const Player& player) = nullptr;

  // Whether it is one for this player and server; null: it is for all.
  bool (*wanted)(const PlayerOptions& options) = nullptr;
};

}  // namespace interop
