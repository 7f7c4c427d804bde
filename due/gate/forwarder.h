// A Forwarder carries what players send to the nodes that have its route, and tells nodes of the
// players that come and go (reference/due.md §3.4, §3.5). Internal.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/in_order.h"
#include "core/published.h"
#include "core/task_scope.h"
#include "due/gate/route_table.h"
#include "due/link/pool.h"
#include "due/locate/cached_locator.h"
#include "due/network/conn.h"
#include "due/packet/packer.h"

namespace due {

// Why a player's packet went to no node. Nothing is sent to the player, as in due.
enum class ForwardDrop {
  kInvalid,       // it is too short to have a route
  kNoRoute,       // nobody has the route
  kUnauthorized,  // the route needs a user
  kInternal,      // the route is for nodes
  kUnbound,       // the user is bound to no node of the route's name
  kNoNode,        // nobody who has the route works, or the user's node has gone
  kTooMany,       // as many wait for the locator as may
  kLocator,       // the locator cannot be asked
  kLink,          // as many wait for the node as may, or it cannot be reached
};
inline constexpr size_t kForwardDrops = 9;
std::string_view NameOf(ForwardDrop drop);  // "no route" …

class Forwarder {
 public:
  struct Counts {
    int64_t delivered = 0, triggered = 0;
    std::array<int64_t, kForwardDrops> dropped = {};  // by ForwardDrop
  };

  // What a list of the registry says of one node.
  struct Node {
    NodePeer peer = {};  // without its link
    std::string address = {};
  };

  // All of them outlive it. `links` are those of the gate.
  Forwarder(const Packer& packer, Dispatch dispatch, LinkPool& links, CachedLocator& locator)
      : packer_(packer), dispatch_(dispatch), links_(links), locator_(locator) {}
  ~Forwarder() { scope_.Join(); }

  // The nodes that there are from now on.
  void SetNodes(std::vector<Node> nodes);

  // Carries a player's packet to a node; on the player's loop. Packets of one player to one node
  // arrive in order.
  void Forward(Conn& conn, std::string_view packet);

  // Tells the nodes that want to hear of it. From any thread.
  void Trigger(link::Event event, int64_t cid, int64_t uid);

  Counts counts() const;

  // Waits for what is under way with the locator.
  auto Done() { return scope_.Done(); }

 private:
  void DeliverTo(const std::string& nid, int64_t uid, const RouteTable& table,
                 const RouteTable::Route& route, Conn& conn, std::string_view packet);
  void Deliver(const NodePeer* node, Conn& conn, std::string_view packet);
  void Drop(ForwardDrop why) {
    dropped_[static_cast<size_t>(why)].fetch_add(1, std::memory_order_relaxed);
  }
  micro::Task<void> DeliverLocated(std::shared_ptr<Conn> conn, std::string packet);

  const Packer packer_;
  const Dispatch dispatch_;
  LinkPool& links_;
  CachedLocator& locator_;
  micro::Published<RouteTable> table_;
  std::atomic<int64_t> delivered_ = 0, triggered_ = 0;
  std::array<std::atomic<int64_t>, kForwardDrops> dropped_ = {};
  micro::TaskScope scope_;
  micro::InOrder line_{scope_, 256};  // packets that wait for where their users are, by player
};

}  // namespace due
