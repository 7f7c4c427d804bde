// NodeLinks is whom a node, or a mesh, can reach: the gates and nodes, by their ids, and the locator.
// Internal.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "core/published.h"
#include "due/cluster/node_table.h"
#include "due/link/pool.h"
#include "due/locate/cached_locator.h"
#include "due/node/bodies.h"
#include "due/packet/packer.h"

namespace due {

class Actors;

class NodeLinks {
 public:
  struct Gate {
    std::string id = {}, address = {};
  };
  using Gates = std::unordered_map<std::string, std::shared_ptr<LinkClient>>;  // by id

  // `self` is who asks; `name` is the node's, and empty of what is none. The others outlive it.
  NodeLinks(LinkClientOptions self, std::string name, const Packer& packer, CachedLocator& locator,
            micro::net::Loops& loops = micro::net::Loops::Default(),
            Dispatch dispatch = Dispatch::kRandom, std::shared_ptr<const Bodies> bodies = nullptr);

  const std::string& nid() const { return nid_; }
  const std::string& name() const { return name_; }
  const Packer& packer() const { return packer_; }
  CachedLocator& locator() const { return locator_; }
  const Bodies* bodies() const { return bodies_.get(); }  // null: messages are bytes alone

  // Null: what is none has no actors. Set before there are requests.
  Actors* actors() const { return actors_; }
  void SetActors(Actors& actors) { actors_ = &actors; }

  // Those that there are from now on. Each by one thread at a time.
  void SetGates(const std::vector<Gate>& gates);
  void SetNodes(std::vector<NodeTable::Node> nodes) { nodes_.Set(std::move(nodes)); }

  // UNAVAILABLE: no gate of this id is known.
  absl::StatusOr<std::shared_ptr<LinkClient>> GateOf(const std::string& gid) const;
  std::shared_ptr<const Gates> gates() const { return gates_.Load(); }
  std::shared_ptr<const RouteTable> nodes() const { return nodes_.Load(); }

  LinkClientCounts gate_counts() const { return gate_links_.counts(); }
  LinkClientCounts node_counts() const { return node_links_.counts(); }

  // As LinkPool::Close.
  micro::Task<void> Close(micro::Context ctx);

 private:
  const std::string nid_, name_;
  const Packer packer_;
  CachedLocator& locator_;
  const std::shared_ptr<const Bodies> bodies_;
  Actors* actors_ = nullptr;
  LinkPool gate_links_, node_links_;
  micro::Published<Gates> gates_;
  NodeTable nodes_;
};

// Those of a registry's instances whose endpoint is a link's.
std::vector<NodeLinks::Gate> ReadGates(const std::vector<Instance>& instances);

}  // namespace due
