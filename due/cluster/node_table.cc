#include "due/cluster/node_table.h"

#include <set>
#include <utility>

#include "due/cluster/membership.h"

namespace due {

void NodeTable::Set(std::vector<Node> nodes) {
  std::set<std::string> addresses;
  std::vector<NodePeer> peers;
  for (Node& node : nodes) {
    node.peer.link = links_.Get(node.address);
    addresses.insert(std::move(node.address));
    peers.push_back(std::move(node.peer));
  }
  const std::shared_ptr<const RouteTable> before = table_.Load();
  table_.Store(std::make_shared<const RouteTable>(std::move(peers), dispatch_));
  for (const NodePeer& peer : before->nodes()) {
    if (!addresses.contains(peer.link->address())) links_.Drop(peer.link->address());
  }
}

std::string LinkAddressOf(const Instance& instance) {
  const absl::StatusOr<Endpoint> endpoint = ParseEndpoint(instance.endpoint);
  return endpoint.ok() && endpoint->scheme == "drpc" ? endpoint->address : std::string();
}

std::vector<NodeTable::Node> ReadNodes(const std::vector<Instance>& instances) {
  std::vector<NodeTable::Node> nodes;
  for (const Instance& instance : instances) {
    NodeTable::Node node{.address = LinkAddressOf(instance)};
    if (node.address.empty()) continue;
    node.peer = {.id = instance.id,
                 .alias = instance.alias,
                 .state = ParseState(instance.state),
                 .weight = instance.weight};
    for (const InstanceRoute& route : instance.routes)
      node.peer.routes.push_back({route.id, route.internal, route.stateful, route.authorized});
    for (const int32_t event : instance.events)
      node.peer.events.push_back(static_cast<link::Event>(event));
    nodes.push_back(std::move(node));
  }
  return nodes;
}

}  // namespace due
