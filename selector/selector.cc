#include "selector/selector.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <map>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "core/mutex.h"
#include "core/published.h"
#include "core/strings.h"
#include "core/text.h"
#include "selector/group.h"
#include "selector/health.h"

namespace micro::selector {
namespace {

// A node that discovery has dropped is remembered for this long, whoever still holds a pick of it.
constexpr absl::Duration kRemembered = absl::Minutes(1);

// Calls of a strategy that is not timed: one in so many is, for those who look.
constexpr uint32_t kTimedOneIn = 16;

bool IsTimedAnyway() {
  static constinit thread_local uint32_t calls = 0;
  return calls++ % kTimedOneIn == 0;
}

}  // namespace

Filter Version(std::string version) {
  return [version = std::move(version)](const registry::Service& service, const registry::Node&) {
    return service.version == version;
  };
}

Filter Endpoint(std::string name) {
  return [name = std::move(name)](const registry::Service& service, const registry::Node&) {
    return std::any_of(service.endpoints.begin(), service.endpoints.end(),
                       [&](const registry::Endpoint& endpoint) { return endpoint.name == name; });
  };
}

Filter Label(std::string key, std::string value) {
  return [key = std::move(key), value = std::move(value)](const registry::Service&,
                                                          const registry::Node& node) {
    const auto label = node.metadata.find(key);
    return label != node.metadata.end() && label->second == value;
  };
}

Pick& Pick::operator=(Pick&& other) noexcept {
  if (state_ != nullptr && lane_ != nullptr) Abandon();
  state_ = std::exchange(other.state_, nullptr);
  lane_ = other.lane_;
  start_ = other.start_;
  return *this;
}

void Pick::Done(const absl::Status& status, bool unreachable) {
  if (lane_ == nullptr) return;
  if (absl::IsCancelled(status)) return Abandon();
  if (start_ != 0) state_->Measure(*lane_, start_, TicksNow());
  lane_->ended.fetch_add(1, std::memory_order_relaxed);
  lane_ = nullptr;
  if (state_->health == nullptr) return;
  if (!status.ok()) {
    state_->health->Failed(*state_, status, unreachable);
  } else if (state_->suspected()) {
    state_->health->Succeeded(*state_);
  }
}

void Pick::Abandon() {
  lane_->abandoned.fetch_add(1, std::memory_order_relaxed);
  lane_->ended.fetch_add(1, std::memory_order_relaxed);
  lane_ = nullptr;
  if (!state_->usable()) Health::TrialAbandoned(*state_);
}

// All nodes of one service, as of one moment.
struct Selector::Nodes {
  // The nodes of each version that a traffic rule names.
  struct Ruled {
    const TrafficRule* rule;
    std::vector<std::unique_ptr<Group>> routes;

    const Group* Choose(const CallInfo& call) const;
  };

  std::shared_ptr<const registry::Snapshot> snapshot;
  std::shared_ptr<const TrafficRules> traffic;  // that `ruled` points into
  std::shared_ptr<Health> health;
  std::vector<NodeStatePtr> states;
  std::unique_ptr<Group> group;  // all
  std::vector<Ruled> ruled;

  Candidates CandidatesFor(const CallInfo& call, const std::vector<Filter>& filters) const;

  const Ruled* RuleFor(const CallInfo& call) const {
    for (const Ruled& each : ruled) {
      if (each.rule->Applies(call.endpoint, call.metadata)) return &each;
    }
    return nullptr;
  }
};

// The version's nodes that a call goes to, by weight; null: there are none of any. A version whose
// nodes are all left out is passed over while another has some, but for the call that tries one.
const Group* Selector::Nodes::Ruled::Choose(const CallInfo& call) const {
  const auto takes = [&](const Group& route, bool usable) {
    return usable ? route.TakesCalls() : !route.empty();
  };
  for (const bool usable : {true, false}) {
    double sum = 0;
    for (size_t i = 0; i < routes.size(); ++i)
      sum += takes(*routes[i], usable) ? rule->routes[i].weight : 0;
    if (sum == 0) continue;
    double lot = rule->LotOf(call.metadata) * sum;
    const Group* last = nullptr;
    for (size_t i = 0; i < routes.size(); ++i) {
      if (!takes(*routes[i], usable) || rule->routes[i].weight == 0) continue;
      last = routes[i].get();
      lot -= rule->routes[i].weight;
      if (lot < 0) break;
    }
    return last;
  }
  return nullptr;
}

// What is known of all services that were selected, as of one version of the cache, and one of
// what is known here: the nodes' health and the traffic rules.
struct Selector::Contents {
  uint64_t cache_version = 0;
  uint64_t own_version = 0;
  absl::flat_hash_map<std::string, std::shared_ptr<const Nodes>> services;
  // The same once more while they are few: to compare some names takes less than to hash one.
  static constexpr size_t kFew = 8;
  std::vector<std::pair<std::string_view, const Nodes*>> few;

  const Nodes* Find(std::string_view service) const {
    for (const auto& [name, nodes] : few) {
      if (name == service) return nodes;
    }
    if (services.size() <= kFew) return nullptr;
    const auto known = services.find(ToAbsl(service));
    return known == services.end() ? nullptr : known->second.get();
  }
};

struct Selector::Table {
  Table(Options own, Clock& used_clock) : options(std::move(own)), clock(used_clock) {}

  const Options options;
  Clock& clock;
  Published<Contents> published;
  std::atomic<uint64_t> own_version = 0;
  Mutex mutex;  // one thread at a time makes the next contents
  std::shared_ptr<const TrafficRules> traffic ABSL_GUARDED_BY(mutex);
  // Nodes that are no more, since when; calls may run on them.
  std::vector<std::pair<NodeStatePtr, absl::Time>> left ABSL_GUARDED_BY(mutex);
};

Selector::Selector(std::unique_ptr<Strategy> strategy, std::shared_ptr<registry::Cache> cache,
                   Options options, Clock& clock)
    : strategy_(std::move(strategy)),
      timed_(strategy_->timed()),
      cache_(std::move(cache)),
      table_(std::make_shared<Table>(std::move(options), clock)) {}

Selector::~Selector() {
  // Streams of a client that is gone may hold picks for as long as they like: their nodes stay.
  static auto& outliving = *new std::vector<NodeStatePtr>;
  static Mutex& mutex = *new Mutex;
  const std::shared_ptr<const Contents> contents = table_->published.Load();
  MutexLock lock(mutex);
  const auto keep = [](const NodeStatePtr& state) {
    if (state->in_flight() > 0) outliving.push_back(state);
  };
  for (const auto& [name, nodes] : contents->services) {
    std::for_each(nodes->states.begin(), nodes->states.end(), keep);
    nodes->health->SetNodes({});
  }
  MutexLock table_lock(table_->mutex);
  for (const auto& [state, since] : table_->left) keep(state);
}

void Selector::SetTraffic(std::shared_ptr<const TrafficRules> rules) {
  {
    MutexLock lock(table_->mutex);
    table_->traffic.swap(rules);
  }
  table_->own_version.fetch_add(1, std::memory_order_release);
}

std::shared_ptr<const Selector::Nodes> Selector::MakeNodes(
    std::shared_ptr<const registry::Snapshot> snapshot, std::string_view service,
    std::shared_ptr<const TrafficRules> traffic, const Nodes* before,
    std::vector<NodeStatePtr>& dropped) {
  auto nodes = std::make_shared<Nodes>();
  nodes->snapshot = std::move(snapshot);
  if (before != nullptr) {
    nodes->health = before->health;
  } else {
    nodes->health = std::make_shared<Health>(
        table_->options.ejection, table_->clock, [table = std::weak_ptr<Table>(table_)] {
          if (const auto known = table.lock())
            known->own_version.fetch_add(1, std::memory_order_release);
        });
  }
  std::map<std::string_view, NodeStatePtr> known;
  if (before != nullptr) {
    for (const NodeStatePtr& state : before->states) known.emplace(state->node.id, state);
  }
  Candidates all;
  for (const registry::Service& version : nodes->snapshot->services) {
    for (const registry::Node& node : version.nodes) {
      const auto same = known.find(node.id);
      NodeStatePtr state;
      if (same != known.end() && same->second->node == node) {
        state = std::move(same->second);
        known.erase(same);
      } else {
        state = new NodeState(node, nodes->health);
      }
      all.push_back({state.get(), &version});
      nodes->states.push_back(std::move(state));
    }
  }
  for (auto& [id, state] : known) dropped.push_back(std::move(state));
  if (before == nullptr || nodes->states != before->states) nodes->health->SetNodes(nodes->states);

  const std::string_view locality = table_->options.locality;
  if (traffic != nullptr) {
    const auto rules = traffic->services.find(service);
    if (rules != traffic->services.end()) {
      for (const TrafficRule& rule : rules->second) {
        Nodes::Ruled ruled{.rule = &rule, .routes = {}};
        for (const TrafficRoute& route : rule.routes) {
          Candidates of_version;
          std::copy_if(all.begin(), all.end(), std::back_inserter(of_version),
                       [&](const Candidate& c) { return c.service->version == route.version; });
          ruled.routes.push_back(
              std::make_unique<Group>(std::move(of_version), locality, *strategy_));
        }
        nodes->ruled.push_back(std::move(ruled));
      }
    }
  }
  nodes->traffic = std::move(traffic);
  nodes->group = std::make_unique<Group>(std::move(all), locality, *strategy_);
  return nodes;
}

// What is known of a service: by discovery, or without.
std::shared_ptr<const registry::Snapshot> Selector::SnapshotOf(std::string_view service,
                                                               const Nodes* before) const {
  std::optional<registry::Node> node = strategy_->NodeWithoutDiscovery(service);
  if (!node.has_value()) return cache_->Peek(service);
  if (before != nullptr) return before->snapshot;
  auto snapshot = std::make_shared<registry::Snapshot>();
  snapshot->services.push_back({.name = std::string(service), .nodes = {*std::move(node)}});
  snapshot->confirmed = table_->clock.Now();
  return snapshot;
}

// Makes contents of what the cache and the nodes' health say now.
void Selector::Refresh(std::string_view service) {
  std::vector<NodeStatePtr> dropped, forgotten;  // freed without the lock
  MutexLock lock(table_->mutex);
  const std::shared_ptr<const Contents> before = table_->published.Load();
  auto next = std::make_shared<Contents>(*before);
  // Read before what they are versions of: a change meanwhile makes this thread or another come
  // back.
  next->cache_version = cache_->version();
  next->own_version = table_->own_version.load(std::memory_order_acquire);
  const bool is_same = next->own_version == before->own_version;
  next->few.clear();
  next->services.try_emplace(std::string(service));
  for (auto known = next->services.begin(); known != next->services.end();) {
    std::shared_ptr<const registry::Snapshot> snapshot =
        SnapshotOf(known->first, known->second.get());
    if (snapshot == nullptr) {
      if (known->second != nullptr) {
        dropped.insert(dropped.end(), known->second->states.begin(), known->second->states.end());
        known->second->health->SetNodes({});
      }
      next->services.erase(known++);
      continue;
    }
    if (known->second == nullptr || known->second->snapshot != snapshot || !is_same) {
      known->second = MakeNodes(std::move(snapshot), known->first, table_->traffic,
                                known->second.get(), dropped);
    }
    ++known;
  }
  if (next->services.size() <= Contents::kFew) {
    for (const auto& [name, nodes] : next->services) next->few.emplace_back(name, nodes.get());
  }
  table_->published.Store(std::move(next));
  const absl::Time now = table_->clock.Now();
  for (NodeStatePtr& state : dropped) table_->left.emplace_back(std::move(state), now);
  std::erase_if(table_->left, [&](auto& entry) {
    if (entry.second + kRemembered > now || !entry.first->IsLeft()) return false;
    forgotten.push_back(std::move(entry.first));
    return true;
  });
}

// The nodes of a service, null when nothing is known; the path of every call, without a lock or a
// count while nothing changes. Valid until this thread's next.
const Selector::Nodes* Selector::NodesOf(std::string_view service) {
  const Contents& contents = table_->published.Read();
  const Nodes* const nodes = contents.Find(service);
  if (contents.cache_version == cache_->version() &&
      contents.own_version == table_->own_version.load(std::memory_order_acquire)) {
    if (nodes != nullptr) [[likely]]
      return nodes;
    if (SnapshotOf(service, nullptr) == nullptr) return nullptr;  // nothing is known
  }
  Refresh(service);
  return table_->published.Read().Find(service);
}

absl::StatusOr<Pick> Selector::Select(std::string_view service, const SelectOptions& options,
                                      CallInfo call) {
  const Nodes* const nodes = NodesOf(service);
  if (nodes == nullptr || nodes->group->empty()) {
    return absl::FailedPreconditionError(
        fmt::format("service {} has not been discovered", service));
  }
  call.now = timed_ || IsTimedAnyway() ? TicksNow() : 0;
  const Group* group = nodes->group.get();
  if (!nodes->ruled.empty()) [[unlikely]] {
    if (const Nodes::Ruled* const ruled = nodes->RuleFor(call)) {
      group = ruled->Choose(call);
      if (group == nullptr) {
        return absl::UnavailableError(
            fmt::format("error selecting {} node: none available ({} known, none of the versions "
                        "of traffic rule \"{}\")",
                        service, nodes->states.size(), ruled->rule->name));
      }
    }
  }
  if (options.filters.empty() && options.avoid.empty()) [[likely]]
    return Pick(group->Choose(call), call.now);
  return SelectFiltered(group->all(), service, options, call);
}

namespace {

Candidates Passing(const Candidates& all, const std::vector<Filter>& filters) {
  Candidates passed;
  std::copy_if(all.begin(), all.end(), std::back_inserter(passed), [&](const Candidate& candidate) {
    return std::all_of(filters.begin(), filters.end(), [&](const Filter& filter) {
      return filter(*candidate.service, candidate.state->node);
    });
  });
  return passed;
}

}  // namespace

absl::StatusOr<Pick> Selector::SelectFiltered(const Candidates& all, std::string_view service,
                                              const SelectOptions& options, const CallInfo& call) {
  Candidates passed = Passing(all, options.filters);
  if (passed.empty()) {
    return absl::UnavailableError(
        fmt::format("error selecting {} node: none available ({} known, none passed the filters)",
                    service, all.size()));
  }
  // Nodes that this call has tried are taken only when there is no other.
  Candidates untried;
  std::copy_if(
      passed.begin(), passed.end(), std::back_inserter(untried), [&](const Candidate& candidate) {
        return std::find(options.avoid.begin(), options.avoid.end(), candidate.state->node.id) ==
               options.avoid.end();
      });
  const Group group(untried.empty() ? std::move(passed) : std::move(untried),
                    table_->options.locality, *strategy_);
  return Pick(group.Choose(call), call.now);
}

namespace {

NodeReport ReportOf(const Candidate& candidate, const Health& health) {
  const NodeState& state = *candidate.state;
  const auto place = state.node.metadata.find("locality");
  NodeReport report{.id = state.node.id,
                    .address = state.node.address,
                    .version = candidate.service->version,
                    .locality = place == state.node.metadata.end() ? "" : place->second,
                    .weight = state.weight,
                    .in_flight = state.in_flight(),
                    .calls = state.calls(),
                    .latency = state.latency()};
  const NodeState::Phase phase = state.phase();
  report.state = phase == NodeState::kUsable    ? "usable"
                 : phase == NodeState::kEjected ? "ejected"
                                                : "on trial";
  if (const std::unique_ptr<Ejection> ejection = health.EjectionOf(state))
    report.ejection = *ejection;
  return report;
}

}  // namespace

absl::StatusOr<Report> Selector::Describe(std::string_view service) {
  const Nodes* const nodes = NodesOf(service);
  if (nodes == nullptr) {
    return absl::NotFoundError(
        fmt::format("service {}: no call has asked for it, or it is not there", service));
  }
  Report report{.service = std::string(service),
                .strategy = std::string(strategy()),
                .age = table_->clock.Now() - nodes->snapshot->confirmed,
                .registry_status = nodes->snapshot->registry_status};
  for (const Candidate& candidate : nodes->group->all())
    report.nodes.push_back(ReportOf(candidate, *nodes->health));
  std::sort(report.nodes.begin(), report.nodes.end(),
            [](const NodeReport& a, const NodeReport& b) { return a.id < b.id; });
  for (const Nodes::Ruled& ruled : nodes->ruled) {
    RuleReport rule{.name = ruled.rule->name, .when = ruled.rule->When()};
    for (size_t i = 0; i < ruled.routes.size(); ++i) {
      rule.routes.push_back({.version = ruled.rule->routes[i].version,
                             .weight = ruled.rule->routes[i].weight,
                             .nodes = ruled.routes[i]->all().size()});
    }
    report.rules.push_back(std::move(rule));
  }
  return report;
}

Task<absl::Status> Selector::Discover(Context ctx, std::string service) {
  absl::StatusOr<std::shared_ptr<const registry::Snapshot>> known =
      co_await cache_->Get(ctx, service);
  if (known.ok() || absl::IsNotFound(known.status())) co_return known.status();
  const std::string_view registry = cache_->registry()->name();
  if (const absl::Status ended = ctx.status(); !ended.ok()) {
    co_return absl::Status(ended.code(),
                           fmt::format("{} while registry {} was asked for service {}",
                                       std::string(ended.message()), registry, service));
  }
  const std::optional<registry::Outage> outage = cache_->OutageOf(service);
  const std::string why = outage.has_value() ? ToText(*outage, registry, table_->clock.Now())
                                             : std::string(known.status().message());
  co_return absl::UnavailableError(fmt::format("service {}: {}", service, why));
}

// The nodes that a call could go to.
Candidates Selector::Nodes::CandidatesFor(const CallInfo& call,
                                          const std::vector<Filter>& filters) const {
  const Ruled* const rule = RuleFor(call);
  if (rule == nullptr) return Passing(group->all(), filters);
  Candidates candidates;
  for (size_t i = 0; i < rule->routes.size(); ++i) {
    if (rule->rule->routes[i].weight == 0) continue;
    const Candidates passed = Passing(rule->routes[i]->all(), filters);
    candidates.insert(candidates.end(), passed.begin(), passed.end());
  }
  return candidates;
}

Plight Selector::PlightOf(std::string_view service, const SelectOptions& options,
                          const CallInfo& call) {
  const Nodes* const nodes = NodesOf(service);
  if (nodes == nullptr) return {};
  const absl::Time now = table_->clock.Now();
  Plight plight{.ejected = EjectedText(nodes->CandidatesFor(call, options.filters),
                                       nodes->states.size(), *nodes->health, now)};
  if (!plight.ejected.empty()) cache_->Confirm(service);  // there may be others
  if (nodes->snapshot->registry_status.ok()) return plight;
  if (const std::optional<registry::Outage> outage = cache_->OutageOf(service)) {
    plight.age = fmt::format("nodes as of {} ago: {}", ShortText(now - nodes->snapshot->confirmed),
                             ToText(*outage, cache_->registry()->name(), now));
  }
  return plight;
}

}  // namespace micro::selector
