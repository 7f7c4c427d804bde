#include "due/node/dispatcher.h"

#include <tuple>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "core/log.h"
#include "core/metadata.h"

namespace due {

using link::Code;
using micro::Context;
using micro::Task;

constexpr absl::Duration kLocatorTime = absl::Seconds(3);
constexpr uint64_t kOddFactor = 0x9e3779b97f4a7c15;  // spreads what it multiplies

Dispatcher::Dispatcher(Settings settings, const Router& router, const EventHandlers& events,
                       NodeLinks& links)
    : settings_(std::move(settings)), router_(router), events_(events), links_(links) {
  std::tie(life_, end_) = WithCancel(Context());
}

// What is done for a player, and by whom it is asked of others.
Context Dispatcher::PlayersContext(const std::string& gid, int64_t cid, int64_t uid) const {
  micro::Metadata player;
  player.reserve(3);
  player.Append(kPlayerGid, gid);
  player.Append(kPlayerCid, absl::StrCat(cid));
  player.Append(kPlayerUid, absl::StrCat(uid));
  const Context ctx = WithMetadata(life_, std::move(player));
  if (settings_.request_timeout == absl::ZeroDuration()) return ctx;
  return WithTimeout(ctx, settings_.request_timeout);
}

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
    return reply.Done(Code::kOk, static_cast<uint64_t>(settings_.state()));
  } else if (const auto* state = std::get_if<link::SetState>(&request)) {
    settings_.set_state(state->state);
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
  const bool is_located = route == nullptr || !route->stateful ||
                          links_.locator().KnownNode(deliver.uid, links_.name()) == links_.nid();
  InTurn(peer, deliver.cid, deliver.uid,
         [this, handler, is_located, kept = std::move(request)]() mutable {
           return Run(*handler, is_located, std::move(kept));
         });
}

// What is of one player comes in its order, one behind the other: as in due, where everything does.
// A connection of a gate's link has all of a player; a node's messages are the user's.
template <class Make>
void Dispatcher::InTurn(const LinkPeer& peer, int64_t cid, int64_t uid, Make make) {
  const auto line = static_cast<uint64_t>(reinterpret_cast<uintptr_t>(&peer));
  const auto player = static_cast<uint64_t>(cid != 0 ? cid : -uid);
  if (!line_.Start(static_cast<int64_t>(line * kOddFactor + player), std::move(make)))
    ++overflowed_;
}

Task<void> Dispatcher::Run(const RequestHandler& handler, bool is_located,
                           std::unique_ptr<Request> request) {
  if (!is_located) {  // the gate may be behind the times, and so may what this node remembers
    const auto nid = co_await links_.locator().LocateNode(WithTimeout(Context(), kLocatorTime),
                                                          request->uid(), links_.name());
    if (request->uid() == 0 || !nid.ok() || *nid != links_.nid()) {
      ++misplaced_;
      co_return;
    }
  }
  const absl::Status status =
      co_await handler(PlayersContext(request->gid(), request->cid(), request->uid()), *request);
  if (status.ok()) co_return;
  ++failed_;
  micro::log::Warn("a request failed",
                   {{"route", request->route()}, {"uid", request->uid()}, {"error", status}});
}

void Dispatcher::Trigger(const LinkPeer& peer, const link::Trigger& trigger) {
  ++triggers_;
  const EventHandler& handler = events_[static_cast<size_t>(trigger.event)];
  if (handler == nullptr) return;
  PlayerEvent event{.event = trigger.event, .gid = peer.id, .cid = trigger.cid, .uid = trigger.uid};
  InTurn(peer, trigger.cid, trigger.uid, [this, &handler, told = std::move(event)]() mutable {
    return RunEvent(handler, std::move(told));
  });
}

Task<void> Dispatcher::RunEvent(const EventHandler& handler, PlayerEvent event) {
  const absl::Status status =
      co_await handler(PlayersContext(event.gid, event.cid, event.uid), event);
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
          .overflowed = overflowed_,
          .refused = refused_};
}

}  // namespace due
