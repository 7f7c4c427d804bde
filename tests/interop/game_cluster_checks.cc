#include <fmt/format.h>

#include <set>

#include "core/status_macros.h"
#include "tests/interop/game_checks.h"
#include "tests/interop/game_room.h"

namespace interop {
namespace {

using micro::Context;
using micro::Task;

// ---- That all have found each other ----

constexpr absl::Duration kStartup = absl::Seconds(30);  // Consul may take 10 s to find who lives

// A gate reaches all nodes, and these it. Until then it drops what it is sent.
Task<absl::Status> IsReady(Context ctx, GameRoom& room, bool is_other_gate) {
  CO_ASSIGN_OR_RETURN(GameLink* const link, co_await room.Connect(ctx, is_other_gate));
  const Context patient = WithTimeout(ctx, kStartup);
  const int64_t uid = NewUid();
  std::set<std::string> nids;
  while (nids.size() < static_cast<size_t>(room.options().nodes)) {
    if (!patient.status().ok()) {
      co_return absl::InternalError(fmt::format("after {} of {} nodes these have answered: {}",
                                                absl::FormatDuration(kStartup),
                                                room.options().nodes, fmt::join(nids, ", ")));
    }
    CO_ASSIGN_OR_RETURN(const int32_t seq, link->Send(kBind, {.uid = uid}));
    const auto answer = co_await link->Await(WithTimeout(patient, kQuiet), kBind, seq);
    if (answer.ok() && answer->code == 0) nids.insert(answer->nid);
    if (!answer.ok() && !absl::IsDeadlineExceeded(answer.status())) co_return answer.status();
  }
  co_return absl::OkStatus();
}

// Answers that are late are of no account.
Task<absl::Status> Ready(Context ctx, const Player& player) {
  GameRoom room(player);
  CO_RETURN_IF_ERROR(co_await IsReady(ctx, room, /*is_other_gate=*/false));
  if (player.options().other_address.empty()) co_return absl::OkStatus();
  co_return co_await IsReady(ctx, room, /*is_other_gate=*/true);
}

// ---- From node to node ----

Task<absl::Status> ForwardByRoute(Context ctx, GameRoom& room) {
  CO_ASSIGN_OR_RETURN(GameLink* const link, co_await room.Join(ctx, {.uid = NewUid()}));
  CO_RETURN_IF_ERROR((co_await link->Ask(ctx, kForward, {.message = "to any"})).status());
  CO_ASSIGN_OR_RETURN(const GameBody got,
                      co_await link->Pushed(ctx, kForwarded, "to any", link->uid()));
  if (!got.nid.empty()) co_return absl::OkStatus();
  co_return absl::InternalError("forwarded by a node without an id");
}

// The ids of all nodes, which answer as chance has it.
Task<absl::StatusOr<std::set<std::string>>> Nodes(Context ctx, GameRoom& room, GameLink& link) {
  const auto wanted = static_cast<size_t>(room.options().nodes);
  std::set<std::string> nids;
  const auto all_have = [&](const GameBody& got) {
    nids.insert(got.nid);
    return nids.size() == wanted;
  };
  const std::string what = fmt::format("{} nodes are to answer", wanted);
  CO_RETURN_IF_ERROR((co_await link.AskUntil(ctx, kAuthorized, {}, what, all_have)).status());
  co_return nids;
}

// To each; the one that is asked may be that very node, which refuses.
Task<absl::Status> ForwardToNode(Context ctx, GameRoom& room) {
  CO_ASSIGN_OR_RETURN(GameLink* const link, co_await room.Join(ctx, {.uid = NewUid()}));
  CO_ASSIGN_OR_RETURN(const std::set<std::string> nids, co_await Nodes(ctx, room, *link));
  for (const std::string& nid : nids) {
    const std::string text = "to " + nid;
    CO_RETURN_IF_ERROR((co_await link->AskUntil(ctx, kForward, {.message = text, .nid = nid},
                                                "no node forwards to " + nid,
                                                [](const GameBody& got) { return got.code == 0; }))
                           .status());
    CO_ASSIGN_OR_RETURN(const GameBody got,
                        co_await link->Pushed(ctx, kForwarded, text, link->uid()));
    if (got.nid != nid)
      co_return absl::InternalError(fmt::format("forwarded by {}, not {}", got.nid, nid));
  }
  co_return absl::OkStatus();
}

// ---- A user who comes twice ----

// A push to the user, whoever asks for it, comes to `link`.
Task<absl::Status> Reaches(Context ctx, GameLink& from, GameLink& link, std::string text) {
  CO_RETURN_IF_ERROR(
      (co_await from.Ask(ctx, kMulticast, {.message = text, .uids = {link.uid()}})).status());
  co_return co_await link.ExpectPush(ctx, kMulticast, text, from.uid());
}

// The nodes have heard of a connection's end. `from` is at its gate.
Task<absl::Status> HasEnded(Context ctx, GameLink& from, const GameLink& link) {
  const auto has_ended = [](const GameBody& got) { return got.message.ends_with('3'); };
  co_return (co_await from.AskUntil(ctx, kEvents, {.cid = link.bound().cid},
                                    "no node has heard of the end", has_ended))
      .status();
}

// All nodes, of which chance asks one, know where the user is.
Task<absl::Status> AreAt(Context ctx, GameRoom& room, GameLink& from, const GameLink& link) {
  const auto is_there = [gid = link.bound().gid](const GameBody& got) {
    return got.code == 0 && got.online && got.gid == gid;
  };
  const std::string what = fmt::format("the user is not at {}", link.bound().gid);
  co_return (co_await from.AskUntil(ctx, kInfo, {.uid = link.uid()}, what, is_there,
                                    room.has_several_nodes() ? 20 : 1))
      .status();
}

Task<absl::Status> DuplicateLogin(Context ctx, GameRoom& room) {
  CO_ASSIGN_OR_RETURN(GameLink* const old, co_await room.Join(ctx, {.uid = NewUid()}));
  CO_ASSIGN_OR_RETURN(GameLink* const current, co_await room.Join(ctx, {.uid = old->uid()}));
  CO_ASSIGN_OR_RETURN(GameLink* const other, co_await room.Join(ctx, {.uid = NewUid()}));
  CO_RETURN_IF_ERROR(co_await Reaches(ctx, *other, *current, "from another"));
  CO_RETURN_IF_ERROR((co_await current->Ask(ctx, kPushSelf, {.message = "from itself"})).status());
  CO_RETURN_IF_ERROR(co_await current->ExpectPush(ctx, kPushSelf, "from itself", current->uid()));
  co_return co_await old->Unanswered(ctx, kAuthorized);
}

Task<absl::Status> LateEnd(Context ctx, GameRoom& room) {
  CO_ASSIGN_OR_RETURN(GameLink* const old, co_await room.Join(ctx, {.uid = NewUid()}));
  CO_ASSIGN_OR_RETURN(GameLink* const current, co_await room.Join(ctx, {.uid = old->uid()}));
  CO_ASSIGN_OR_RETURN(GameLink* const other, co_await room.Join(ctx, {.uid = NewUid()}));
  CO_RETURN_IF_ERROR(old->Leave());
  CO_RETURN_IF_ERROR(co_await HasEnded(ctx, *other, *old));
  CO_ASSIGN_OR_RETURN(const GameBody info,
                      co_await other->Ask(ctx, kInfo, {.uid = current->uid()}));
  if (!info.online) co_return absl::InternalError("not online: " + ToString(info));
  co_return co_await Reaches(ctx, *other, *current, "still here");
}

Task<absl::Status> DuplicateLoginElsewhere(Context ctx, GameRoom& room) {
  CO_ASSIGN_OR_RETURN(GameLink* const old, co_await room.Join(ctx, {.uid = NewUid()}));
  CO_ASSIGN_OR_RETURN(GameLink* const current,
                      co_await room.Join(ctx, {.uid = old->uid(), .at_other_gate = true}));
  CO_ASSIGN_OR_RETURN(GameLink* const here, co_await room.Join(ctx, {.uid = NewUid()}));
  CO_ASSIGN_OR_RETURN(GameLink* const there,
                      co_await room.Join(ctx, {.uid = NewUid(), .at_other_gate = true}));
  if (current->bound().gid == old->bound().gid) {
    co_return absl::InternalError(
        fmt::format("--other_address is of the same gate, {}", old->bound().gid));
  }
  for (GameLink* from : {here, there}) {
    CO_RETURN_IF_ERROR(co_await AreAt(ctx, room, *from, *current));
    CO_RETURN_IF_ERROR(co_await Reaches(ctx, *from, *current, "before the end"));
  }
  CO_RETURN_IF_ERROR(old->Leave());
  CO_RETURN_IF_ERROR(co_await HasEnded(ctx, *here, *old));
  for (GameLink* from : {here, there}) {
    CO_RETURN_IF_ERROR(co_await AreAt(ctx, room, *from, *current));
    CO_RETURN_IF_ERROR(co_await Reaches(ctx, *from, *current, "after the end"));
  }
  co_return absl::OkStatus();
}

}  // namespace

std::vector<PlayerCheck> GameClusterChecks() {
  return {
      {"ready", Ready},
      {"forward by route", InRoom<ForwardByRoute>, HasPushes},
      {"forward to a node", InRoom<ForwardToNode>, HasNodes},
      {"duplicate login", InRoom<DuplicateLogin>, HasPushes},
      {"late end of an old login", InRoom<LateEnd>, HasPushes},
      {"duplicate login elsewhere", InRoom<DuplicateLoginElsewhere>, HasGates},
  };
}

}  // namespace interop
