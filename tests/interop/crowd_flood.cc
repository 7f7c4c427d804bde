// How a CrowdPlayer asks as fast as it can.
#include <fmt/format.h>

#include "core/async.h"
#include "core/task_scope.h"
#include "tests/interop/crowd_player.h"

namespace interop {
namespace {

using micro::Context;
using micro::Task;

constexpr absl::Duration kFull = absl::Milliseconds(1);  // until the gate has taken some

}  // namespace

// Beside it another coroutine receives.
Task<void> CrowdPlayer::Flood(Context ctx) {
  if (!link_.has_value()) co_return;
  Answered();
  int64_t sent = 0, answered = 0;
  micro::TaskScope scope;
  Spawn(scope, [](CrowdPlayer* self, Context ctx, int64_t* answered) -> Task<void> {
    *answered = co_await self->TakeAnswers(ctx);
  }(this, ctx, &answered));
  absl::Status status;
  while (ctx.status().ok() && !HasEnded(status)) {
    if (!status.ok()) (void)co_await Sleep(ctx, kFull);
    const int64_t number = last_asked_ + 1;
    const std::string text = ToString({.message = fmt::format("{}{}", name_, number)});
    status = link_->Send({.route = kStateful, .seq = SeqOf(number), .body = text});
    if (!status.ok()) continue;
    last_asked_ = number;
    ++sent;
    crowd_.counts.Add(CrowdCounts::kSent);
  }
  co_await scope.Done();
  crowd_.counts.Add(CrowdCounts::kLostStateful, sent - answered);
  if (HasEnded(status)) Lose();
}

// How many there were, in time for the last that was sent.
Task<int64_t> CrowdPlayer::TakeAnswers(Context ctx) {
  int64_t answered = 0, last = 0;
  Context patient;
  while (true) {
    if (!ctx.status().ok() && patient.deadline() == absl::InfiniteFuture())
      patient = WithTimeout(Context(), crowd_.limit);
    const auto got = co_await link_->Receive(WithTimeout(patient, crowd_.limit));
    if (HasEnded(got.status()) || !patient.status().ok()) co_return answered;
    if (absl::IsDeadlineExceeded(got.status())) continue;
    GameBody body;
    auto number = got.ok() ? Read(*got, body) : absl::StatusOr<int64_t>(got.status());
    if (number.ok() && *number <= last) number = Wrong(*got, "it is out of order");
    if (!number.ok()) {
      CountWrong(number.status());
      continue;
    }
    last = *number;
    ++answered;
    const absl::Time before = last_answer();
    Answered();
    crowd_.counts.Gap(last_answer() - before);
    crowd_.counts.Add(CrowdCounts::kAnswered);
  }
}

}  // namespace interop
