// A Dispatcher hands what comes over a node's links to its handlers. Internal.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>

#include "core/in_order.h"
#include "core/task_scope.h"
#include "due/link/server.h"
#include "due/locate/cached_locator.h"
#include "due/node/links.h"
#include "due/node/router.h"

namespace due {

// What has become of a player.
struct PlayerEvent {
  link::Event event = link::Event::kConnect;
  std::string gid = {};
  int64_t cid = 0, uid = 0;
};
using EventHandler =
    std::function<micro::Task<absl::Status>(micro::Context ctx, PlayerEvent event)>;

class Dispatcher final : public LinkHandler {
 public:
  struct Counts {
    int64_t requests = 0, events = 0;
    int64_t failed = 0;    // whose handler answered with an error
    int64_t invalid = 0;   // packets that are none
    int64_t unrouted = 0;  // that no handler has
    int64_t misplaced =
        0;                // with state, whose user is bound elsewhere, or that too many wait before
    int64_t refused = 0;  // from who is neither gate nor node
  };

  // All of them outlive it; router and events change no more.
  Dispatcher(const Router& router, const std::array<EventHandler, 4>& events, NodeLinks& links,
             CachedLocator& locator, std::function<link::State()> state,
             std::function<void(link::State)> set_state)
      : router_(router),
        events_(events),
        links_(links),
        locator_(locator),
        state_(std::move(state)),
        set_state_(std::move(set_state)) {}
  ~Dispatcher() override { scope_.Join(); }

  void Handle(const std::shared_ptr<const LinkPeer>& peer, const link::Request& request,
              LinkReply reply) override;

  Counts counts() const;

  // How many handlers run.
  int running() const { return scope_.running(); }

  // Waits for the handlers. No request comes any more.
  auto Done() { return scope_.Done(); }

 private:
  void Deliver(const LinkPeer& peer, const link::Deliver& deliver);
  void Trigger(const LinkPeer& peer, const link::Trigger& trigger);
  micro::Task<void> Run(const RequestHandler& handler, std::unique_ptr<Request> request);
  micro::Task<void> Begin(const RequestHandler& handler, bool is_stateful,
                          std::unique_ptr<Request> request);
  micro::Task<void> RunEvent(const EventHandler& handler, PlayerEvent event);

  const Router& router_;
  const std::array<EventHandler, 4>& events_;  // by event
  NodeLinks& links_;
  CachedLocator& locator_;
  const std::function<link::State()> state_;
  const std::function<void(link::State)> set_state_;
  std::atomic<int64_t> requests_ = 0, triggers_ = 0, failed_ = 0, invalid_ = 0, unrouted_ = 0,
                       misplaced_ = 0, refused_ = 0;
  micro::TaskScope scope_;
  micro::InOrder line_{scope_, 1024};  // requests that wait for where their users are, by player
};

}  // namespace due
