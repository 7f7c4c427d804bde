// A Dispatcher hands what comes over a node's links to its handlers. Internal.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>

#include "core/in_order.h"
#include "core/task_scope.h"
#include "due/link/server.h"
#include "due/node/event.h"
#include "due/node/links.h"
#include "due/node/router.h"

namespace due {

class Dispatcher final : public LinkHandler {
 public:
  using Counts = DispatchCounts;

  struct Settings {
    // The node's state, and its change, which is told to the registry.
    std::function<link::State()> state = nullptr;
    std::function<void(link::State)> set_state = nullptr;

    // How long a handler's context lasts, from when its packet came; zero: without end.
    absl::Duration request_timeout = absl::ZeroDuration();

    // Requests and events whose handlers have not ended; more are dropped.
    int64_t most_pending = 100'000;
  };

  // All of them outlive it; router and events change no more.
  Dispatcher(Settings settings, const Router& router, const EventHandlers& events,
             NodeLinks& links);
  ~Dispatcher() override { scope_.Join(); }

  void Handle(const std::shared_ptr<const LinkPeer>& peer, const link::Request& request,
              LinkReply reply) override;

  Counts counts() const;

  // How many handlers run.
  int running() const { return scope_.running(); }

  // Ends the contexts of handlers.
  void Cancel() { end_(); }

  // Waits for the handlers. No request comes any more.
  auto Done() { return scope_.Done(); }

 private:
  void Deliver(const LinkPeer& peer, const link::Deliver& deliver);
  bool Trigger(const LinkPeer& peer, const link::Trigger& trigger);
  template <class Make>
  void InTurn(const LinkPeer& peer, int64_t cid, int64_t uid, Make make);
  micro::Task<void> Run(micro::Context ctx, micro::net::Loop& loop, const RequestHandler& handler,
                        bool is_located, std::unique_ptr<Request> request);
  micro::Task<void> RunEvent(micro::Context ctx, micro::net::Loop& loop,
                             const EventHandler& handler, PlayerEvent event);
  micro::Context PlayersContext(const std::string& gid, int64_t cid, int64_t uid) const;

  const uint64_t id_;  // never given twice
  const Settings settings_;
  const Router& router_;
  const EventHandlers& events_;
  NodeLinks& links_;
  micro::Context life_;
  micro::CancelFunction end_;
  std::atomic<int64_t> requests_ = 0, triggers_ = 0, failed_ = 0, invalid_ = 0, unrouted_ = 0,
                       misplaced_ = 0, overflowed_ = 0, refused_ = 0, pending_ = 0;
  micro::TaskScope scope_;
  micro::InOrder line_{scope_, 1024};  // of each player
};

}  // namespace due
