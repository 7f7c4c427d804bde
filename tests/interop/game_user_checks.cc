#include <fmt/format.h>

#include "core/status_macros.h"
#include "tests/interop/game_checks.h"
#include "tests/interop/game_room.h"

namespace interop {
namespace {

using micro::Context;
using micro::Task;

absl::Status Wrong(std::string_view what, const GameBody& got) {
  return absl::InternalError(fmt::format("{}: {}", what, ToString(got)));
}

// What a node says of a user.
Task<absl::StatusOr<GameBody>> InfoOf(Context ctx, GameLink& from, int64_t uid, bool is_online) {
  CO_ASSIGN_OR_RETURN(GameBody got, co_await from.Ask(ctx, kInfo, {.uid = uid}));
  if (got.uid == uid && got.online == is_online) co_return got;
  co_return Wrong(fmt::format("user {} is not {}line", uid, is_online ? "on" : "off"), got);
}

Task<absl::Status> IsOnline(Context ctx, GameLink& from, int64_t uid, bool is_online) {
  co_return (co_await InfoOf(ctx, from, uid, is_online)).status();
}

// The gate takes the connection for that user's.
Task<absl::Status> IsUser(Context ctx, GameLink& link, int64_t uid) {
  CO_ASSIGN_OR_RETURN(const GameBody got, co_await link.Ask(ctx, kAuthorized));
  if (got.uid == uid && !got.nid.empty()) co_return absl::OkStatus();
  co_return Wrong(fmt::format("the connection is not user {}'s", uid), got);
}

// To the node that answers.
Task<absl::StatusOr<std::string>> BindNode(Context ctx, GameLink& link) {
  CO_ASSIGN_OR_RETURN(GameBody got, co_await link.Ask(ctx, kBindNode));
  if (got.nid.empty()) co_return Wrong("bound to a node without an id", got);
  co_return std::move(got.nid);
}

// ---- At a gate ----

Task<absl::Status> Bind(Context ctx, GameRoom& room) {
  CO_ASSIGN_OR_RETURN(GameLink* const link, co_await room.Join(ctx, {.uid = NewUid()}));
  const GameBody& bound = link->bound();
  if (bound.uid != link->uid() || bound.cid <= 0 || bound.gid.empty() || bound.nid.empty())
    co_return Wrong("bound to", bound);
  co_return co_await IsOnline(ctx, *link, link->uid(), true);
}

Task<absl::Status> BindAgain(Context ctx, GameRoom& room) {
  CO_ASSIGN_OR_RETURN(GameLink* const link, co_await room.Join(ctx, {.uid = NewUid()}));
  CO_RETURN_IF_ERROR(co_await link->Bind(ctx, link->uid()));
  CO_RETURN_IF_ERROR(co_await IsUser(ctx, *link, link->uid()));
  co_return co_await IsOnline(ctx, *link, link->uid(), true);
}

Task<absl::Status> BindAnother(Context ctx, GameRoom& room) {
  CO_ASSIGN_OR_RETURN(GameLink* const link, co_await room.Join(ctx, {.uid = NewUid()}));
  const int64_t old = link->uid();
  CO_RETURN_IF_ERROR(co_await link->Bind(ctx, NewUid()));
  CO_RETURN_IF_ERROR(co_await IsUser(ctx, *link, link->uid()));
  CO_RETURN_IF_ERROR(co_await IsOnline(ctx, *link, link->uid(), true));
  co_return co_await IsOnline(ctx, *link, old, false);
}

Task<absl::Status> AuthorizedNeedsUser(Context ctx, GameRoom& room) {
  CO_ASSIGN_OR_RETURN(GameLink* const link, co_await room.Join(ctx));
  CO_RETURN_IF_ERROR(co_await link->Unanswered(ctx, kAuthorized));
  co_return co_await link->Unanswered(ctx, kPushSelf, {.message = "to nobody"});
}

Task<absl::Status> Authorized(Context ctx, GameRoom& room) {
  CO_ASSIGN_OR_RETURN(GameLink* const link, co_await room.Join(ctx, {.uid = NewUid()}));
  co_return co_await IsUser(ctx, *link, link->uid());
}

Task<absl::Status> UnbindGate(Context ctx, GameRoom& room) {
  CO_ASSIGN_OR_RETURN(GameLink* const link, co_await room.Join(ctx, {.uid = NewUid()}));
  CO_RETURN_IF_ERROR((co_await link->Ask(ctx, kUnbindGate)).status());
  CO_RETURN_IF_ERROR(co_await link->Unanswered(ctx, kAuthorized));
  co_return co_await IsOnline(ctx, *link, link->uid(), false);
}

// ---- At a node ----

Task<absl::Status> StatefulNeedsNode(Context ctx, GameRoom& room) {
  CO_ASSIGN_OR_RETURN(GameLink* const link, co_await room.Join(ctx, {.uid = NewUid()}));
  co_return co_await link->Unanswered(ctx, kStateful);
}

Task<absl::Status> Stateful(Context ctx, GameRoom& room) {
  CO_ASSIGN_OR_RETURN(GameLink* const link, co_await room.Join(ctx, {.uid = NewUid()}));
  CO_ASSIGN_OR_RETURN(const std::string nid, co_await BindNode(ctx, *link));
  for (int i = 0; i < 20; ++i) {
    CO_ASSIGN_OR_RETURN(const GameBody got, co_await link->Ask(ctx, kStateful));
    if (got.uid != link->uid() || got.nid != nid)
      co_return Wrong(fmt::format("not of user {} at node {}", link->uid(), nid), got);
  }
  co_return absl::OkStatus();
}

Task<absl::Status> StatefulInOrder(Context ctx, GameRoom& room) {
  constexpr int kCount = 200, kWindow = 16;
  CO_ASSIGN_OR_RETURN(GameLink* const link, co_await room.Join(ctx, {.uid = NewUid()}));
  CO_RETURN_IF_ERROR((co_await BindNode(ctx, *link)).status());
  for (int i = 0; i < kCount + kWindow; ++i) {
    if (i < kCount)
      CO_RETURN_IF_ERROR(link->Send(kStateful, {.message = fmt::format("number {}", i)}).status());
    if (i < kWindow) continue;
    CO_ASSIGN_OR_RETURN(const GameBody got,
                        co_await link->Await(ctx, kStateful, GameLink::kAnySeq));
    if (got.message != fmt::format("number {}", i - kWindow))
      co_return Wrong(fmt::format("came as number {}", i - kWindow), got);
  }
  co_return absl::OkStatus();
}

// Of several nodes any may be asked, and only the one that the user is bound to does it.
Task<absl::Status> UnbindNode(Context ctx, GameRoom& room) {
  CO_ASSIGN_OR_RETURN(GameLink* const link, co_await room.Join(ctx, {.uid = NewUid()}));
  CO_RETURN_IF_ERROR((co_await BindNode(ctx, *link)).status());
  const int tries = room.has_several_nodes() ? 30 : 1;
  for (int i = 0; i < tries; ++i) {
    CO_RETURN_IF_ERROR((co_await link->Ask(ctx, kUnbindNode)).status());
    CO_ASSIGN_OR_RETURN(const bool is_answered, co_await link->IsAnswered(ctx, kStateful));
    if (!is_answered) co_return absl::OkStatus();
  }
  co_return absl::InternalError("the user is still bound to a node");
}

// ---- What is told ----

Task<absl::Status> Info(Context ctx, GameRoom& room) {
  CO_ASSIGN_OR_RETURN(GameLink* const link, co_await room.Join(ctx, {.uid = NewUid()}));
  CO_ASSIGN_OR_RETURN(const std::string nid, co_await BindNode(ctx, *link));
  CO_ASSIGN_OR_RETURN(const GameBody got, co_await link->Ask(ctx, kInfo));
  const GameBody& bound = link->bound();
  if (got.uid != link->uid() || got.cid != bound.cid || got.gid != bound.gid || got.nid != nid ||
      !got.online || got.ip != "127.0.0.1") {
    co_return Wrong(fmt::format("not of user {}, node {}, {}", link->uid(), nid, ToString(bound)),
                    got);
  }
  // due's node reads the count from the wrong place, and says 0.
  if (got.total < 1 && !room.options().due_node) co_return Wrong("no connections", got);
  co_return absl::OkStatus();
}

Task<absl::Status> InfoOfAnother(Context ctx, GameRoom& room) {
  CO_ASSIGN_OR_RETURN(GameLink* const link, co_await room.Join(ctx, {.uid = NewUid()}));
  CO_ASSIGN_OR_RETURN(GameLink* const asker, co_await room.Join(ctx, {.uid = NewUid()}));
  CO_ASSIGN_OR_RETURN(const GameBody got, co_await InfoOf(ctx, *asker, link->uid(), true));
  if (got.gid != link->bound().gid) co_return Wrong("not at gate " + link->bound().gid, got);
  co_return co_await IsOnline(ctx, *asker, NewUid(), false);
}

// Waits until the events of a user, or of a connection, are one of two lists.
Task<absl::Status> Events(Context ctx, GameLink& from, GameBody of, std::string one,
                          std::string other) {
  const auto is_wanted = [one, other](const GameBody& got) {
    return got.message == one || got.message == other;
  };
  co_return (
      co_await from.AskUntil(ctx, kEvents, of, fmt::format("not {} or {}", one, other), is_wanted))
      .status();
}

Task<absl::Status> Events(Context ctx, GameRoom& room) {
  CO_ASSIGN_OR_RETURN(GameLink* const link, co_await room.Join(ctx));
  CO_ASSIGN_OR_RETURN(GameLink* const other, co_await room.Join(ctx));
  CO_ASSIGN_OR_RETURN(const GameBody info, co_await link->Ask(ctx, kInfo));
  CO_RETURN_IF_ERROR(co_await Events(ctx, *link, {.cid = info.cid}, "1", "1"));
  CO_RETURN_IF_ERROR(co_await link->Bind(ctx, NewUid()));
  CO_RETURN_IF_ERROR(co_await Events(ctx, *link, {.uid = link->uid()}, "1,2", "2"));
  CO_RETURN_IF_ERROR(link->Leave());
  co_return co_await Events(ctx, *other, {.uid = link->uid()}, "1,2,3", "2,3");
}

}  // namespace

std::vector<PlayerCheck> GameUserChecks() {
  return {
      {"bind", InRoom<Bind>},
      {"bind again", InRoom<BindAgain>},
      {"bind another user", InRoom<BindAnother>},
      {"authorized needs a user", InRoom<AuthorizedNeedsUser>},
      {"authorized", InRoom<Authorized>},
      {"stateful needs a node", InRoom<StatefulNeedsNode>},
      {"stateful", InRoom<Stateful>},
      {"stateful in order", InRoom<StatefulInOrder>},
      {"unbind node", InRoom<UnbindNode>},
      {"unbind gate", InRoom<UnbindGate>},
      {"info", InRoom<Info>},
      {"info of another", InRoom<InfoOfAnother>},
      {"events", InRoom<Events>},
  };
}

}  // namespace interop
