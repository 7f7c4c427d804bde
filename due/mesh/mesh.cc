#include "due/mesh/mesh.h"

#include <utility>

#include "core/async.h"
#include "core/random.h"
#include "core/status_macros.h"
#include "due/cluster/instance_feed.h"
#include "due/cluster/membership.h"
#include "due/node/links.h"

namespace due {

using micro::Context;
using micro::Task;

// What runs. What stands further down uses what stands above, and ends before it.
struct Mesh::Parts {
  Parts(Cluster& cluster, const MeshOptions& options)
      : links(options.links, /*name=*/"", cluster.packer(), cluster.locator()),
        membership(cluster.instances(), {.id = options.id,
                                         .kind = "mesh",
                                         .alias = options.name,
                                         .services = options.services,
                                         .metadata = options.metadata}),
        gates(cluster.instances(), "gate",
              [this](const std::vector<Instance>& instances) {
                links.SetGates(ReadGates(instances));
              }),
        nodes(cluster.instances(), "node", [this](const std::vector<Instance>& instances) {
          links.SetNodes(ReadNodes(instances));
        }) {}

  NodeLinks links;
  Membership membership;
  InstanceFeed gates, nodes;
};

Mesh::Mesh(Cluster& cluster, MeshOptions options)
    : cluster_(cluster), options_(std::move(options)) {
  cluster_.Add(*this, Cluster::kMeshes);
}

// A service that could not start its server has called no hook of a stop.
Mesh::~Mesh() {
  if (parts_ != nullptr) (void)micro::BlockOn(Stop(Context()));
  cluster_.Remove(*this);
}

std::vector<micro::Flag> Mesh::Flags(bool is_alone) {
  return Prefixed(
      {{"id", &options_.id, "of the mesh; empty: a random one"},
       {"conn_num", &options_.links.conn_num, "connections to each gate and node"},
       {"call_timeout", &options_.links.call_timeout, "of what gates are asked"},
       {"endpoint", &options_.endpoint, "where due's callers find its services; empty: nowhere"}},
      options_.flag_prefix, "mesh", is_alone);
}

Task<absl::Status> Mesh::Start(Context ctx) {
  if (options_.id.empty()) options_.id = micro::RandomUuid();
  options_.links.kind = link::InstanceKind::kMesh;
  options_.links.id = options_.id;
  CO_RETURN_IF_ERROR(options_.links.Check());
  parts_ = std::make_unique<Parts>(cluster_, options_);
  CO_RETURN_IF_ERROR(co_await parts_->gates.Start(ctx));
  CO_RETURN_IF_ERROR(co_await parts_->nodes.Start(ctx));
  co_return absl::OkStatus();
}

Task<absl::Status> Mesh::Announce(Context ctx) {
  if (options_.endpoint.empty()) co_return absl::OkStatus();
  co_return co_await parts_->membership.Register(ctx, options_.endpoint);
}

Task<void> Mesh::Drain(Context) {
  if (parts_ == nullptr || options_.endpoint.empty()) co_return;
  parts_->membership.Leave();
  co_await parts_->membership.Told();
}

Task<absl::Status> Mesh::Stop(Context ctx) {
  if (parts_ == nullptr) co_return absl::OkStatus();
  const absl::Status deregistered = co_await parts_->membership.Deregister(Context());
  co_await parts_->gates.Stop();
  co_await parts_->nodes.Stop();
  co_await parts_->links.Close(ctx);
  co_return deregistered;
}

Proxy Mesh::proxy() const { return Proxy(parts_->links); }

}  // namespace due
