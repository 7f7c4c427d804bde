#include "due/cluster/route_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include "core/random.h"

namespace due {
namespace {

constexpr int kMostTurns = 1000;  // of one route; larger weights are made smaller in proportion

// Smooth weighted round robin: of each turn the node that has waited the longest for its weight.
std::vector<const NodePeer*> Weighted(const std::vector<const NodePeer*>& nodes) {
  std::vector<int64_t> weights, current(nodes.size(), 0);
  int64_t divisor = 0, total = 0;
  for (const NodePeer* node : nodes) {
    weights.push_back(std::max(node->weight, 1));
    divisor = std::gcd(divisor, weights.back());
    total += weights.back();
  }
  divisor = std::max(divisor, total / kMostTurns + 1);
  total = 0;
  for (int64_t& weight : weights) total += weight = std::max<int64_t>(weight / divisor, 1);
  std::vector<const NodePeer*> turns;
  for (int64_t turn = 0; turn < total; ++turn) {
    for (size_t i = 0; i < nodes.size(); ++i) current[i] += weights[i];
    const auto most = static_cast<size_t>(std::ranges::max_element(current) - current.begin());
    current[most] -= total;
    turns.push_back(nodes[most]);
  }
  return turns;
}

}  // namespace

absl::StatusOr<Dispatch> ParseDispatch(std::string_view text) {
  if (text == "random") return Dispatch::kRandom;
  if (text == "rr") return Dispatch::kRoundRobin;
  if (text == "wrr") return Dispatch::kWeighted;
  return absl::InvalidArgumentError(
      fmt::format("dispatch is \"{}\", not random, rr or wrr (flag --dispatch)", text));
}

RouteTable::Choice::Choice(std::vector<const NodePeer*> nodes, Dispatch dispatch)
    : turns_(dispatch == Dispatch::kWeighted ? Weighted(nodes) : std::move(nodes)),
      is_random_(dispatch == Dispatch::kRandom) {}

const NodePeer* RouteTable::Choice::Next() const {
  if (turns_.size() < 2) return turns_.empty() ? nullptr : turns_.front();
  if (is_random_) return turns_[micro::RandomBelow(turns_.size())];
  return turns_[next_.fetch_add(1, std::memory_order_relaxed) % turns_.size()];
}

RouteTable::RouteTable(std::vector<NodePeer> nodes, Dispatch dispatch) : nodes_(std::move(nodes)) {
  std::map<int32_t, std::pair<std::vector<const NodePeer*>, std::vector<const NodePeer*>>> nodes_of;
  std::map<int32_t, std::pair<NodePeer::Route, const NodePeer*>> first_of;
  for (const NodePeer& node : nodes_) {
    by_id_.emplace(node.id, &node);
    for (const link::Event event : node.events) {
      if (const auto index = static_cast<size_t>(event); index < listeners_.size())
        listeners_[index].push_back(&node);
    }
    for (const NodePeer::Route& route : node.routes) {
      first_of.emplace(route.id, std::pair(route, &node));
      auto& [working, busy] = nodes_of[route.id];
      if (node.state == link::State::kWork) working.push_back(&node);
      if (node.state == link::State::kBusy) busy.push_back(&node);
    }
  }
  for (auto& [id, of] : nodes_of) {
    const auto& [flags, first] = first_of.at(id);
    routes_.emplace(
        id, std::unique_ptr<Route>(new Route{.internal = flags.internal,
                                             .stateful = flags.stateful,
                                             .authorized = flags.authorized,
                                             .alias = first->alias,
                                             .working = Choice(std::move(of.first), dispatch),
                                             .busy = Choice(std::move(of.second), dispatch)}));
  }
}

const RouteTable::Route* RouteTable::FindRoute(int32_t route) const {
  const auto found = routes_.find(route);
  return found == routes_.end() ? nullptr : found->second.get();
}

const NodePeer* RouteTable::FindNode(std::string_view id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second;
}

const std::vector<const NodePeer*>& RouteTable::Listeners(link::Event event) const {
  return listeners_[static_cast<size_t>(event)];
}

}  // namespace due
