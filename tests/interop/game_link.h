// A GameLink is a player's connection to a gate, on which it asks what the contract's routes answer and
// keeps what comes beside the answers until it is waited for.
//
//   CO_ASSIGN_OR_RETURN(const GameBody who, co_await link.Ask(ctx, kAuthorized));
//   CO_RETURN_IF_ERROR(co_await link.ExpectPush(ctx, kPushSelf, "hello", uid));
//   CO_RETURN_IF_ERROR(co_await link.Unanswered(ctx, kInternal));
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/interop/player_link.h"

namespace interop {

inline constexpr absl::Duration kQuiet = absl::Milliseconds(300);  // in which nothing is to come

enum GameRoute : int32_t {
  kEcho = 1,
  kBind,
  kStateful,
  kPushSelf,
  kBroadcast,
  kMulticast,
  kSubscribe,
  kDisconnect,
  kInfo,
  kBindNode,
  kUnbindNode,
  kUnbindGate,
  kAuthorized,
  kInternal,
  kPublish,
  kUnsubscribe,
  kPushClose,
  kEvents,
  kLarge,
  kForward,
  kForwarded,
  kNoRoute = 99,  // that no node has
};

// Of the packet that a route makes the node push.
constexpr int32_t PushOf(GameRoute route) { return route + 1000; }

// What requests, answers and pushes say, as JSON. What is 0, false or empty is left out of requests.
struct GameBody {
  std::string message = {};
  int64_t code = 0;  // 1: it failed, and `error` says why
  std::string error = {};
  int64_t uid = 0, cid = 0;
  std::vector<int64_t> uids = {};
  std::string channel = {};
  bool force = false, ack = false, online = false;
  int64_t total = 0, n = 0;
  std::string ip = {}, gid = {}, nid = {};
};

// A packet of the contract.
struct GamePacket {
  int32_t route = 0, seq = 0;
  GameBody body = {};
};

// For one coroutine, and ends with it. Where no errors are told: INTERNAL says what was wrong, with
// what has come.
class GameLink {
 public:
  // What is broadcast to others is not heeded: that does not begin with `mark`.
  GameLink(Link link, const Player& player, std::string mark);

  int64_t uid() const { return uid_; }              // that it was bound to last
  const GameBody& bound() const { return bound_; }  // what answered to that

  // A request. Send says which seq its answer has; Ask waits for it, and fails where it says that it
  // failed, which Request does not.
  absl::StatusOr<int32_t> Send(GameRoute route, const GameBody& body = {});
  micro::Task<absl::StatusOr<GameBody>> Request(micro::Context ctx, GameRoute route,
                                                GameBody body = {});
  micro::Task<absl::StatusOr<GameBody>> Ask(micro::Context ctx, GameRoute route,
                                            GameBody body = {});

  // Asks until as many answers in a row are as wanted; `what` says in an error what is missing.
  using Wanted = std::function<bool(const GameBody& answer)>;
  micro::Task<absl::StatusOr<GameBody>> AskUntil(micro::Context ctx, GameRoute route, GameBody body,
                                                 std::string what, Wanted wanted, int in_a_row = 1);

  micro::Task<absl::Status> Echo(micro::Context ctx, std::string text);

  // Sends echoes until one is answered: due's gate loses answers that are faster than it takes a
  // connection over from its network.
  micro::Task<absl::Status> Knock(micro::Context ctx);

  micro::Task<absl::Status> Bind(micro::Context ctx, int64_t uid);

  // The next packet of a route, with this seq or with any. DEADLINE_EXCEEDED: it has not come.
  static constexpr int32_t kAnySeq = -1;
  micro::Task<absl::StatusOr<GameBody>> Await(micro::Context ctx, int32_t route, int32_t seq);

  // The next push that `route` causes: with this message, for who is `uid`.
  micro::Task<absl::StatusOr<GameBody>> Pushed(micro::Context ctx, GameRoute route,
                                               std::string message, int64_t uid);
  micro::Task<absl::Status> ExpectPush(micro::Context ctx, GameRoute route, std::string message,
                                       int64_t uid);

  // A request is not answered, nor does anything else come, while an echo is.
  micro::Task<absl::Status> Unanswered(micro::Context ctx, GameRoute route, GameBody body = {});

  // Whether a request is answered before it is quiet, with an echo behind it.
  micro::Task<absl::StatusOr<bool>> IsAnswered(micro::Context ctx, GameRoute route);

  // Nothing has come, or comes, that nobody has waited for; an end that was not either.
  micro::Task<absl::Status> Silent(micro::Context ctx, absl::Duration quiet = kQuiet);

  // The gate ends it, and before that nothing comes. Over KCP, where nothing tells of an end: echoes
  // are answered no more.
  micro::Task<absl::Status> Ends(micro::Context ctx);

  // Ends it so that the gate notices.
  absl::Status Leave();

 private:
  micro::Task<absl::StatusOr<GamePacket>> Receive(micro::Context ctx);
  micro::Task<absl::Status> Gather(micro::Context ctx, absl::Duration quiet);
  micro::Task<absl::Status> GoesQuiet(micro::Context ctx);

  Link link_;
  const Player* player_;
  std::string mark_;
  int32_t seq_ = 0;
  std::deque<GamePacket> unasked_;
  int64_t uid_ = 0;
  GameBody bound_;
  bool has_ended_ = false;  // as it was to
};

// As JSON.
std::string ToString(const GameBody& body);

// What a packet says. INTERNAL: it is no JSON object, or a field is of another type.
absl::StatusOr<GameBody> ReadBody(const Received& packet);

}  // namespace interop
