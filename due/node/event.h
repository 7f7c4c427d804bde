// What becomes of players, as nodes hear of it.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "core/context.h"
#include "core/task.h"
#include "due/link/frames.h"

namespace due {

// What has become of a player. An end comes behind the player's last packet.
struct PlayerEvent {
  link::Event event = link::Event::kConnect;
  std::string gid = {};
  int64_t cid = 0, uid = 0;  // of the gate's connection; of the user, 0: nobody
};

// As a RequestHandler.
using EventHandler =
    std::function<micro::Task<absl::Status>(micro::Context ctx, PlayerEvent event)>;
using EventHandlers = std::array<EventHandler, 4>;  // by event; null: nobody wants to hear of it

// What a node has done with what came.
struct DispatchCounts {
  int64_t requests = 0, events = 0;
  int64_t failed = 0;      // whose handler answered with an error
  int64_t invalid = 0;     // packets that are none
  int64_t unrouted = 0;    // that no handler has
  int64_t misplaced = 0;   // with state, whose user is bound elsewhere
  int64_t overflowed = 0;  // behind as many of their player as may wait; dropped
  int64_t refused = 0;     // from who is neither gate nor node
};

}  // namespace due
