#include "tests/interop/game_room.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>

#include "absl/time/clock.h"
#include "core/status_macros.h"

namespace interop {

using micro::Context;
using micro::Task;

namespace {

// Of a second and a process, and a thousand behind it.
int64_t FirstUid() {
  return absl::ToUnixSeconds(absl::Now()) % 1'000'000 * 1'000'000'000 +
         int64_t{getpid()} % 1'000'000 * 1'000;
}

}  // namespace

int64_t NewUid() {
  static std::atomic<int64_t> last = FirstUid();
  return ++last;
}

GameRoom::GameRoom(const Player& player)
    : player_(player), mark_(fmt::format("room {}: ", NewUid())) {}

std::string GameRoom::Mark(std::string_view text) const { return fmt::format("{}{}", mark_, text); }

Task<absl::StatusOr<GameLink*>> GameRoom::Connect(Context ctx, bool to_other_gate) {
  CO_ASSIGN_OR_RETURN(Link link,
                      co_await (to_other_gate ? player_.DialOther(ctx) : player_.Dial(ctx)));
  // due's own servers read before their gate has the connection: an answer that is faster is lost.
  if (player_.options().due_gate)
    CO_RETURN_IF_ERROR(co_await micro::Sleep(ctx, absl::Milliseconds(100)));
  co_return &links_.emplace_back(std::move(link), player_, mark_);
}

Task<absl::StatusOr<GameLink*>> GameRoom::Join(Context ctx, Who who) {
  CO_ASSIGN_OR_RETURN(GameLink* const joined, co_await Connect(ctx, who.at_other_gate));
  if (options().due_gate) CO_RETURN_IF_ERROR(co_await joined->Knock(ctx));
  CO_RETURN_IF_ERROR(co_await joined->Echo(ctx, "here"));
  if (who.uid != 0) CO_RETURN_IF_ERROR(co_await joined->Bind(ctx, who.uid));
  co_return joined;
}

// Quiet once for all of them.
Task<absl::Status> GameRoom::Silent(Context ctx) {
  CO_RETURN_IF_ERROR(co_await micro::Sleep(ctx, kQuiet));
  for (GameLink& link : links_) CO_RETURN_IF_ERROR(co_await link.Silent(ctx, absl::ZeroDuration()));
  co_return absl::OkStatus();
}

}  // namespace interop
