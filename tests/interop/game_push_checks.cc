#include <fmt/format.h>

#include "core/status_macros.h"
#include "tests/interop/game_checks.h"
#include "tests/interop/game_room.h"

namespace interop {
namespace {

using micro::Context;
using micro::Task;

absl::Status Reached(const GameBody& answer, int64_t wanted) {
  if (answer.total == wanted) return absl::OkStatus();
  return absl::InternalError(fmt::format("it reached {}, not {}", answer.total, wanted));
}

Task<absl::Status> PushToOneself(Context ctx, GameRoom& room) {
  CO_ASSIGN_OR_RETURN(GameLink* const link, co_await room.Join(ctx, {.uid = NewUid()}));
  for (const bool ack : {true, false}) {
    const std::string text = ack ? "with acknowledgement" : "without";
    CO_RETURN_IF_ERROR(
        (co_await link->Ask(ctx, kPushSelf, {.message = text, .ack = ack})).status());
    CO_RETURN_IF_ERROR(co_await link->ExpectPush(ctx, kPushSelf, text, link->uid()));
  }
  co_return absl::OkStatus();
}

Task<absl::Status> PushFromAnywhere(Context ctx, GameRoom& room) {
  CO_ASSIGN_OR_RETURN(GameLink* const link, co_await room.Join(ctx, {.uid = NewUid()}));
  CO_ASSIGN_OR_RETURN(GameLink* const stranger, co_await room.Join(ctx));
  CO_RETURN_IF_ERROR(
      (co_await stranger->Ask(ctx, kMulticast, {.message = "hello", .uids = {link->uid()}}))
          .status());
  CO_RETURN_IF_ERROR(co_await link->ExpectPush(ctx, kMulticast, "hello", 0));
  CO_ASSIGN_OR_RETURN(
      const GameBody answer,
      co_await stranger->Ask(ctx, kMulticast,
                             {.message = "counted", .uids = {link->uid()}, .ack = true}));
  CO_RETURN_IF_ERROR(Reached(answer, 1));
  co_return co_await link->ExpectPush(ctx, kMulticast, "counted", 0);
}

Task<absl::Status> Broadcast(Context ctx, GameRoom& room) {
  CO_ASSIGN_OR_RETURN(GameLink* const a, co_await room.Join(ctx));
  CO_ASSIGN_OR_RETURN(GameLink* const b, co_await room.Join(ctx, {.uid = NewUid()}));
  CO_ASSIGN_OR_RETURN(GameLink* const c, co_await room.Join(ctx, {.uid = NewUid()}));
  const std::string text = room.Mark("to all");
  CO_ASSIGN_OR_RETURN(const GameBody answer,
                      co_await c->Ask(ctx, kBroadcast, {.message = text, .ack = true}));
  if (answer.total < 3)
    co_return absl::InternalError(fmt::format("it reached {}, not 3 or more", answer.total));
  for (GameLink* link : {a, b, c})
    CO_RETURN_IF_ERROR(co_await link->ExpectPush(ctx, kBroadcast, text, c->uid()));
  co_return absl::OkStatus();
}

Task<absl::Status> Multicast(Context ctx, GameRoom& room) {
  CO_ASSIGN_OR_RETURN(GameLink* const a, co_await room.Join(ctx, {.uid = NewUid()}));
  CO_ASSIGN_OR_RETURN(GameLink* const b, co_await room.Join(ctx, {.uid = NewUid()}));
  CO_ASSIGN_OR_RETURN(GameLink* const c, co_await room.Join(ctx, {.uid = NewUid()}));
  const std::string gid = a->bound().gid;
  const GameBody ways[] = {{.message = "wherever they are"},
                           {.message = "at the gate", .gid = gid},
                           {.message = "wherever they are, counted", .ack = true},
                           {.message = "at the gate, counted", .ack = true, .gid = gid}};
  for (GameBody way : ways) {
    way.uids = {a->uid(), b->uid()};
    CO_ASSIGN_OR_RETURN(const GameBody answer, co_await c->Ask(ctx, kMulticast, way));
    if (way.ack) CO_RETURN_IF_ERROR(Reached(answer, 2));
    CO_RETURN_IF_ERROR(co_await a->ExpectPush(ctx, kMulticast, way.message, c->uid()));
    CO_RETURN_IF_ERROR(co_await b->ExpectPush(ctx, kMulticast, way.message, c->uid()));
  }
  co_return absl::OkStatus();
}

// Between due's own gate and node, a gate without a subscriber breaks the link where it is to answer.
bool Counts(const GameRoom& room) { return !room.options().due_gate || !room.options().due_node; }

Task<absl::Status> Publish(Context ctx, GameRoom& room, GameLink& from, std::string channel,
                           std::string text, int64_t wanted) {
  const bool ack = Counts(room);
  CO_ASSIGN_OR_RETURN(
      const GameBody answer,
      co_await from.Ask(ctx, kPublish, {.message = text, .channel = channel, .ack = ack}));
  co_return ack ? Reached(answer, wanted) : absl::OkStatus();
}

Task<absl::Status> Channels(Context ctx, GameRoom& room) {
  CO_ASSIGN_OR_RETURN(GameLink* const a, co_await room.Join(ctx, {.uid = NewUid()}));
  CO_ASSIGN_OR_RETURN(GameLink* const b, co_await room.Join(ctx));
  CO_ASSIGN_OR_RETURN(GameLink* const c, co_await room.Join(ctx, {.uid = NewUid()}));
  const std::string channel = room.Mark("channel");
  for (GameLink* link : {a, b})
    CO_RETURN_IF_ERROR((co_await link->Ask(ctx, kSubscribe, {.channel = channel})).status());
  CO_RETURN_IF_ERROR(co_await Publish(ctx, room, *c, channel, "to two", 2));
  CO_RETURN_IF_ERROR(co_await a->ExpectPush(ctx, kPublish, "to two", c->uid()));
  CO_RETURN_IF_ERROR(co_await b->ExpectPush(ctx, kPublish, "to two", c->uid()));
  CO_RETURN_IF_ERROR((co_await a->Ask(ctx, kUnsubscribe, {.channel = channel})).status());
  CO_RETURN_IF_ERROR(co_await Publish(ctx, room, *c, channel, "to one", 1));
  co_return co_await b->ExpectPush(ctx, kPublish, "to one", c->uid());
}

// due's gate answers with a frame that is cut short, of which a node must not suffer.
Task<absl::Status> EmptyChannel(Context ctx, GameRoom& room) {
  CO_ASSIGN_OR_RETURN(GameLink* const link, co_await room.Join(ctx, {.uid = NewUid()}));
  GameBody body{.message = "to nobody", .channel = room.Mark("empty"), .ack = Counts(room)};
  CO_ASSIGN_OR_RETURN(const GameBody answer, co_await link->Request(ctx, kPublish, body));
  if (answer.code == 0) CO_RETURN_IF_ERROR(Reached(answer, 0));
  CO_RETURN_IF_ERROR(co_await link->Echo(ctx, "still there"));
  const auto is_online = [](const GameBody& got) { return got.code == 0 && got.online; };
  co_return (co_await link->AskUntil(ctx, kInfo, {}, "acknowledged calls go wrong", is_online))
      .status();
}

Task<absl::Status> AcrossGates(Context ctx, GameRoom& room) {
  CO_ASSIGN_OR_RETURN(GameLink* const a, co_await room.Join(ctx, {.uid = NewUid()}));
  CO_ASSIGN_OR_RETURN(GameLink* const b,
                      co_await room.Join(ctx, {.uid = NewUid(), .at_other_gate = true}));
  const std::string text = room.Mark("to all gates"), channel = room.Mark("channel");
  CO_ASSIGN_OR_RETURN(const GameBody answer,
                      co_await a->Ask(ctx, kBroadcast, {.message = text, .ack = true}));
  if (answer.total < 2) co_return Reached(answer, 2);
  for (GameLink* link : {a, b}) {
    CO_RETURN_IF_ERROR(co_await link->ExpectPush(ctx, kBroadcast, text, a->uid()));
    CO_RETURN_IF_ERROR((co_await link->Ask(ctx, kSubscribe, {.channel = channel})).status());
  }
  CO_RETURN_IF_ERROR(co_await Publish(ctx, room, *b, channel, "to both", 2));
  CO_RETURN_IF_ERROR(co_await a->ExpectPush(ctx, kPublish, "to both", b->uid()));
  co_return co_await b->ExpectPush(ctx, kPublish, "to both", b->uid());
}

// ---- Ends ----

Task<absl::Status> Disconnect(Context ctx, GameRoom& room) {
  for (const bool force : {false, true}) {
    CO_ASSIGN_OR_RETURN(GameLink* const link, co_await room.Join(ctx));
    CO_RETURN_IF_ERROR(link->Send(kDisconnect, {.force = force}).status());
    CO_RETURN_IF_ERROR(co_await link->Ends(ctx));
  }
  co_return absl::OkStatus();
}

Task<absl::Status> PushAndClose(Context ctx, GameRoom& room) {
  CO_ASSIGN_OR_RETURN(GameLink* const link, co_await room.Join(ctx, {.uid = NewUid()}));
  CO_RETURN_IF_ERROR(link->Send(kPushClose, {.message = "goodbye"}).status());
  CO_RETURN_IF_ERROR(co_await link->ExpectPush(ctx, kPushClose, "goodbye", link->uid()));
  co_return co_await link->Ends(ctx);
}

}  // namespace

std::vector<PlayerCheck> GamePushChecks() {
  return {
      {"push to oneself", InRoom<PushToOneself>, HasPushes},
      {"push by user from anywhere", InRoom<PushFromAnywhere>, HasPushes},
      {"broadcast", InRoom<Broadcast>, HasPushes},
      {"multicast", InRoom<Multicast>, HasPushes},
      {"channels", InRoom<Channels>, HasPushes},
      {"a channel nobody has", InRoom<EmptyChannel>},
      {"across gates", InRoom<AcrossGates>, HasGates},
      {"disconnect", InRoom<Disconnect>},
      {"push and close", InRoom<PushAndClose>, HasPushes},
  };
}

}  // namespace interop
