#include "selector/selector.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "core/mutex.h"
#include "core/published.h"

namespace micro::selector {
namespace {

int64_t NowNanos() { return absl::ToUnixNanos(Clock::Real().Now()); }

// An average over about the last ten seconds of calls: an old value fades with the time since its
// last update.
void UpdateLatency(NodeState& state, int64_t latency, int64_t now) {
  constexpr double kWindowNs = 10e9;
  const int64_t before = state.latency_ns.load(std::memory_order_relaxed);
  const int64_t elapsed =
      std::max<int64_t>(now - state.latency_at_ns.exchange(now, std::memory_order_relaxed), 1);
  // Slow calls count at once, so that a node that stalls is left quickly; good ones win trust back
  // gradually.
  const double keep =
      latency > before ? 0.5 : std::exp(-static_cast<double>(elapsed) / kWindowNs) * 0.9;
  const double average =
      before == 0 ? static_cast<double>(latency)
                  : static_cast<double>(before) * keep + static_cast<double>(latency) * (1 - keep);
  state.latency_ns.store(std::max<int64_t>(static_cast<int64_t>(average), 1),
                         std::memory_order_relaxed);
}

// A node that could not be reached is avoided for 0.1 s, 0.2 s … at most 10 s.
void Mark(NodeState& state, bool failed, int64_t now) {
  if (!failed) {
    if (state.failures.load(std::memory_order_relaxed) != 0) {
      state.failures.store(0, std::memory_order_relaxed);
      state.failed_until_ns.store(0, std::memory_order_relaxed);
    }
    return;
  }
  const int failures = state.failures.fetch_add(1, std::memory_order_relaxed);
  const int64_t pause =
      std::min<int64_t>(100'000'000LL << std::min(failures, 10), 10'000'000'000LL);
  state.failed_until_ns.store(now + pause, std::memory_order_relaxed);
}

bool IsMarked(const NodeState& state, int64_t now) {
  return state.failed_until_ns.load(std::memory_order_relaxed) > now;
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

Pick::Pick(std::shared_ptr<NodeState> state)
    : state_(std::move(state)), start_(Clock::Real().Now()) {
  state_->in_flight.fetch_add(1, std::memory_order_relaxed);
}

Pick& Pick::operator=(Pick&& other) noexcept {
  Finish(nullptr);
  state_ = std::move(other.state_);
  finished_ = other.finished_;
  start_ = other.start_;
  return *this;
}

void Pick::Finish(const absl::Status* status) {
  if (state_ == nullptr || finished_) return;
  finished_ = true;
  state_->in_flight.fetch_sub(1, std::memory_order_relaxed);
  if (status == nullptr || absl::IsCancelled(*status))
    return;  // abandoned: says nothing of the node
  const absl::Time now = Clock::Real().Now();
  UpdateLatency(*state_, absl::ToInt64Nanoseconds(now - start_), absl::ToUnixNanos(now));
  Mark(*state_, absl::IsUnavailable(*status), absl::ToUnixNanos(now));
}

// All nodes of one service, as strategies see them.
struct Selector::Nodes {
  std::shared_ptr<const registry::Snapshot> snapshot;
  std::vector<Candidate> candidates;
};

// What is known of all services that were selected, as of one version of the cache.
struct Selector::Table {
  struct Contents {
    uint64_t cache_version = 0;
    std::map<std::string, std::shared_ptr<const Nodes>, std::less<>> services;
  };
  Published<Contents> published;
  Mutex mutex;  // one thread at a time makes the next contents
};

namespace {

// The nodes of a new snapshot; those that were there before keep their state.
std::vector<Candidate> CandidatesOf(const std::shared_ptr<const registry::Snapshot>& snapshot,
                                    const std::vector<Candidate>& before) {
  std::map<std::string_view, std::shared_ptr<NodeState>> known;
  for (const Candidate& candidate : before)
    known.emplace(candidate.state->node.id, candidate.state);
  std::vector<Candidate> candidates;
  for (const registry::Service& version : snapshot->services) {
    // Aliases the snapshot: the record lives as long as it does.
    const std::shared_ptr<const registry::Service> record(snapshot, &version);
    for (const registry::Node& node : version.nodes) {
      const auto same = known.find(node.id);
      std::shared_ptr<NodeState> state;
      if (same != known.end() && same->second->node == node) {
        state = same->second;
      } else {
        state = std::make_shared<NodeState>();
        state->node = node;
      }
      candidates.push_back({std::move(state), record});
    }
  }
  return candidates;
}

}  // namespace

Selector::Selector(std::unique_ptr<Strategy> strategy, std::shared_ptr<registry::Cache> cache)
    : strategy_(std::move(strategy)), cache_(std::move(cache)), table_(std::make_unique<Table>()) {}

Selector::~Selector() = default;

// The nodes of a service, null when nothing is known; the path of every call, without a lock while
// discovery does not change.
std::shared_ptr<const Selector::Nodes> Selector::NodesOf(std::string_view service) {
  std::shared_ptr<const Table::Contents> contents = table_->published.Load();
  auto nodes = contents->services.find(service);
  if (contents->cache_version == cache_->version() && nodes != contents->services.end())
    return nodes->second;

  if (contents->cache_version == cache_->version() && cache_->Peek(service) == nullptr)
    return nullptr;  // nothing is known

  MutexLock lock(table_->mutex);
  contents = table_->published.Load();
  auto next = std::make_shared<Table::Contents>(*contents);
  next->cache_version =
      cache_
          ->version();  // before the snapshots: a change meanwhile makes this thread or another come back
  next->services.try_emplace(std::string(service));
  for (auto known = next->services.begin(); known != next->services.end();) {
    std::shared_ptr<const registry::Snapshot> snapshot = cache_->Peek(known->first);
    if (snapshot == nullptr) {
      known = next->services.erase(known);
      continue;
    }
    if (known->second == nullptr || known->second->snapshot != snapshot) {
      static const std::vector<Candidate>& none = *new std::vector<Candidate>;
      auto made = std::make_shared<Nodes>();
      made->candidates =
          CandidatesOf(snapshot, known->second == nullptr ? none : known->second->candidates);
      made->snapshot = std::move(snapshot);
      known->second = std::move(made);
    }
    ++known;
  }
  nodes = next->services.find(service);
  std::shared_ptr<const Nodes> found = nodes == next->services.end() ? nullptr : nodes->second;
  table_->published.Store(std::move(next));
  return found;
}

absl::StatusOr<Pick> Selector::Select(std::string_view service, const SelectOptions& options) {
  const std::shared_ptr<const Nodes> nodes = NodesOf(service);
  if (nodes == nullptr || nodes->candidates.empty()) {
    return absl::FailedPreconditionError(
        fmt::format("service {} has not been discovered", service));
  }
  const int64_t now = NowNanos();
  if (options.filters.empty() && options.avoid.empty()) {
    const Candidate& choice = nodes->candidates[strategy_->Choose(nodes->candidates)];
    if (!IsMarked(*choice.state, now)) return Pick(choice.state);
  }

  std::vector<Candidate> passed;
  for (const Candidate& candidate : nodes->candidates) {
    const bool agreed = std::all_of(
        options.filters.begin(), options.filters.end(),
        [&](const Filter& filter) { return filter(*candidate.service, candidate.state->node); });
    if (agreed) passed.push_back(candidate);
  }
  if (passed.empty()) {
    return absl::UnavailableError(
        fmt::format("error selecting {} node: none available ({} known, none passed the filters)",
                    service, nodes->candidates.size()));
  }
  // Nodes that this call has tried, and nodes marked as failed, are taken only when there is no
  // other.
  const auto keep_better = [&](auto is_worse) {
    std::vector<Candidate> better;
    std::copy_if(passed.begin(), passed.end(), std::back_inserter(better),
                 [&](const Candidate& candidate) { return !is_worse(*candidate.state); });
    if (!better.empty()) passed = std::move(better);
  };
  keep_better([&](const NodeState& state) {
    return std::find(options.avoid.begin(), options.avoid.end(), state.node.id) !=
           options.avoid.end();
  });
  keep_better([&](const NodeState& state) { return IsMarked(state, now); });
  return Pick(passed[strategy_->Choose(passed)].state);
}

Task<absl::Status> Selector::Discover(Context ctx, std::string service) {
  absl::StatusOr<std::shared_ptr<const registry::Snapshot>> known =
      co_await cache_->Get(ctx, service);
  if (known.ok() || absl::IsNotFound(known.status())) co_return known.status();
  if (!ctx.status().ok()) co_return ctx.status();
  co_return absl::UnavailableError(fmt::format("registry {} cannot be asked for service {}: {}",
                                               cache_->registry()->name(), service,
                                               std::string(known.status().message())));
}

}  // namespace micro::selector
