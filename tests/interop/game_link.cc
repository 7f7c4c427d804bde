#include "tests/interop/game_link.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/status_macros.h"

namespace interop {
namespace {

using micro::Context;
using micro::Task;
using nlohmann::json;

constexpr absl::Duration kPause = absl::Milliseconds(10);  // between questions
constexpr int32_t kMostSeq = 100;                          // one byte holds it

// Calls `visit` with each key and the body's field.
template <class Body, class Visit>
void EachField(Body& body, Visit visit) {
  visit("message", body.message);
  visit("code", body.code);
  visit("error", body.error);
  visit("uid", body.uid);
  visit("cid", body.cid);
  visit("uids", body.uids);
  visit("channel", body.channel);
  visit("force", body.force);
  visit("ack", body.ack);
  visit("online", body.online);
  visit("total", body.total);
  visit("n", body.n);
  visit("ip", body.ip);
  visit("gid", body.gid);
  visit("nid", body.nid);
}

bool Is(const json& value, const std::string&) { return value.is_string(); }
bool Is(const json& value, const int64_t&) { return value.is_number_integer(); }
bool Is(const json& value, const bool&) { return value.is_boolean(); }
bool Is(const json& value, const std::vector<int64_t>&) {
  return value.is_array() && std::ranges::all_of(value, &json::is_number_integer);
}

std::string ToString(const std::deque<GamePacket>& packets) {
  if (packets.empty()) return "nothing";
  std::string text;
  for (const GamePacket& packet : packets) {
    text += fmt::format("{}route {} seq {} {:.200}", text.empty() ? "" : ", ", packet.route,
                        packet.seq, ToString(packet.body));
  }
  return text;
}

absl::Status Wrong(std::string text) { return absl::InternalError(text); }

}  // namespace

std::string ToString(const GameBody& body) {
  json object = json::object();
  EachField(body, [&]<class Field>(const char* key, const Field& field) {
    if (field != Field()) object[key] = field;
  });
  return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

absl::StatusOr<GameBody> ReadBody(const Received& packet) {
  const auto bad = [&](std::string_view why) {
    return absl::InternalError(
        fmt::format("route {} seq {}: {}: {:.200}", packet.route, packet.seq, why, packet.body));
  };
  const json object = json::parse(packet.body, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return bad("no JSON object");
  GameBody body;
  std::string wrong;
  EachField(body, [&]<class Field>(const char* key, Field& field) {
    const auto found = object.find(key);
    if (found == object.end()) return;
    if (Is(*found, field)) {
      field = found->get<Field>();
    } else {
      wrong = fmt::format("\"{}\" is of another type", key);
    }
  });
  if (!wrong.empty()) return bad(wrong);
  return body;
}

GameLink::GameLink(Link link, const Player& player, std::string mark)
    : link_(std::move(link)), player_(&player), mark_(std::move(mark)) {}

// ---- Requests ----

absl::StatusOr<int32_t> GameLink::Send(GameRoute route, const GameBody& body) {
  if (player_->packer().options().seq_bytes > 0) seq_ = seq_ % kMostSeq + 1;
  const std::string text = ToString(body);
  RETURN_IF_ERROR(link_.Send({.route = route, .seq = seq_, .body = text}));
  return seq_;
}

Task<absl::StatusOr<GameBody>> GameLink::Request(Context ctx, GameRoute route, GameBody body) {
  CO_ASSIGN_OR_RETURN(const int32_t seq, Send(route, body));
  co_return co_await Await(ctx, route, seq);
}

Task<absl::StatusOr<GameBody>> GameLink::Ask(Context ctx, GameRoute route, GameBody body) {
  CO_ASSIGN_OR_RETURN(GameBody answer, co_await Request(ctx, route, std::move(body)));
  if (answer.code == 0) co_return answer;
  co_return Wrong(fmt::format("route {}: code {}, {}", int{route}, answer.code, answer.error));
}

Task<absl::StatusOr<GameBody>> GameLink::AskUntil(Context ctx, GameRoute route, GameBody body,
                                                  std::string what, Wanted wanted, int in_a_row) {
  const Context patient = WithTimeout(ctx, kPatience);
  int right = 0;
  while (true) {
    CO_ASSIGN_OR_RETURN(GameBody answer, co_await Request(ctx, route, body));
    right = wanted(answer) ? right + 1 : 0;
    if (right == in_a_row) co_return answer;
    if (right == 0 && !(co_await micro::Sleep(patient, kPause)).ok()) {
      co_return Wrong(fmt::format("{}: after {} route {} still answers {}", what,
                                  absl::FormatDuration(kPatience), int{route}, ToString(answer)));
    }
  }
}

Task<absl::Status> GameLink::Echo(Context ctx, std::string text) {
  CO_ASSIGN_OR_RETURN(const GameBody answer, co_await Ask(ctx, kEcho, {.message = text}));
  if (answer.message == text) co_return absl::OkStatus();
  co_return Wrong(fmt::format("an echo is \"{:.40}\" ({} bytes), not \"{:.40}\" ({})",
                              answer.message, answer.message.size(), text, text.size()));
}

Task<absl::Status> GameLink::Knock(Context ctx) {
  const Context patient = WithTimeout(ctx, kPatience);
  absl::Status status = absl::DeadlineExceededError("");
  while (absl::IsDeadlineExceeded(status) && patient.status().ok()) {
    CO_ASSIGN_OR_RETURN(const int32_t seq, Send(kEcho));
    status = (co_await Await(WithTimeout(patient, absl::Seconds(1)), kEcho, seq)).status();
  }
  unasked_.clear();  // what was slow
  co_return status;
}

Task<absl::Status> GameLink::Bind(Context ctx, int64_t uid) {
  CO_ASSIGN_OR_RETURN(bound_, co_await Ask(ctx, kBind, {.uid = uid}));
  uid_ = uid;
  co_return absl::OkStatus();
}

// ---- What comes ----

// Without what was broadcast to others.
Task<absl::StatusOr<GamePacket>> GameLink::Receive(Context ctx) {
  while (true) {
    CO_ASSIGN_OR_RETURN(const Received got, co_await link_.Receive(ctx));
    CO_ASSIGN_OR_RETURN(GameBody body, ReadBody(got));
    const bool is_of_others = got.route == PushOf(kBroadcast) && !body.message.starts_with(mark_);
    if (!is_of_others) co_return GamePacket{got.route, got.seq, std::move(body)};
  }
}

Task<absl::StatusOr<GameBody>> GameLink::Await(Context ctx, int32_t route, int32_t seq) {
  const Context patient = WithTimeout(ctx, kPatience);
  const auto is_wanted = [&](const GamePacket& packet) {
    return packet.route == route && (packet.seq == seq || seq == kAnySeq);
  };
  if (const auto kept = std::ranges::find_if(unasked_, is_wanted); kept != unasked_.end()) {
    GameBody body = std::move(kept->body);
    unasked_.erase(kept);
    co_return body;
  }
  while (true) {
    absl::StatusOr<GamePacket> got = co_await Receive(patient);
    if (!got.ok()) {
      const std::string text =
          fmt::format("waiting for route {} seq {}: {}; what has come beside: {}", route, seq,
                      std::string(got.status().message()), ToString(unasked_));
      co_return absl::Status(got.status().code(), text);
    }
    if (is_wanted(*got)) co_return std::move(got->body);
    unasked_.push_back(*std::move(got));
  }
}

Task<absl::StatusOr<GameBody>> GameLink::Pushed(Context ctx, GameRoute route, std::string message,
                                                int64_t uid) {
  CO_ASSIGN_OR_RETURN(GameBody body, co_await Await(ctx, PushOf(route), 0));
  if (body.message == message && body.uid == uid) co_return body;
  co_return Wrong(fmt::format("the push of route {} is {}, not \"{}\" of uid {}", int{route},
                              ToString(body), message, uid));
}

Task<absl::Status> GameLink::ExpectPush(Context ctx, GameRoute route, std::string message,
                                        int64_t uid) {
  co_return (co_await Pushed(ctx, route, std::move(message), uid)).status();
}

// ---- What does not come ----

// Takes what comes until nothing has come for so long. UNAVAILABLE: the connection has ended.
Task<absl::Status> GameLink::Gather(Context ctx, absl::Duration quiet) {
  while (true) {
    absl::StatusOr<GamePacket> got = co_await Receive(WithTimeout(ctx, quiet));
    if (absl::IsDeadlineExceeded(got.status())) co_return absl::OkStatus();
    CO_RETURN_IF_ERROR(got.status());
    unasked_.push_back(*std::move(got));
  }
}

Task<absl::Status> GameLink::Silent(Context ctx, absl::Duration quiet) {
  const absl::Status gathered = co_await Gather(ctx, quiet);
  if (!unasked_.empty()) co_return Wrong("came and was not to: " + ToString(unasked_));
  if (absl::IsUnavailable(gathered) && has_ended_) co_return absl::OkStatus();
  co_return gathered;
}

Task<absl::Status> GameLink::Unanswered(Context ctx, GameRoute route, GameBody body) {
  CO_RETURN_IF_ERROR(Send(route, body).status());
  CO_RETURN_IF_ERROR(co_await Echo(ctx, "still there"));
  co_return co_await Silent(ctx);
}

Task<absl::StatusOr<bool>> GameLink::IsAnswered(Context ctx, GameRoute route) {
  CO_ASSIGN_OR_RETURN(const int32_t seq, Send(route));
  CO_RETURN_IF_ERROR(co_await Echo(ctx, "behind it"));
  CO_RETURN_IF_ERROR(co_await Gather(ctx, kQuiet));
  const bool is_answered = !unasked_.empty();
  if (is_answered) CO_RETURN_IF_ERROR((co_await Await(ctx, route, seq)).status());
  co_return is_answered;
}

Task<absl::Status> GameLink::Ends(Context ctx) {
  has_ended_ = true;
  if (player_->options().client.network == "kcp") co_return co_await GoesQuiet(ctx);
  const absl::StatusOr<GamePacket> got = co_await Receive(ctx);
  if (absl::IsUnavailable(got.status()) && unasked_.empty()) co_return absl::OkStatus();
  if (absl::IsDeadlineExceeded(got.status())) co_return Wrong("the connection has not ended");
  if (got.ok()) unasked_.push_back(*got);
  co_return Wrong("came instead of the end: " + ToString(unasked_));
}

// The first echo may overtake what ends the connection.
Task<absl::Status> GameLink::GoesQuiet(Context ctx) {
  const Context patient = WithTimeout(ctx, kPatience);
  while (patient.status().ok()) {
    CO_ASSIGN_OR_RETURN(const int32_t seq, Send(kEcho, {.message = "too late"}));
    CO_RETURN_IF_ERROR(co_await Gather(ctx, 2 * kQuiet));
    if (unasked_.empty()) co_return absl::OkStatus();
    CO_RETURN_IF_ERROR((co_await Await(ctx, kEcho, seq)).status());
  }
  co_return Wrong("echoes are still answered");
}

absl::Status GameLink::Leave() {
  has_ended_ = true;
  if (player_->options().client.network == "kcp")
    return Send(kDisconnect, {.force = true}).status();
  link_.conn().Close(/*force=*/true);
  return absl::OkStatus();
}

}  // namespace interop
