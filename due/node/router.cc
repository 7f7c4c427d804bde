#include "due/node/router.h"

#include <ranges>

namespace due {
namespace {

RequestHandler Wrap(const Middleware& middleware, RequestHandler next) {
  return [middleware, next = std::move(next)](micro::Context ctx, Request& request) {
    return middleware(ctx, request, next);
  };
}

}  // namespace

void Router::Add(int32_t route, RequestHandler handler, RouteOptions options) {
  for (const Middleware& middleware : options.middlewares | std::views::reverse)
    handler = Wrap(middleware, std::move(handler));
  routes_[route] = {.handler = std::move(handler),
                    .internal = options.internal,
                    .stateful = options.stateful,
                    .authorized = options.authorized};
}

void Router::Group::Add(int32_t route, RequestHandler handler, RouteOptions options) const {
  options.middlewares.insert(options.middlewares.begin(), middlewares_.begin(), middlewares_.end());
  router_.Add(route, std::move(handler), std::move(options));
}

const Router::Route* Router::FindRoute(int32_t route) const {
  const auto found = routes_.find(route);
  return found == routes_.end() ? nullptr : &found->second;
}

const RequestHandler* Router::Find(int32_t route) const {
  const Route* const found = FindRoute(route);
  if (found != nullptr) return &found->handler;
  return default_ == nullptr ? nullptr : &default_;
}

}  // namespace due
