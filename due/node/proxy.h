// A Proxy reaches players and nodes from a node's handlers, or from any program that has a Mesh:
//
//   co_await proxy.Push(ctx, {.target = uid, .message = {.route = 1004, .body = text}});
//   CO_ASSIGN_OR_RETURN(const int64_t total,
//                       co_await proxy.Publish(ctx, {.channel = "room-7", .message = message,
//                                                    .ack = true}));
//
// A session is meant by its connection's number, on one gate, or by its user: on gate `gid`, or with
// none wherever the locator has it; who was not found there is looked up anew, once. Without `ack`
// a call queues and goes on, and nothing tells whether it arrives; with it the gates answer, and the
// total says how many players got the packet into their queues.
//
// Errors: INVALID_ARGUMENT: a connection's number without a gate, or what Packer::Pack refuses;
// NOT_FOUND: the gate has no such session, or the locator no such user; UNAVAILABLE: the gate is not
// known, or cannot be reached; DEADLINE_EXCEEDED: it has not answered in time (call_timeout); the
// errors of `ctx`. A value, which lives until its calls have ended; any thread. What a message lends lives until the call has ended. Mirrors
// due's node.Proxy and mesh.Proxy (reference/due.md §4.5), but that a Push heeds `disconnect`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/context.h"
#include "core/task.h"
#include "due/link/frames.h"
#include "due/locate/locator.h"
#include "due/packet/packer.h"

namespace google::protobuf {
class Message;
}

namespace due {

class NodeLinks;

using SessionKind = link::SessionKind;

// Whom to write to, what, and how. `disconnect`: the connection ends behind it.
struct PushArgs {
  std::string gid = {};
  SessionKind kind = SessionKind::kUser;
  int64_t target = 0;
  Message message = {};
  bool disconnect = false, ack = false;
};
struct MulticastArgs {
  std::string gid = {};
  SessionKind kind = SessionKind::kUser;
  std::vector<int64_t> targets = {};
  Message message = {};
  bool disconnect = false, ack = false;
};
struct BroadcastArgs {
  SessionKind kind = SessionKind::kConn;  // kUser: to those with a user alone
  Message message = {};
  bool disconnect = false, ack = false;
};
struct PublishArgs {
  std::string channel = {};
  Message message = {};
  bool disconnect = false, ack = false;
};

// Whom to ask about.
struct SessionArgs {
  std::string gid = {};
  SessionKind kind = SessionKind::kUser;
  int64_t target = 0;
};
struct ChannelArgs {
  std::string gid = {};
  SessionKind kind = SessionKind::kUser;
  std::vector<int64_t> targets = {};
  std::string channel = {};
};

// To the node `nid`, or with none to one that has the message's route: of a route with state, the
// user's.
struct DeliverArgs {
  std::string nid = {};
  int64_t uid = 0;
  Message message = {};
};

class Proxy {
 public:
  explicit Proxy(NodeLinks& links) : links_(&links) {}

  micro::Task<absl::Status> Push(micro::Context ctx, PushArgs args) const;

  // The totals are zero without `ack`. Of several gates an error is told only where nobody got it.
  micro::Task<absl::StatusOr<int64_t>> Multicast(micro::Context ctx, MulticastArgs args) const;
  micro::Task<absl::StatusOr<int64_t>> Broadcast(micro::Context ctx, BroadcastArgs args) const;
  micro::Task<absl::StatusOr<int64_t>> Publish(micro::Context ctx, PublishArgs args) const;

  // Who is not there is left out.
  micro::Task<absl::Status> Subscribe(micro::Context ctx, ChannelArgs args) const;
  micro::Task<absl::Status> Unsubscribe(micro::Context ctx, ChannelArgs args) const;

  // `force`: at once, and what waits to be written is dropped.
  micro::Task<absl::Status> Disconnect(micro::Context ctx, SessionArgs args, bool force) const;

  // "203.0.113.9"; empty: the player has none of IPv4.
  micro::Task<absl::StatusOr<std::string>> GetIp(micro::Context ctx, SessionArgs args) const;
  micro::Task<absl::StatusOr<bool>> IsOnline(micro::Context ctx, SessionArgs args) const;

  // The sessions of all gates.
  micro::Task<absl::StatusOr<int64_t>> Stat(micro::Context ctx, SessionKind kind) const;

  // A message to a node, which is not told whether it arrives. FAILED_PRECONDITION: it is this node;
  // NOT_FOUND: nobody has the route, or the user is bound to no node of its name.
  micro::Task<absl::Status> Deliver(micro::Context ctx, DeliverArgs args) const;

  // Makes a connection a user's, and nobody's; the user is looked up.
  micro::Task<absl::Status> BindGate(micro::Context ctx, std::string gid, int64_t cid,
                                     int64_t uid) const;
  micro::Task<absl::Status> UnbindGate(micro::Context ctx, int64_t uid) const;

  // Binds a user to a node, and from it; no name and id are this node's.
  micro::Task<absl::Status> BindNode(micro::Context ctx, int64_t uid, std::string name = {},
                                     std::string nid = {}) const;
  micro::Task<absl::Status> UnbindNode(micro::Context ctx, int64_t uid, std::string name = {},
                                       std::string nid = {}) const;

  // A message's body in the node's codec (NodeOptions::codec), encrypted where it encrypts: for
  // players, not for nodes. FAILED_PRECONDITION: there is no codec; the encryptor's errors.
  absl::StatusOr<std::string> Write(const google::protobuf::Message& message) const;

  // The ids of the gates and nodes that are known now, in no order.
  std::vector<std::string> gates() const;
  std::vector<std::string> nodes() const;

  // Where users are.
  Locator& locator() const;
  const Packer& packer() const;

 private:
  using Answer = absl::StatusOr<link::Response>;

  micro::Task<Answer> Ask(micro::Context ctx, SessionArgs whom, link::Request request) const;
  micro::Task<Answer> AskUser(micro::Context ctx, int64_t uid, link::Request request) const;
  micro::Task<absl::Status> Tell(micro::Context ctx, SessionArgs whom, link::Request request) const;
  micro::Task<absl::StatusOr<int64_t>> AskAll(micro::Context ctx, link::Request request) const;
  absl::Status TellAll(uint64_t key, const link::Request& request) const;
  micro::Task<absl::StatusOr<int64_t>> PushEach(micro::Context ctx,
                                                const std::vector<int64_t>& uids,
                                                link::Push push) const;
  micro::Task<absl::Status> SendPerGate(micro::Context ctx, const std::vector<int64_t>& uids,
                                        link::Multicast multicast) const;
  template <class Frame>
  micro::Task<absl::Status> EachGate(micro::Context ctx, ChannelArgs args) const;

  NodeLinks* links_;
};

}  // namespace due
