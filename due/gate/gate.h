// A Gate takes a game's players over TCP, WebSocket or KCP, carries what they send to nodes, and does
// for nodes and meshes what they ask: it writes to players, binds users, subscribes to channels.
//
//   due::Cluster cluster;
//   due::Gate gate(cluster, {.network = {.network = "ws", .address = ":3553"}});
//   auto service = micro::NewService(cluster.AddTo({.name = "game-gate"}));
//   service->Init(&argc, argv);
//   return service->Run();
//
// It has no code of the game. Routes, and nodes that want to hear of players, come from the registry.
// On its way down it is in state "hang", and waits for its players to leave (cluster.h). Mirrors
// due's gate.Gate (reference/due.md §3), in whose place it can stand.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "due/cluster/cluster.h"
#include "due/cluster/kcp_flags.h"
#include "due/gate/forward_drop.h"
#include "due/link/client.h"
#include "due/link/server.h"
#include "due/network/server.h"

namespace due {

// Names and defaults are those of due's etc.cluster.gate.*, but for what is said.
struct GateOptions {
  std::string id = {};              // empty: a random UUID. Flag --id
  std::string name = "gate";        // --name
  std::string dispatch = "random";  // of packets without state: random, rr or wrr. --dispatch

  // Of the players: --network, --listen, --heartbeat … Its packet options are the cluster's. Their
  // connections are numbered from the time in microseconds on (due: from 1), so that what is on its
  // way to one of a gate that was here before with the same id reaches nobody else.
  ServerOptions network = {};

  // What nodes reach it by: --link is its address; due's addr.
  LinkServerOptions link = {};
  std::string advertise = {};  // host or host:port of it; empty: of its address. --advertise

  // Our links to nodes. Kind and id are ours.
  LinkClientOptions nodes = {};

  // A login from elsewhere ends the user's old connection. As due, which leaves it open and
  // nobody's: false. --close_displaced
  bool close_displaced = false;

  micro::registry::Labels metadata = {};

  // Before its flags. Unset: "gate_" where its process has other components, else nothing.
  std::optional<std::string> flag_prefix = std::nullopt;
};

struct GateCounts {
  Counts network;                                   // connections and packets of players
  int64_t users = 0;                                // bound now
  int64_t channels = 0;                             // now
  int64_t known_nodes = 0;                          // now, of the registry
  int64_t delivered = 0;                            // packets, to nodes
  int64_t triggered = 0;                            // events, to nodes
  std::array<int64_t, kForwardDrops> dropped = {};  // packets of players, by ForwardDrop
  LinkServerCounts link;                            // what nodes ask
  LinkClientCounts nodes;                           // what goes to them
};

// From any thread, unless it says otherwise.
class Gate final : public Component {
 public:
  // The cluster outlives it. Before the cluster starts, on its thread.
  explicit Gate(Cluster& cluster, GateOptions options = {});
  ~Gate() override;  // after the cluster has stopped

  // From the cluster's start on.
  const std::string& id() const { return options_.id; }
  const std::string& network() const { return options_.network.network; }
  int port() const;       // of the players
  int link_port() const;  // of the nodes
  link::State state() const;
  GateCounts counts() const;

  // Tells the registry, in the background.
  void SetState(link::State state);

  // The cluster's.
  std::vector<micro::Flag> Flags(bool is_alone) override;
  micro::Task<absl::Status> Start(micro::Context ctx) override;
  micro::Task<void> Drain(micro::Context ctx) override;
  micro::Task<absl::Status> Stop(micro::Context ctx) override;

 private:
  struct Parts;

  absl::Status Check();

  Cluster& cluster_;
  GateOptions options_;
  KcpFlags kcp_flags_;
  std::unique_ptr<Parts> parts_;
};

}  // namespace due
