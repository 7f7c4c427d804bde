// A CrowdPlayer is one of many: it logs in, binds itself to a node and asks, one request at a time,
// and is there again when its connection has ended.
//
//   CrowdPlayer player(crowd, /*number=*/7);
//   co_await player.Enter(ctx);
//   co_await player.Play(ctx);     // until `ctx` ends
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/interop/crowd_counts.h"
#include "tests/interop/game_link.h"

namespace interop {

// What the players of a crowd share.
struct Crowd {
  std::vector<std::unique_ptr<Player>> gates = {};  // a client for each of the gates
  int players = 0;
  absl::Duration interval = absl::Milliseconds(100);  // between a player's requests
  absl::Duration limit = absl::Seconds(1);            // then a request is lost
  CrowdCounts counts = {};                            // from Play or Flood on
};

class CrowdPlayer {
 public:
  // The crowd outlives it.
  CrowdPlayer(Crowd& crowd, int number);

  // Connects to a gate, logs in and binds itself to a node, however often that takes.
  micro::Task<void> Enter(micro::Context ctx);

  // Asks a stateful route and an echo in turn. When its connection has ended, or the stateful route
  // is not answered any more while echoes are, it logs in again, and binds itself to a node where it
  // is bound to none.
  micro::Task<void> Play(micro::Context ctx);

  // Asks a stateful route as fast as the gate takes it, and waits for no answer.
  micro::Task<void> Flood(micro::Context ctx);

  // From any thread.
  absl::Time last_answer() const { return absl::FromUnixNanos(last_answer_.load()); }

 private:
  // Whether what was sent or received failed as there is no connection any more.
  static bool HasEnded(const absl::Status& status);

  int32_t SeqOf(int64_t number) const;

  // The number of what a packet answers, and of what waits for its answer. INTERNAL: it is none of
  // this player's, or answers nothing.
  absl::StatusOr<int64_t> Read(const Received& packet, GameBody& body) const;
  absl::StatusOr<int64_t> ReadAnswer(const Received& packet, GameBody& body);
  absl::Status Wrong(const Received& packet, std::string_view why) const;
  void CountWrong(const absl::Status& why);

  absl::StatusOr<int64_t> Send(GameRoute route, GameBody body);
  micro::Task<absl::StatusOr<GameBody>> Ask(GameRoute route, GameBody body = {});
  micro::Task<bool> AskCounted(GameRoute route);
  micro::Task<bool> Insist(micro::Context ctx, GameRoute route, GameBody body = {});
  micro::Task<void> Connect(micro::Context ctx);
  micro::Task<void> LogInAgain(micro::Context ctx);
  micro::Task<int64_t> TakeAnswers(micro::Context ctx);
  void Answered();
  void Lose();

  Crowd& crowd_;
  const int number_;
  const int64_t uid_;
  const std::string name_;  // in all that it says

  size_t gate_;
  std::optional<Link> link_;  // while it is connected
  int64_t last_asked_ = 0, last_stateful_ = 0;
  std::map<int64_t, GameRoute> unanswered_;  // what was asked on this connection
  int unanswered_stateful_ = 0;              // in a row, with an echo answered between them
  std::atomic<int64_t> last_answer_;
};

}  // namespace interop
