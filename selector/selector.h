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

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/clock.h"
#include "core/context.h"
#include "core/task.h"
#include "registry/cache.h"
#include "registry/registry.h"

namespace micro::selector {

// What a strategy knows of one node: it outlives changes of discovery as long as the node's id and
// address stay.
struct NodeState {
  registry::Node node;
  std::atomic<int> in_flight = 0;
  std::atomic<int> failures = 0;             // in a row
  std::atomic<int64_t> failed_until_ns = 0;  // Clock::Real() time until which the node is avoided
  std::atomic<int64_t> latency_ns = 0;       // moving average, 0: never called
  std::atomic<int64_t> latency_at_ns = 0;    // when that was last updated
};

// A node to choose from, with its version's record.
struct Candidate {
  std::shared_ptr<NodeState> state;
  std::shared_ptr<const registry::Service> service;  // its version: name, metadata, endpoints
};

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
  explicit Pick(std::shared_ptr<NodeState> state);
  Pick(Pick&& other) noexcept = default;
  Pick& operator=(Pick&& other) noexcept;
  ~Pick() { Finish(nullptr); }

  const registry::Node& node() const { return state_->node; }

  // Reports the call's end; later reports do nothing.
  void Done(const absl::Status& status) { Finish(&status); }

 private:
  void Finish(const absl::Status* status);

  std::shared_ptr<NodeState> state_;
  bool finished_ = false;
  absl::Time start_;
};

// How one of several nodes is chosen: what a plugin implements. Any thread.
class Strategy {
 public:
  static constexpr std::string_view kPluginKind = "selector";
  struct PluginOptions {};

  virtual ~Strategy() = default;
  virtual std::string_view name() const = 0;

  // The index of the choice; `candidates` is never empty.
  virtual size_t Choose(const std::vector<Candidate>& candidates) = 0;
};

class Selector {
 public:
  // The cache is shared with others and outlives no one: it is stopped by its owner.
  Selector(std::unique_ptr<Strategy> strategy, std::shared_ptr<registry::Cache> cache);
  ~Selector();

  // A node for a call to `service`. FAILED_PRECONDITION: nothing is known of the service yet,
  // Discover it first. UNAVAILABLE: it is known, but no node passed; the message says how many
  // there are and why.
  absl::StatusOr<Pick> Select(std::string_view service, const SelectOptions& options);

  // Waits until something is known of the service. NOT_FOUND: discovery knows no such service.
  // UNAVAILABLE: the registry cannot be asked, and nothing was known before.
  Task<absl::Status> Discover(Context ctx, std::string service);

  std::string_view strategy() const { return strategy_->name(); }

 private:
  struct Nodes;
  struct Table;
  std::shared_ptr<const Nodes> NodesOf(std::string_view service);

  const std::unique_ptr<Strategy> strategy_;
  const std::shared_ptr<registry::Cache> cache_;
  const std::unique_ptr<Table> table_;
};

}  // namespace micro::selector
