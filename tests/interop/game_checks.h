// What a player asks of a game's cluster: of its gates, with the contract's routes on the nodes behind
// them. due/player asks the same in Go, under the same names.
#pragma once

#include <vector>

#include "tests/interop/player_check.h"

namespace interop {

const std::vector<PlayerCheck>& GameChecks();

// They, by subject.
std::vector<PlayerCheck> GamePacketChecks();  // packets, answers, and what is refused
std::vector<PlayerCheck> GameUserChecks();  // who is bound to which gate and node, and who is told
std::vector<PlayerCheck> GamePushChecks();  // what is pushed to whom
std::vector<PlayerCheck> GameClusterChecks();  // whether all is there, nodes, logins twice

// Pushes have routes above 1000, which one byte does not hold.
inline bool HasPushes(const PlayerOptions& options) {
  return options.client.packet.route_bytes > 1;
}
inline bool HasGates(const PlayerOptions& options) {
  return HasPushes(options) && !options.other_address.empty();
}
inline bool HasNodes(const PlayerOptions& options) {
  return HasPushes(options) && options.nodes > 1;
}

}  // namespace interop
