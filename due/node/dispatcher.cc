#include "due/node/dispatcher.h"

#include <tuple>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "core/log.h"
#include "core/metadata.h"
#include "due/node/handler_threw.h"

namespace due {

using link::Code;
using micro::Context;
using micro::Task;
using micro::net::Loop;

namespace {

constexpr absl::Duration kLocatorTime = absl::Seconds(3);
constexpr uint64_t kOddFactor = 0x9e3779b97f4a7c15;  // spreads what it multiplies

std::atomic<uint64_t> last_id = 0;  // of dispatchers

}  // namespace

Dispatcher::Dispatcher(Settings settings, const Router& router, const EventHandlers& events,
                       NodeLinks& links)
    : id_(++last_id),
      settings_(std::move(settings)),
      router_(router),
      events_(events),
      links_(links) {
  std::tie(life_, end_) = WithCancel(Context());
}

// What is done for a player, and by whom it is asked of others. Packets of one player often come one
// behind the other: each thread remembers the last.
Context Dispatcher::PlayersContext(const std::string& gid, int64_t cid, int64_t uid) const {
  struct Last {
    uint64_t dispatcher = 0;
    std::string gid = {};
    int64_t cid = 0, uid = 0;
    Context ctx = {};
  };
  thread_local Last last;
  if (last.dispatcher != id_ || last.cid != cid || last.uid != uid || last.gid != gid) {
    micro::Metadata player;
    player.reserve(3);
    if (!gid.empty()) player.Append(kPlayerGid, gid);
    player.Append(kPlayerCid, absl::StrCat(cid));
    player.Append(kPlayerUid, absl::StrCat(uid));
    last = {id_, gid, cid, uid, WithMetadata(life_, std::move(player))};
  }
  if (settings_.request_timeout == absl::ZeroDuration()) return last.ctx;
  return WithTimeout(last.ctx, settings_.request_timeout);
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
    if (!Trigger(*peer, *trigger)) return reply.Done(Code::kInternalError);
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
  bool is_located = true;
  if (route != nullptr && route->stateful) {
    if (deliver.uid == 0) {
      ++misplaced_;
      return;
    }
    const auto known = links_.locator().KnownNode(deliver.uid, links_.name());
    is_located = known == links_.nid();
    // The gate may have heard what we have not.
    if (known.has_value() && !is_located)
      links_.locator().ForgetNode(deliver.uid, links_.name(), *known);
  }
  Context ctx = PlayersContext(request->gid(), deliver.cid, deliver.uid);
  InTurn(peer, deliver.cid, deliver.uid,
         [this, handler, is_located, ctx = std::move(ctx), loop = Loop::Current(),
          kept = std::move(request)]() mutable {
           return Run(std::move(ctx), *loop, *handler, is_located, std::move(kept));
         });
}

// What is of one player comes in its order, one behind the other: as in due, where everything does.
// A connection of a gate's link has all of a player; a node's messages are the user's.
template <class Make>
void Dispatcher::InTurn(const LinkPeer& peer, int64_t cid, int64_t uid, Make make) {
  if (pending_.load(std::memory_order_relaxed) >= settings_.most_pending) {
    ++overflowed_;
    return;
  }
  pending_.fetch_add(1, std::memory_order_relaxed);
  if (cid == 0 && uid == 0) return Spawn(scope_, make());  // nobody's
  const auto line = static_cast<uint64_t>(reinterpret_cast<uintptr_t>(&peer));
  const auto player = static_cast<uint64_t>(cid != 0 ? cid : -uid);
  if (line_.Start(static_cast<int64_t>(line * kOddFactor + player), std::move(make))) return;
  ++overflowed_;
  pending_.fetch_sub(1, std::memory_order_relaxed);
}

// Handlers begin on the node's loop, wherever what they waited for has ended.
Task<void> Dispatcher::Run(Context ctx, Loop& loop, const RequestHandler& handler, bool is_located,
                           std::unique_ptr<Request> request) {
  if (!is_located) {
    const auto nid = co_await links_.locator().LocateNode(WithTimeout(life_, kLocatorTime),
                                                          request->uid(), links_.name());
    if (!nid.ok() || *nid != links_.nid()) {
      ++misplaced_;
      pending_.fetch_sub(1, std::memory_order_relaxed);
      co_return;
    }
  }
  co_await loop.Enter();
  absl::Status status;
  try {
    status = co_await handler(std::move(ctx), *request);
  } catch (...) {
    status = HandlerThrew();
  }
  pending_.fetch_sub(1, std::memory_order_relaxed);
  if (status.ok()) co_return;
  ++failed_;
  micro::log::Warn("a request failed",
                   {{"route", request->route()}, {"uid", request->uid()}, {"error", status}});
}

bool Dispatcher::Trigger(const LinkPeer& peer, const link::Trigger& trigger) {
  if (peer.kind != link::InstanceKind::kGate) {
    ++refused_;
    return false;
  }
  ++triggers_;
  const EventHandler& handler = events_[static_cast<size_t>(trigger.event)];
  if (handler == nullptr) return true;
  PlayerEvent event{.event = trigger.event, .gid = peer.id, .cid = trigger.cid, .uid = trigger.uid};
  InTurn(peer, trigger.cid, trigger.uid,
         [this, &handler, ctx = PlayersContext(peer.id, trigger.cid, trigger.uid),
          loop = Loop::Current(), told = std::move(event)]() mutable {
           return RunEvent(std::move(ctx), *loop, handler, std::move(told));
         });
  return true;
}

Task<void> Dispatcher::RunEvent(Context ctx, Loop& loop, const EventHandler& handler,
                                PlayerEvent event) {
  co_await loop.Enter();
  absl::Status status;
  try {
    status = co_await handler(std::move(ctx), std::move(event));
  } catch (...) {
    status = HandlerThrew();
  }
  pending_.fetch_sub(1, std::memory_order_relaxed);
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
