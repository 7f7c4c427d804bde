// A Request is what a player, or another node, has sent to this node: the packet, who it is from, and
// what can be done about it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/context.h"
#include "core/task.h"
#include "due/link/frames.h"
#include "due/node/proxy.h"
#include "due/packet/packer.h"

namespace google::protobuf {
class Message;
}

namespace due {

class LinkClient;
class NodeLinks;

// What a handler's context says of the player, to whomever it calls.
inline constexpr std::string_view kPlayerGid = "Player-Gid";
inline constexpr std::string_view kPlayerCid = "Player-Cid";
inline constexpr std::string_view kPlayerUid = "Player-Uid";  // "0": nobody

// For the handler's coroutine, on whatever thread it goes on. Mirrors the request half of due's
// node.Context.
class Request {
 public:
  // `links` outlive it. `packet` is whole, with its size, and `message` lies in it.
  Request(NodeLinks& links, std::string gid, std::string nid, int64_t cid, int64_t uid,
          std::string packet, const Message& message);

  const std::string& gid() const { return gid_; }  // the gate it came through; empty: from a node
  const std::string& nid() const { return nid_; }  // the node it is from; empty: from a gate
  int64_t cid() const { return cid_; }             // the connection's number at its gate
  int64_t uid() const { return uid_; }             // 0: nobody's
  int32_t route() const { return route_; }
  int32_t seq() const { return seq_; }
  std::string_view body() const { return body_; }

  // Answers: a packet with the request's route and seq. Nothing tells whether it arrives.
  // FAILED_PRECONDITION: it is from a node; UNAVAILABLE: its gate is not known, or cannot be reached;
  // the errors of Packer::Pack.
  absl::Status Respond(std::string_view body) const;

  // The body as a message of the node's codec (NodeOptions::codec), and an answer in it. The errors
  // are also those of Bodies::Read; FAILED_PRECONDITION: there is no codec.
  absl::Status Parse(google::protobuf::Message& message) const;
  absl::Status Respond(const google::protobuf::Message& message) const;

  // Another message to the same connection.
  absl::Status Reply(const Message& message) const;

  // Binds the connection to a user, at its gate and in the locator; uid() is that from now on.
  // NOT_FOUND: the connection has gone.
  micro::Task<absl::Status> BindGate(micro::Context ctx, int64_t uid);
  micro::Task<absl::Status> UnbindGate(micro::Context ctx);

  // Binds the user to this node, and from it: where packets with state go. FAILED_PRECONDITION: there
  // is no user.
  micro::Task<absl::Status> BindNode(micro::Context ctx) const;
  micro::Task<absl::Status> UnbindNode(micro::Context ctx) const;

  // Ends the connection: once what waits was written, or at once with `force`.
  micro::Task<absl::Status> Disconnect(micro::Context ctx, bool force) const;

  // The address of the player: as Proxy::GetIp.
  micro::Task<absl::StatusOr<std::string>> GetIp(micro::Context ctx) const;

  // Hands it to the user's actor (actors.h), and waits for what becomes of it. As Actors::Next.
  micro::Task<absl::Status> Next(micro::Context ctx);

  // Reaches others.
  Proxy proxy() const { return Proxy(links_); }

  // Subscribes the connection to a channel, and from it.
  micro::Task<absl::Status> Subscribe(micro::Context ctx, std::string channel) const;
  micro::Task<absl::Status> Unsubscribe(micro::Context ctx, std::string channel) const;

 private:
  absl::StatusOr<std::shared_ptr<LinkClient>> Gate() const;
  micro::Task<absl::Status> Ask(micro::Context ctx, link::Request request) const;

  NodeLinks& links_;
  const std::string gid_, nid_;
  const int64_t cid_;
  int64_t uid_;
  const std::string packet_;
  const int32_t route_, seq_;
  const std::string_view body_;  // in packet_
};

}  // namespace due
