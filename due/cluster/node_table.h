// A NodeTable is the nodes that a registry tells of, with our links to them. Internal.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/published.h"
#include "due/cluster/route_table.h"
#include "due/instances/instance.h"
#include "due/link/pool.h"

namespace due {

// Set by one thread at a time, read by any.
class NodeTable {
 public:
  struct Node {
    NodePeer peer = {};  // without its link
    std::string address = {};
  };

  // `links` are for nodes alone, and outlive it.
  NodeTable(Dispatch dispatch, LinkPool& links) : dispatch_(dispatch), links_(links) {}

  // The nodes that there are from now on. Links to those who have gone are dropped.
  void Set(std::vector<Node> nodes);

  // Held while it is used: links may look at other published things.
  std::shared_ptr<const RouteTable> Load() const { return table_.Load(); }

 private:
  const Dispatch dispatch_;
  LinkPool& links_;
  micro::Published<RouteTable> table_;
};

// Those of a registry's instances whose endpoint is a link's.
std::vector<NodeTable::Node> ReadNodes(const std::vector<Instance>& instances);

// The address of an instance's link; empty: it has none.
std::string LinkAddressOf(const Instance& instance);

}  // namespace due
