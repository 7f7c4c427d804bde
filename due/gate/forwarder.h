// A Forwarder carries what players send to the nodes that have its route, and tells nodes of the
// players that come and go (reference/due.md §3.4, §3.5). Internal.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "core/context.h"
#include "core/in_order.h"
#include "core/task_scope.h"
#include "due/cluster/node_table.h"
#include "due/gate/forward_drop.h"
#include "due/locate/cached_locator.h"
#include "due/network/conn.h"
#include "due/packet/packer.h"

namespace due {

class Forwarder {
 public:
  struct Counts {
    int64_t known_nodes = 0;
    int64_t delivered = 0, triggered = 0;
    std::array<int64_t, kForwardDrops> dropped = {};  // by ForwardDrop
  };

  // All of them outlive it. `links` are those of the gate.
  Forwarder(const Packer& packer, Dispatch dispatch, LinkPool& links, CachedLocator& locator)
      : packer_(packer), nodes_(dispatch, links), locator_(locator) {
    std::tie(life_, end_) = WithCancel(micro::Context());
  }
  ~Forwarder() { scope_.Join(); }

  // The nodes that there are from now on.
  void SetNodes(std::vector<NodeTable::Node> nodes) { nodes_.Set(std::move(nodes)); }

  // Carries a player's packet to a node; on the player's loop. Packets of one player to one node
  // arrive in order.
  void Forward(Conn& conn, std::string_view packet);

  // Tells the nodes that want to hear of it, behind what the player has sent before. From any thread.
  void Trigger(link::Event event, int64_t cid, int64_t uid);

  Counts counts() const;

  // Gives up what waits for the locator: its packets are dropped.
  void Cancel() { end_(); }

  // Waits for what is under way with the locator.
  auto Done() { return scope_.Done(); }

 private:
  void DeliverTo(const std::string& nid, int64_t uid, const RouteTable& table,
                 const RouteTable::Route& route, Conn& conn, std::string_view packet);
  void Deliver(const NodePeer* node, Conn& conn, std::string_view packet);
  void Drop(ForwardDrop why) {
    dropped_[static_cast<size_t>(why)].fetch_add(1, std::memory_order_relaxed);
  }
  void TriggerNow(link::Event event, int64_t cid, int64_t uid);
  micro::Task<void> DeliverLocated(std::shared_ptr<Conn> conn, std::string packet);

  const Packer packer_;
  NodeTable nodes_;
  CachedLocator& locator_;
  std::atomic<int64_t> delivered_ = 0, triggered_ = 0;
  std::array<std::atomic<int64_t>, kForwardDrops> dropped_ = {};
  micro::Context life_;
  micro::CancelFunction end_;
  micro::TaskScope scope_;
  micro::InOrder line_{scope_, 256};  // packets that wait for where their users are, by player
};

}  // namespace due
