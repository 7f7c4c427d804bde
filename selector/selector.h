// A Selector chooses, for one call, a node that provides a service.
//
//   absl::StatusOr<Pick> pick = selector->Select("greeter", {.filters = {selector::Version("1.2")}});
//   … call pick->node().address …
//   pick->Done(status);        // reports latency and result; the destructor reports an abandoned call
//
// A Selector is a strategy (the plugin: random, roundrobin, p2c …) over the registry's cache. It is
// shared by all calls of a client: every method may be called from any thread, and only Discover
// waits. Mirrors go-micro's selector.Selector; Done stands for Mark, because strategies that look
// at latency need both ends of a call.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/clock.h"
#include "core/context.h"
#include "core/task.h"
#include "registry/cache.h"
#include "registry/registry.h"
#include "selector/node_state.h"
#include "selector/options.h"
#include "selector/plight.h"
#include "selector/report.h"
#include "selector/strategy.h"
#include "selector/traffic.h"

namespace micro::selector {

// Whether a node may be chosen. Called on the path of a call: quick, and never waiting.
using Filter = std::function<bool(const registry::Service& service, const registry::Node& node)>;

Filter Version(std::string version);               // nodes of this version
Filter Endpoint(std::string name);                 // versions that have this endpoint
Filter Label(std::string key, std::string value);  // nodes whose metadata has this pair

struct SelectOptions {
  std::vector<Filter> filters = {};  // all must agree
  std::vector<std::string> avoid =
      {};  // ids of nodes to take only when there is no other: those this call has tried
};

// A chosen node, until the call on it ends.
class Pick {
 public:
  Pick(NodeState& state, Ticks start) : state_(&state), lane_(&state.lane()), start_(start) {
    lane_->begun.fetch_add(1, std::memory_order_relaxed);
  }
  Pick(Pick&& other) noexcept
      : state_(std::exchange(other.state_, nullptr)), lane_(other.lane_), start_(other.start_) {}
  Pick& operator=(Pick&& other) noexcept;
  ~Pick() {
    if (state_ != nullptr && lane_ != nullptr) Abandon();
  }

  // To be read until the call was reported with Done: the node may be forgotten a minute later.
  const registry::Node& node() const { return state_->node; }

  // Reports the call's end; later reports do nothing. `unreachable`: it certainly never reached the
  // node, which therefore gets no calls for a while. CANCELLED says nothing of the node.
  void Done(const absl::Status& status, bool unreachable = false);

 private:
  void Abandon();

  NodeState* state_;
  NodeState::Lane* lane_;  // null: reported
  Ticks start_;            // 0: not timed
};

class Selector {
 public:
  // The cache is shared with others and outlives no one: it is stopped by its owner.
  Selector(std::unique_ptr<Strategy> strategy, std::shared_ptr<registry::Cache> cache,
           Options options = {}, Clock& clock = Clock::Real());
  ~Selector();

  // A node for a call to `service`. FAILED_PRECONDITION: nothing is known of the service yet,
  // Discover it first. UNAVAILABLE: it is known, but no node passed; the message says how many
  // there are and why.
  absl::StatusOr<Pick> Select(std::string_view service, const SelectOptions& options,
                              CallInfo call = {});

  // Traffic rules from now on; null: none.
  void SetTraffic(std::shared_ptr<const TrafficRules> rules);

  // Waits until something is known of the service. NOT_FOUND: discovery knows no such service.
  // UNAVAILABLE: the registry cannot be asked, and nothing was known before; the message says how
  // often it was, since when and why. The error of a context that ended says what it waited for.
  Task<absl::Status> Discover(Context ctx, std::string service);

  // What is known of a service now. NOT_FOUND: nothing is.
  absl::StatusOr<Report> Describe(std::string_view service);

  // What stands against a call that Select was asked for: for the error of one that has failed.
  Plight PlightOf(std::string_view service, const SelectOptions& options, const CallInfo& call);

  std::string_view strategy() const { return strategy_->name(); }

 private:
  struct Nodes;
  struct Contents;
  struct Table;
  const Nodes* NodesOf(std::string_view service);
  std::shared_ptr<const registry::Snapshot> SnapshotOf(std::string_view service,
                                                       const Nodes* before) const;
  void Refresh(std::string_view service);
  std::shared_ptr<const Nodes> MakeNodes(std::shared_ptr<const registry::Snapshot> snapshot,
                                         std::string_view service,
                                         std::shared_ptr<const TrafficRules> traffic,
                                         const Nodes* before, std::vector<NodeStatePtr>& dropped);
  absl::StatusOr<Pick> SelectFiltered(const Candidates& all, std::string_view service,
                                      const SelectOptions& options, const CallInfo& call);

  const std::unique_ptr<Strategy> strategy_;
  const bool timed_;
  const std::shared_ptr<registry::Cache> cache_;
  const std::shared_ptr<Table> table_;
};

}  // namespace micro::selector
