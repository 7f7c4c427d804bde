// A Mesh lets a service reach a game's players without being a node: it has a node's proxy, and
// nothing connects to it.
//
//   due::Cluster cluster;
//   due::Mesh mesh(cluster);
//   auto service = micro::NewService(cluster.AddTo({.name = "mailbox"}));
//   service->Init(&argc, argv);
//   mail::RegisterMailboxHandler(*service->server(), std::make_shared<Mailbox>(mesh));
//   return service->Run();
//   …
//   co_await mesh.proxy().Push(ctx, {.target = uid, .message = {.route = 1004, .body = text}});
//
// Mirrors due's mesh.Mesh (reference/due.md §5.1). Go's nodes take no Deliver from a mesh; ours do not
// either.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "due/cluster/cluster.h"
#include "due/link/client.h"
#include "due/node/proxy.h"

namespace due {

// Names and defaults are those of due's etc.cluster.mesh.*, but for what is said.
struct MeshOptions {
  std::string id = {};  // empty: a random UUID. Flag --id
  std::string name = "mesh";

  // Our links to gates and nodes. Kind and id are ours.
  LinkClientOptions links = {};

  // What due's own callers find it by: services, and where they are served, as
  // "grpc://10.0.0.7:9000?is_secure=false" of this service's server. Without an endpoint it is not
  // registered: a proxy needs no place in the registry.
  std::vector<std::string> services = {};
  std::string endpoint = {};
  micro::registry::Labels metadata = {};

  // Before its flags. Unset: "mesh_" where its process has other components, else nothing.
  std::optional<std::string> flag_prefix = std::nullopt;
};

// From any thread, unless it says otherwise.
class Mesh final : public Component {
 public:
  // The cluster outlives it. Before the cluster starts, on its thread.
  explicit Mesh(Cluster& cluster, MeshOptions options = {});
  ~Mesh() override;  // after the cluster has stopped

  // From the cluster's start on, which in a service comes before its handlers are called.
  const std::string& id() const { return options_.id; }
  Proxy proxy() const;

  // The cluster's.
  std::vector<micro::Flag> Flags(bool is_alone) override;
  micro::Task<absl::Status> Start(micro::Context ctx) override;
  micro::Task<absl::Status> Announce(micro::Context ctx) override;
  micro::Task<void> Drain(micro::Context ctx) override;
  micro::Task<absl::Status> Stop(micro::Context ctx) override;

 private:
  struct Parts;

  Cluster& cluster_;
  MeshOptions options_;
  std::unique_ptr<Parts> parts_;
};

}  // namespace due
