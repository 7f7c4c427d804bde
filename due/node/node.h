// A Node has the code of a game: handlers for what players send, and for what becomes of them.
//
//   due::Cluster cluster;
//   due::Node node(cluster, {.name = "hall"});
//   node.router().Add(1, [](micro::Context ctx, due::Request& request) -> micro::Task<absl::Status> {
//     co_return request.Respond("hello");
//   });
//   node.OnEvent(due::link::Event::kDisconnect, SayGoodbye);
//   auto service = micro::NewService(cluster.AddTo({.name = "game-hall"}));
//   service->Init(&argc, argv);
//   return service->Run();
//
// Handlers are coroutines that begin on the node's one thread, in the order in which a player's
// packets came. Their context says who the player is (request.h), so that services which a handler
// calls know it, and ends with `request_timeout`. On its way down a node is in state "hang", and
// waits for its users to be bound elsewhere, and for its actors' end (cluster.h); a node that comes back with the same id has
// them still. Mirrors due's node.Node (reference/due.md §4), in whose place it can stand.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "due/cluster/cluster.h"
#include "due/link/client.h"
#include "due/link/server.h"
#include "due/node/actors.h"
#include "due/node/bodies.h"
#include "due/node/event.h"
#include "due/node/proxy.h"
#include "due/node/router.h"

namespace due {

// Names and defaults are those of due's etc.cluster.node.*, but for what is said.
struct NodeOptions {
  std::string id = {};        // empty: a random UUID. Flag --id
  std::string name = "node";  // users are bound to one node of a name. --name
  int weight = 1;             // where gates dispatch by weight. --weight

  std::string dispatch = "random";  // of what it sends to nodes: random, rr or wrr. --dispatch

  // What gates and nodes reach it by: --link is its address; due's addr.
  LinkServerOptions link = {};
  std::string advertise = {};  // host or host:port of it; empty: of its address. --advertise

  // Our links to gates and nodes. Kind and id are ours.
  LinkClientOptions links = {};

  // What Request::Parse and Respond read and write messages with: proto or json. --codec
  std::string codec = "proto";
  std::shared_ptr<const Encryptor> encryptor = nullptr;  // of players' messages; null: as they are

  // Handlers begin on as many threads, those of one connection on one. due has 1, which handlers
  // that share what is not locked rely on. --threads
  int threads = 1;

  // How long a handler's context lasts, from its packet's arrival on; zero: without end.
  // --request_timeout
  absl::Duration request_timeout = absl::Seconds(10);

  micro::registry::Labels metadata = {};

  // Before its flags. Unset: "node_" where its process has other components, else nothing.
  std::optional<std::string> flag_prefix = std::nullopt;
};

struct NodeCounts {
  DispatchCounts handled;
  int64_t users = 0;       // bound to it now, as far as it knows
  int running = 0;         // handlers
  LinkServerCounts link;   // what comes
  LinkClientCounts gates;  // what goes to gates
  LinkClientCounts nodes;  // what goes to nodes
};

// From any thread, unless it says otherwise.
class Node final : public Component {
 public:
  // The cluster outlives it. Before the cluster starts, on its thread.
  explicit Node(Cluster& cluster, NodeOptions options = {});
  ~Node() override;  // after the cluster has stopped

  // Filled before the cluster starts.
  Router& router() { return router_; }
  void OnEvent(link::Event event, EventHandler handler);

  // What players share.
  Actors& actors() { return actors_; }

  // From the cluster's start on.
  const std::string& id() const { return options_.id; }
  const std::string& name() const { return options_.name; }
  Proxy proxy() const;
  int link_port() const;
  link::State state() const;
  NodeCounts counts() const;

  // Tells the registry, in the background. A busy node gets packets without state only where none
  // works.
  void SetState(link::State state);

  // The cluster's.
  std::vector<micro::Flag> Flags(bool is_alone) override;
  micro::Task<absl::Status> Start(micro::Context ctx) override;
  micro::Task<absl::Status> Announce(micro::Context ctx) override;
  micro::Task<void> Drain(micro::Context ctx) override;
  micro::Task<absl::Status> Stop(micro::Context ctx) override;

 private:
  struct Parts;

  absl::Status Check();
  Instance ToInstance() const;

  Cluster& cluster_;
  NodeOptions options_;
  Router router_;
  EventHandlers events_;
  Actors actors_;
  std::unique_ptr<Parts> parts_;
};

}  // namespace due
