// A RouteTable is what a gate knows of the nodes: who has which route, who wants to hear of events.
// Made anew from each list of the registry, and never changed. Internal.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "due/link/frames.h"

namespace due {

class LinkClient;

// How one of several nodes is chosen for a route without state.
enum class Dispatch { kRandom, kRoundRobin, kWeighted };

// "random", "rr" and "wrr", as due's etc.cluster.gate.dispatch. INVALID_ARGUMENT else.
absl::StatusOr<Dispatch> ParseDispatch(std::string_view text);

// A node, as the registry has it, and our links to it.
struct NodePeer {
  struct Route {
    int32_t id = 0;
    bool internal = false, stateful = false, authorized = false;
  };

  std::string id = {};
  std::string alias = {};  // its name: a user is bound to one node of a name
  link::State state = link::State::kWork;
  int weight = 1;
  std::vector<Route> routes = {};
  std::vector<link::Event> events = {};
  std::shared_ptr<LinkClient> link = nullptr;
};

class RouteTable {
 public:
  // Nodes that one of is chosen, call after call.
  class Choice {
   public:
    Choice() = default;
    Choice(std::vector<const NodePeer*> nodes, Dispatch dispatch);
    const NodePeer* Next() const;  // null: there are none

   private:
    std::vector<const NodePeer*> turns_;  // of weights: each as often as it weighs, spread evenly
    bool is_random_ = false;
    mutable std::atomic<uint64_t> next_ = 0;
  };

  // A route has the flags and the name of the first node that declares it.
  struct Route {
    bool internal = false, stateful = false, authorized = false;
    std::string alias = {};
    Choice working, busy;

    // A node for a packet without state: one that works, else one that is busy. Null: neither.
    const NodePeer* Next() const {
      const NodePeer* const node = working.Next();
      return node != nullptr ? node : busy.Next();
    }
  };

  explicit RouteTable(std::vector<NodePeer> nodes = {}, Dispatch dispatch = Dispatch::kRandom);
  RouteTable(const RouteTable&) = delete;
  RouteTable& operator=(const RouteTable&) = delete;

  const std::vector<NodePeer>& nodes() const { return nodes_; }
  const Route* FindRoute(int32_t route) const;          // null: nobody has it
  const NodePeer* FindNode(std::string_view id) const;  // null: it is not there
  const std::vector<const NodePeer*>& Listeners(link::Event event) const;

 private:
  const std::vector<NodePeer> nodes_;
  std::unordered_map<int32_t, std::unique_ptr<Route>> routes_;
  std::unordered_map<std::string_view, const NodePeer*> by_id_;
  std::array<std::vector<const NodePeer*>, 4> listeners_;  // by event
};

}  // namespace due
