// A Player is a game's client as checks use it: with connections that keep what comes until it is
// asked for.
//
//   ASSIGN_OR_RETURN(const auto player, Player::New({.client = {.address = "127.0.0.1:3553"}}));
//   CO_ASSIGN_OR_RETURN(const Link link, co_await player->Dial(ctx));
//   CO_RETURN_IF_ERROR(link.Send({.route = 1, .seq = 1, .body = "hello"}));
//   CO_ASSIGN_OR_RETURN(const Received answer, co_await link.Receive(ctx));
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/async.h"
#include "due/network/client.h"
#include "due/packet/packer.h"

namespace interop {

inline constexpr absl::Duration kPatience = absl::Seconds(10);  // for anything that is to come

struct PlayerOptions {
  due::ClientOptions client = {};
  int packets = 1000;    // to be sent with some on their way
  int connections = 50;  // at once
  int cap = 0;           // of the server: what a packet may hold behind its size; 0: none is known
  int shift = 0;         // that an echo adds to route and seq of each answer

  // Of a game's cluster.
  std::string other_address = {};  // of a second gate, over the same network; empty: there is none
  int nodes = 1;
  bool due_gate = false;  // these are due's own, whose known defects are not held against them
  bool due_node = false;
};

// What a packet said.
struct Received {
  int32_t route = 0, seq = 0;
  std::string body = {};
};

// One connection, which ends with it. For one coroutine.
class Link {
 public:
  using Inbox = micro::Queue<std::string>;

  Link(std::shared_ptr<due::Conn> conn, std::shared_ptr<Inbox> inbox, const due::Packer& packer,
       int shift)
      : conn_(std::move(conn)), inbox_(std::move(inbox)), packer_(packer), shift_(shift) {}
  Link(Link&&) = default;
  ~Link() {
    if (conn_ != nullptr) conn_->Close(/*force=*/true);
  }

  due::Conn& conn() const { return *conn_; }

  // The errors are those of Packer::Pack and Conn::Push.
  absl::Status Send(const due::Message& message) const;

  // The next packet, as it is, or what it says. DEADLINE_EXCEEDED: nothing came for kPatience;
  // UNAVAILABLE says why the connection has ended.
  micro::Task<absl::StatusOr<std::string>> ReceivePacket(micro::Context ctx) const;
  micro::Task<absl::StatusOr<Received>> Receive(micro::Context ctx) const;

  // Receives an echo's answer to a message, and sends one before. INTERNAL says what came instead.
  micro::Task<absl::Status> Expect(micro::Context ctx, due::Message message) const;
  micro::Task<absl::Status> Ask(micro::Context ctx, due::Message message) const;

 private:
  std::shared_ptr<due::Conn> conn_;
  std::shared_ptr<Inbox> inbox_;
  due::Packer packer_;
  int shift_;
};

class Player {
 public:
  // The errors are those of due::Client::New.
  static absl::StatusOr<std::unique_ptr<Player>> New(PlayerOptions options);

  const PlayerOptions& options() const { return options_; }
  const due::Packer& packer() const { return packer_; }
  due::Counts counts() const { return client_->counts(); }

  micro::Task<absl::StatusOr<Link>> Dial(micro::Context ctx) const;

  // To other_address, which there is.
  micro::Task<absl::StatusOr<Link>> DialOther(micro::Context ctx) const;

 private:
  Player(PlayerOptions options, const due::Packer& packer)
      : options_(std::move(options)), packer_(packer) {}

  micro::Task<absl::StatusOr<Link>> DialBy(micro::Context ctx, due::Client& client) const;

  PlayerOptions options_;
  due::Packer packer_;
  std::unique_ptr<due::Client> client_, other_;  // the other is null without an address
};

}  // namespace interop
