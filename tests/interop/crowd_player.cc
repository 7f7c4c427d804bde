#include "tests/interop/crowd_player.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "core/async.h"
#include "core/backoff.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/status_macros.h"
#include "tests/interop/game_room.h"

namespace interop {
namespace {

using micro::Clock;
using micro::Context;
using micro::Task;

constexpr int kGivenUp = 2;               // stateful requests without answer
constexpr int64_t kMostSeq = 100;         // one byte holds it
constexpr size_t kMostUnanswered = 1000;  // that a late answer is known for

}  // namespace

bool CrowdPlayer::HasEnded(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsFailedPrecondition(status);
}

CrowdPlayer::CrowdPlayer(Crowd& crowd, int number)
    : crowd_(crowd),
      number_(number),
      uid_(NewUid()),
      name_(fmt::format("{}:", uid_)),
      gate_(static_cast<size_t>(number) % crowd.gates.size()) {
  Answered();
}

void CrowdPlayer::Answered() { last_answer_ = absl::ToUnixNanos(Clock::Real().Now()); }

// ---- A request ----

absl::StatusOr<int64_t> CrowdPlayer::Send(GameRoute route, GameBody body) {
  const int64_t number = ++last_asked_;
  body.message = fmt::format("{}{}", name_, number);
  const std::string text = ToString(body);
  if (unanswered_.size() >= kMostUnanswered) unanswered_.erase(unanswered_.begin());
  unanswered_.emplace(number, route);
  RETURN_IF_ERROR(link_->Send({.route = route, .seq = SeqOf(number), .body = text}));
  return number;
}

int32_t CrowdPlayer::SeqOf(int64_t number) const {
  const bool has_seq = crowd_.gates[gate_]->packer().options().seq_bytes > 0;
  return has_seq ? static_cast<int32_t>(number % kMostSeq) + 1 : 0;
}

absl::Status CrowdPlayer::Wrong(const Received& packet, std::string_view why) const {
  return absl::InternalError(fmt::format("player {} got route {} seq {} {:.200}: {}", uid_,
                                         packet.route, packet.seq, packet.body, why));
}

absl::StatusOr<int64_t> CrowdPlayer::Read(const Received& packet, GameBody& body) const {
  ASSIGN_OR_RETURN(body, ReadBody(packet));
  if (!body.message.starts_with(name_)) return Wrong(packet, "it is not the player's");
  int64_t number = 0;
  const char* const end = body.message.data() + body.message.size();
  if (std::from_chars(body.message.data() + name_.size(), end, number).ptr != end)
    return Wrong(packet, "it has no number");
  if (packet.seq != SeqOf(number)) return Wrong(packet, "it has another seq");
  if (packet.route == kStateful && body.uid != uid_) return Wrong(packet, "it is for another user");
  return number;
}

absl::StatusOr<int64_t> CrowdPlayer::ReadAnswer(const Received& packet, GameBody& body) {
  ASSIGN_OR_RETURN(const int64_t number, Read(packet, body));
  const auto asked = unanswered_.find(number);
  if (asked == unanswered_.end()) return Wrong(packet, "it answers nothing that waits");
  if (asked->second != packet.route) return Wrong(packet, "it has another route");
  unanswered_.erase(asked);
  // Of one node: echoes may come from several.
  if (packet.route == kStateful && number < std::exchange(last_stateful_, number))
    return Wrong(packet, "it is out of order");
  return number;
}

// DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED: it is lost; UNAVAILABLE, FAILED_PRECONDITION: the
// connection has ended; ABORTED: the answer says that it failed. Answers to what was lost before are
// passed over.
Task<absl::StatusOr<GameBody>> CrowdPlayer::Ask(GameRoute route, GameBody body) {
  const Context limited = WithTimeout(Context(), crowd_.limit);
  CO_ASSIGN_OR_RETURN(const int64_t asked, Send(route, std::move(body)));
  while (true) {
    const absl::StatusOr<Received> got = co_await link_->Receive(limited);
    if (HasEnded(got.status()) || absl::IsDeadlineExceeded(got.status())) co_return got.status();
    GameBody answer;
    const absl::StatusOr<int64_t> number =
        got.ok() ? ReadAnswer(*got, answer) : absl::StatusOr<int64_t>(got.status());
    if (!number.ok()) {
      CountWrong(number.status());
    } else if (*number == asked) {
      if (answer.code != 0) co_return absl::AbortedError(answer.error);
      Answered();
      co_return answer;
    }
  }
}

void CrowdPlayer::CountWrong(const absl::Status& why) {
  crowd_.counts.Add(CrowdCounts::kWrong);
  micro::log::Error("a wrong answer", {{"error", why}});
}

// One of those that count. False: it was lost, or the connection.
Task<bool> CrowdPlayer::AskCounted(GameRoute route) {
  const absl::Time began = Clock::Real().Now(), before = last_answer();
  crowd_.counts.Add(CrowdCounts::kSent);
  const absl::StatusOr<GameBody> answer = co_await Ask(route);
  if (answer.ok()) {
    crowd_.counts.Answered(Clock::Real().Now() - began);
    crowd_.counts.Gap(last_answer() - before);
    if (route == kStateful) unanswered_stateful_ = 0;
    co_return true;
  }
  const bool is_stateful = route == kStateful;
  crowd_.counts.Add(is_stateful ? CrowdCounts::kLostStateful : CrowdCounts::kLostEcho);
  unanswered_stateful_ = is_stateful ? unanswered_stateful_ + 1 : 0;
  if (HasEnded(answer.status())) Lose();
  co_return false;
}

void CrowdPlayer::Lose() {
  link_.reset();
  unanswered_.clear();
  crowd_.counts.Add(CrowdCounts::kConnectionsLost);
  gate_ = (gate_ + 1) % crowd_.gates.size();
}

// Asks until it is answered and did not fail; false: the connection or `ctx` has ended.
Task<bool> CrowdPlayer::Insist(Context ctx, GameRoute route, GameBody body) {
  micro::Backoff backoff;
  while (ctx.status().ok()) {
    const absl::StatusOr<GameBody> answer = co_await Ask(route, body);
    if (answer.ok()) co_return true;
    if (HasEnded(answer.status())) {
      Lose();
      co_return false;
    }
    (void)co_await Sleep(ctx, backoff.Next());
  }
  co_return false;
}

// ---- To be there, and again ----

Task<void> CrowdPlayer::Connect(Context ctx) {
  micro::Backoff backoff;
  while (ctx.status().ok()) {
    absl::StatusOr<Link> link = co_await crowd_.gates[gate_]->Dial(ctx);
    if (link.ok()) {
      link_.emplace(*std::move(link));
      co_return;
    }
    gate_ = (gate_ + 1) % crowd_.gates.size();
    (void)co_await Sleep(ctx, backoff.Next());
  }
}

Task<void> CrowdPlayer::Enter(Context ctx) {
  while (ctx.status().ok()) {
    if (!link_.has_value()) co_await Connect(ctx);
    if (!link_.has_value()) co_return;
    if (!co_await Insist(ctx, kBind, {.uid = uid_})) continue;
    if (co_await Insist(ctx, kBindNode)) co_return;
  }
}

Task<void> CrowdPlayer::LogInAgain(Context ctx) {
  while (ctx.status().ok()) {
    if (!link_.has_value()) co_await Connect(ctx);
    if (!link_.has_value()) co_return;
    if (!co_await Insist(ctx, kBind, {.uid = uid_})) continue;
    crowd_.counts.Add(CrowdCounts::kLoginsAgain);
    if (co_await AskCounted(kStateful)) co_return;
    if (!link_.has_value() || !co_await Insist(ctx, kBindNode)) continue;
    crowd_.counts.Add(CrowdCounts::kRebound);
    unanswered_stateful_ = 0;
    last_stateful_ = 0;
    co_return;
  }
}

Task<void> CrowdPlayer::Play(Context ctx) {
  Answered();
  // All of them spread evenly over the interval.
  absl::Time next = Clock::Real().Now() + crowd_.interval * number_ / crowd_.players;
  for (bool is_stateful = true; true; is_stateful = !is_stateful) {
    const absl::Time now = Clock::Real().Now();
    next = std::max(next, now);
    if (!(co_await Sleep(ctx, next - now)).ok()) co_return;
    next += crowd_.interval;
    if (link_.has_value() && link_->conn().state() != due::Conn::kOpened) Lose();
    if (!link_.has_value() || unanswered_stateful_ >= kGivenUp) co_await LogInAgain(ctx);
    if (!ctx.status().ok()) co_return;
    co_await AskCounted(is_stateful ? kStateful : kEcho);
  }
}

}  // namespace interop
