// A Router is what a node does with which route: handlers, and middleware around them.
//
//   Router router;
//   router.Add(1, [](micro::Context ctx, Request& request) -> micro::Task<absl::Status> {
//     co_return request.Respond(request.body());
//   });
//   Router::Group rooms = router.NewGroup({LogIt});
//   rooms.Add(2, Join, {.stateful = true, .authorized = true});
//
// Filled before the node starts, by one thread; then read by any. Mirrors due's node.Router.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "core/context.h"
#include "core/task.h"
#include "due/node/request.h"

namespace due {

// What is done with a request, which lives until the task has ended. It begins on a loop of the
// node, which it must not block; behind a co_await it goes on wherever that woke it. A player's next
// request, or event, waits until then; those of others do not. An error is logged and counted: the
// player is told nothing that the handler does not say.
using RequestHandler =
    std::function<micro::Task<absl::Status>(micro::Context ctx, Request& request)>;

// Runs around a handler: calls `next`, or does not.
using Middleware = std::function<micro::Task<absl::Status>(micro::Context ctx, Request& request,
                                                           const RequestHandler& next)>;

// What gates know of a route.
struct RouteOptions {
  bool internal = false;    // for nodes alone
  bool stateful = false;    // goes to the node that the user is bound to
  bool authorized = false;  // needs a user
  std::vector<Middleware> middlewares = {};
};

class Router {
 public:
  struct Route {
    RequestHandler handler = nullptr;  // with its middleware around it
    bool internal = false, stateful = false, authorized = false;
  };

  // Adds routes, with its middleware outside of theirs.
  class Group {
   public:
    void Add(int32_t route, RequestHandler handler, RouteOptions options = {}) const;

   private:
    friend class Router;
    Group(Router& router, std::vector<Middleware> middlewares)
        : router_(router), middlewares_(std::move(middlewares)) {}
    Router& router_;
    const std::vector<Middleware> middlewares_;
  };

  // In place of what the route had.
  void Add(int32_t route, RequestHandler handler, RouteOptions options = {});

  // The first is outermost. The router outlives the group.
  Group NewGroup(std::vector<Middleware> middlewares) { return {*this, std::move(middlewares)}; }

  // For routes that have none: what comes straight from other nodes.
  void SetDefault(RequestHandler handler) { default_ = std::move(handler); }

  // Null: nobody does anything with it.
  const RequestHandler* Find(int32_t route) const;
  const Route* FindRoute(int32_t route) const;

  const std::unordered_map<int32_t, Route>& routes() const { return routes_; }

 private:
  std::unordered_map<int32_t, Route> routes_;
  RequestHandler default_ = nullptr;
};

}  // namespace due
