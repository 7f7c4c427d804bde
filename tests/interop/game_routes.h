// The routes of a game's node, as the peers of the interop matrices agree on them.
#pragma once

#include <memory>

#include "due/node/node.h"

namespace interop {

// What a node has been told of players, and who counts as what.
class GameRoutes {
 public:
  // Adds its routes and events to the node, which outlives it and its service's end. `raw`: echoes
  // are answered with the bytes that came.
  GameRoutes(due::Node& node, bool raw);
  ~GameRoutes();

 private:
  struct Told;
  std::unique_ptr<Told> told_;
};

}  // namespace interop
