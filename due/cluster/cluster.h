// A Cluster is what the gates, nodes and meshes of one game agree on: how packets look, where users
// are looked up, and where instances find each other. It puts those of this process into a service.
//
//   int main(int argc, char** argv) {
//     due::Cluster cluster;
//     due::Node node(cluster, {.name = "hall"});
//     node.router().Add(1, Greet);
//     due::Gate gate(cluster);
//     auto service = micro::NewService(cluster.AddTo({.name = "game"}));
//     service->Init(&argc, argv);
//     return service->Run();       // start, register, wait for SIGTERM, drain, deregister
//   }
//
// Instances are registered where the service is (flag --registry), in due's own form in Consul and
// etcd. Without flags everything stays in this process. Mirrors what due's gates and nodes share in
// its container and in etc.packet, etc.locate and etc.registry.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "core/context.h"
#include "core/task.h"
#include "due/cluster/packet_flags.h"
#include "due/instances/instance_registry.h"
#include "due/locate/cached_locator.h"
#include "due/packet/packer.h"
#include "micro/flags.h"
#include "micro/service.h"

namespace due {

struct ClusterOptions {
  // The same for all gates, nodes and clients of the game. Flags --byte_order, --route_bytes …
  PacketOptions packet = {};

  // A plugin: "memory", of this process, or "redis". Flags --locator, --locator_address …
  std::string locator = "memory";
  LocatorOptions locator_options = {};

  // How long this process waits on its way down: gates for their players to leave, then as long nodes
  // for their users to be bound elsewhere. due's etc.shutdownMaxWaitTime, which is without end unless it is
  // set; so is absl::InfiniteDuration(). Flag --shutdown_max_wait_time.
  absl::Duration shutdown_max_wait_time = absl::Seconds(10);
};

// A gate, node or mesh of this process, to its cluster.
class Component {
 public:
  virtual ~Component() = default;

  // What may be set before Start. `is_alone`: no other of its process has flags.
  virtual std::vector<micro::Flag> Flags(bool is_alone) = 0;

  // Begins, and registers, or does so in Announce.
  virtual micro::Task<absl::Status> Start(micro::Context ctx) = 0;

  // What was started serves from now on.
  virtual micro::Task<absl::Status> Announce(micro::Context) { co_return absl::OkStatus(); }

  // Tells the registry that it is about to go (state "hang"), and waits for those who use it, as
  // long as `ctx` lasts.
  virtual micro::Task<void> Drain(micro::Context ctx) = 0;

  // Deregisters, and ends what it has: once what was said is written, or with `ctx`. Also after a
  // failed start.
  virtual micro::Task<absl::Status> Stop(micro::Context ctx) = 0;
};

// Filled by one thread before it starts; then for any.
class Cluster {
 public:
  explicit Cluster(ClusterOptions options = {});
  ~Cluster();  // after its components, and not on a loop's thread
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  // The options with the flags of the cluster and of its components, and with hooks that start,
  // drain and stop them: meshes before the service serves, nodes and gates behind that. Where they name the default registry it is "memory" instead. The cluster
  // outlives the service.
  micro::ServiceOptions AddTo(micro::ServiceOptions options);

  // The same without a service. Start, once: first the meshes, then the nodes, then the gates, with the
  // registry of that name; after an error nothing runs. Stop: drain and end, first the gates.
  micro::Task<absl::Status> Start(micro::Context ctx, std::string registry,
                                  micro::registry::Options options = {});
  micro::Task<absl::Status> Stop(micro::Context ctx);

  // From Start on.
  InstanceRegistry& instances() const { return *instances_; }
  CachedLocator& locator() const { return *locator_; }
  const Packer& packer() const { return *packer_; }

  // For components: the larger the rank, the later it starts, and the earlier it stops. They outlive
  // the cluster's Stop, and not the cluster.
  enum Rank { kMeshes, kNodes, kGates };
  void Add(Component& component, Rank rank);
  void Remove(Component& component);

 private:
  struct Member {
    Rank rank;
    Component* component;
  };

  absl::Status Open(const std::string& registry, const micro::registry::Options& options);
  micro::Task<absl::Status> StartUpTo(micro::Context ctx, Rank last);
  micro::Task<absl::Status> Announce(micro::Context ctx);
  micro::Task<void> Drain(micro::Context ctx);
  micro::Task<absl::Status> End(micro::Context ctx);

  ClusterOptions options_;
  PacketFlags packet_flags_;
  std::vector<Member> members_;  // by rank
  size_t started_ = 0;           // of them
  std::unique_ptr<InstanceRegistry> instances_;
  std::unique_ptr<CachedLocator> locator_;
  std::unique_ptr<Packer> packer_;
};

// What an instance's link is registered as: "drpc://10.0.0.7:40000?is_secure=false". `advertise` is
// host:port, a host, or empty: what others reach `listen` by.
absl::StatusOr<std::string> EndpointOf(std::string_view listen, int port,
                                       std::string_view advertise);

// A component's flags: their names and the MICRO_ variables with the prefix before them. None is the
// kind's, "gate_", unless the component is alone; an empty one is the kind's in variables:
// MICRO_GATE_ID for --id of a gate.
std::vector<micro::Flag> Prefixed(std::vector<micro::Flag> flags,
                                  const std::optional<std::string>& prefix, std::string_view kind,
                                  bool is_alone);

}  // namespace due
