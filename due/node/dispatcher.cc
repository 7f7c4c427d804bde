#include "due/node/dispatcher.h"

#include <utility>
#include <variant>

#include "core/log.h"

namespace due {

using link::Code;
using micro::Context;
using micro::Task;

constexpr absl::Duration kLocatorTime = absl::Seconds(3);

void Dispatcher::Handle(const std::shared_ptr<const LinkPeer>& peer, const link::Request& request,
                        LinkReply reply) {
  if (const auto* deliver = std::get_if<link::Deliver>(&request)) {
    if (peer->kind != link::InstanceKind::kGate && peer->kind != link::InstanceKind::kNode) {
      ++refused_;
      return reply.Done(Code::kInternalError);
    }
    Deliver(*peer, *deliver);
  } else if (const auto* trigger = std::get_if<link::Trigger>(&request)) {
    Trigger(*peer, *trigger);
  } else if (std::holds_alternative<link::GetState>(request)) {
    return reply.Done(Code::kOk, static_cast<uint64_t>(state_()));
  } else if (const auto* state = std::get_if<link::SetState>(&request)) {
    set_state_(state->state);
  } else {
    ++refused_;  // what gates are asked
    return reply.Done(Code::kInternalError);
  }
  reply.Done(Code::kOk);
}

void Dispatcher::Deliver(const LinkPeer& peer, const link::Deliver& deliver) {
  const absl::StatusOr<Message> message = links_.packer().Unpack(deliver.packet);
  if (!message.ok()) {
    ++invalid_;
    return;
  }
  const RequestHandler* const handler = router_.Find(message->route);
  if (handler == nullptr) {
    ++unrouted_;
    return;
  }
  ++requests_;
  const bool is_from_gate = peer.kind == link::InstanceKind::kGate;
  auto request = std::make_unique<Request>(links_, is_from_gate ? peer.id : std::string(),
                                           is_from_gate ? std::string() : peer.id, deliver.cid,
                                           deliver.uid, std::string(deliver.packet), *message);
  const Router::Route* const route = router_.FindRoute(message->route);
  const bool is_stateful = route != nullptr && route->stateful;
  // A player's requests begin in their order: behind one that waits for the locator, all wait.
  const bool waits = is_stateful && locator_.KnownNode(deliver.uid, links_.name()) != links_.nid();
  if (!waits && !line_.IsBusy()) return Spawn(scope_, Run(*handler, std::move(request)));
  micro::InOrder::Work work = [this, handler, is_stateful, kept = std::move(request)]() mutable {
    return Begin(*handler, is_stateful, std::move(kept));
  };
  const int64_t key = deliver.cid != 0 ? deliver.cid : -deliver.uid;
  if (waits) {
    if (!line_.Add(key, std::move(work))) ++misplaced_;
    return;
  }
  switch (line_.AddIfBusy(key, std::move(work))) {
    case micro::InOrder::Added::kYes:
      return;
    case micro::InOrder::Added::kFull:
      ++misplaced_;
      return;
    case micro::InOrder::Added::kNotBusy:
      Spawn(scope_, work());
  }
}

Task<void> Dispatcher::Run(const RequestHandler& handler, std::unique_ptr<Request> request) {
  const absl::Status status = co_await handler(Context(), *request);
  if (status.ok()) co_return;
  ++failed_;
  micro::log::Warn("a request failed",
                   {{"route", request->route()}, {"uid", request->uid()}, {"error", status}});
}

// The gate may be behind the times, and so may what this node remembers. The handler is begun, not
// waited for: the next request may begin.
Task<void> Dispatcher::Begin(const RequestHandler& handler, bool is_stateful,
                             std::unique_ptr<Request> request) {
  if (is_stateful) {
    const auto nid = co_await locator_.LocateNode(WithTimeout(Context(), kLocatorTime),
                                                  request->uid(), links_.name());
    if (request->uid() == 0 || !nid.ok() || *nid != links_.nid()) {
      ++misplaced_;
      co_return;
    }
  }
  Spawn(scope_, Run(handler, std::move(request)));
}

void Dispatcher::Trigger(const LinkPeer& peer, const link::Trigger& trigger) {
  ++triggers_;
  const EventHandler& handler = events_[static_cast<size_t>(trigger.event)];
  if (handler == nullptr) return;
  Spawn(scope_,
        RunEvent(handler,
                 {.event = trigger.event, .gid = peer.id, .cid = trigger.cid, .uid = trigger.uid}));
}

Task<void> Dispatcher::RunEvent(const EventHandler& handler, PlayerEvent event) {
  const absl::Status status = co_await handler(Context(), std::move(event));
  if (status.ok()) co_return;
  ++failed_;
  micro::log::Warn("an event failed", {{"error", status}});
}

Dispatcher::Counts Dispatcher::counts() const {
  return {.requests = requests_,
          .events = triggers_,
          .failed = failed_,
          .invalid = invalid_,
          .unrouted = unrouted_,
          .misplaced = misplaced_,
          .refused = refused_};
}

}  // namespace due
