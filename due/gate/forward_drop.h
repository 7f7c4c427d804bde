// Why a player's packet went to no node. Nothing is sent to the player, as in due.
#pragma once

#include <cstddef>
#include <string_view>

namespace due {

enum class ForwardDrop {
  kInvalid,       // it is too short to have a route
  kNoRoute,       // nobody has the route
  kUnauthorized,  // the route needs a user
  kInternal,      // the route is for nodes
  kUnbound,       // the user is bound to no node of the route's name
  kNoNode,        // nobody who has the route works, or the user's node has gone
  kTooMany,       // as many wait for the locator as may
  kLocator,       // the locator cannot be asked
  kLink,          // as many wait for the node as may, or it cannot be reached
};
inline constexpr size_t kForwardDrops = 9;
std::string_view NameOf(ForwardDrop drop);  // "no route" …

}  // namespace due
