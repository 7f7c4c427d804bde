#include "tests/interop/game_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>

#include "core/mutex.h"
#include "core/status_macros.h"
#include "core/task_scope.h"
#include "tests/interop/game_room.h"
#include "tests/interop/hostile_bytes.h"

namespace interop {
namespace {

using micro::Context;
using micro::Task;

constexpr int kWindow = 16;  // on their way

Task<absl::Status> Echo(Context ctx, GameRoom& room) {
  CO_ASSIGN_OR_RETURN(GameLink* const link, co_await room.Join(ctx));
  for (const char* text : {"", "hello", "\"quotes\", \\ and \n", "ü and 世"})
    CO_RETURN_IF_ERROR(co_await link->Echo(ctx, text));
  co_return absl::OkStatus();
}

// Of several nodes each answers in its own time.
Task<absl::Status> EchoInOrder(Context ctx, GameRoom& room) {
  CO_ASSIGN_OR_RETURN(GameLink* const link, co_await room.Join(ctx));
  const int count = room.options().packets;
  std::set<std::string> missing;
  for (int i = 0; i < count + kWindow; ++i) {
    if (i < count) {
      const std::string text = fmt::format("number {}", i);
      missing.insert(text);
      CO_RETURN_IF_ERROR(link->Send(kEcho, {.message = text}).status());
    }
    if (i < kWindow) continue;
    CO_ASSIGN_OR_RETURN(const GameBody got, co_await link->Await(ctx, kEcho, GameLink::kAnySeq));
    const bool is_next = got.message == fmt::format("number {}", i - kWindow);
    if (!is_next && !room.has_several_nodes()) {
      co_return absl::InternalError(
          fmt::format("\"{}\" came as number {}", got.message, i - kWindow));
    }
    if (missing.erase(got.message) == 0) {
      co_return absl::InternalError(
          fmt::format("\"{}\" came twice, or was never sent", got.message));
    }
  }
  co_return absl::OkStatus();
}

Task<absl::Status> EchoAtOnce(Context ctx, GameRoom& room) {
  std::vector<GameLink*> links;
  for (int i = 0; i < room.options().connections; ++i) {
    CO_ASSIGN_OR_RETURN(GameLink* const link, co_await room.Join(ctx));
    links.push_back(link);
  }
  micro::Mutex mutex;
  absl::Status all;
  const auto converse = [&](size_t i) -> Task<void> {
    absl::Status status;
    for (int round = 0; round < 20 && status.ok(); ++round)
      status = co_await links[i]->Echo(ctx, fmt::format("connection {}, round {}", i, round));
    micro::MutexLock lock(mutex);
    all.Update(status);
  };
  micro::TaskScope scope;
  for (size_t i = 0; i < links.size(); ++i) Spawn(scope, converse(i));
  co_await scope.Done();
  co_return all;
}

size_t BufferBytes(const GameRoom& room) { return room.player().packer().options().buffer_bytes; }

// How long a message may be for an answer that has beside it what `body` has.
size_t RoomFor(const GameRoom& room, GameBody body) {
  body.message = "x";
  return BufferBytes(room) + 1 - ToString(body).size();
}

Task<absl::Status> Sizes(Context ctx, GameRoom& room) {
  CO_ASSIGN_OR_RETURN(GameLink* const link, co_await room.Join(ctx));
  const size_t most = RoomFor(room, {});
  for (const size_t size : {size_t{0}, size_t{1}, size_t{2}, size_t{100}, size_t{1371},
                            size_t{1400}, size_t{4096}, most - 1, most})
    CO_RETURN_IF_ERROR(co_await link->Echo(ctx, std::string(std::min(size, most), 's')));
  co_return absl::OkStatus();
}

Task<absl::Status> Internal(Context ctx, GameRoom& room) {
  CO_ASSIGN_OR_RETURN(GameLink* const link, co_await room.Join(ctx));
  CO_RETURN_IF_ERROR(co_await link->Unanswered(ctx, kInternal));
  CO_RETURN_IF_ERROR(co_await link->Bind(ctx, NewUid()));
  co_return co_await link->Unanswered(ctx, kInternal);
}

Task<absl::Status> Unknown(Context ctx, GameRoom& room) {
  CO_ASSIGN_OR_RETURN(GameLink* const link, co_await room.Join(ctx));
  co_return co_await link->Unanswered(ctx, kNoRoute);
}

Task<absl::Status> Large(Context ctx, GameRoom& room) {
  CO_ASSIGN_OR_RETURN(GameLink* const link, co_await room.Join(ctx));
  const size_t size = std::min<size_t>(4000, RoomFor(room, {.n = 4000}));
  CO_ASSIGN_OR_RETURN(const GameBody got,
                      co_await link->Ask(ctx, kLarge, {.n = static_cast<int64_t>(size)}));
  if (got.message == std::string(size, 'x')) co_return absl::OkStatus();
  co_return absl::InternalError(fmt::format("{} bytes came, \"{:.40}\", not {} letters x",
                                            got.message.size(), got.message, size));
}

Task<absl::Status> TooLarge(Context ctx, GameRoom& room) {
  CO_ASSIGN_OR_RETURN(GameLink* const link, co_await room.Join(ctx));
  const auto size = static_cast<int64_t>(BufferBytes(room)) + 1;
  co_return co_await link->Unanswered(ctx, kLarge, {.n = size});
}

Task<absl::Status> Garbage(Context ctx, GameRoom& room) {
  CO_ASSIGN_OR_RETURN(GameLink* const bystander, co_await room.Join(ctx));
  // due's gate takes memory for whatever size a packet tells.
  const uint32_t most = room.options().due_gate ? 1 << 16 : UINT32_MAX;
  const auto attack = [&] { return HostilePeers::Attack(room.options().client, most); };
  CO_ASSIGN_OR_RETURN(const HostilePeers peers, co_await micro::Offload(attack));
  CO_RETURN_IF_ERROR(co_await bystander->Echo(ctx, "beside garbage"));
  co_return (co_await room.Join(ctx)).status();
}

}  // namespace

std::vector<PlayerCheck> GamePacketChecks() {
  return {
      {"echo", InRoom<Echo>},
      {"echo in order", InRoom<EchoInOrder>},
      {"echo on many connections", InRoom<EchoAtOnce>},
      {"sizes", InRoom<Sizes>},
      {"internal is refused", InRoom<Internal>},
      {"unknown route", InRoom<Unknown>},
      {"large", InRoom<Large>},
      {"too large an answer", InRoom<TooLarge>},
      {"garbage", InRoom<Garbage>},
  };
}

const std::vector<PlayerCheck>& GameChecks() {
  static const std::vector<PlayerCheck> checks = [] {
    std::vector<PlayerCheck> all;
    for (const auto& some :
         {GameClusterChecks(), GamePacketChecks(), GameUserChecks(), GamePushChecks()})
      std::ranges::copy(some, std::back_inserter(all));
    return all;
  }();
  return checks;
}

}  // namespace interop
