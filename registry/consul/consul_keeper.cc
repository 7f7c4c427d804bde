#include "registry/consul/consul_keeper.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "core/async.h"
#include "core/log.h"
#include "core/status_macros.h"
#include "registry/consul/consul_pauses.h"

namespace micro::registry::consul {
namespace {

// How long one question stays open.
constexpr absl::Duration kWait = absl::Minutes(1);

}  // namespace

Keeper::Keeper(Agent& agent) : agent_(agent) { std::tie(ctx_, cancel_) = WithCancel(Context()); }

Keeper::~Keeper() {
  cancel_();
  scope_.Join();
}

Task<absl::Status> Keeper::Register(Context ctx, std::string id, std::string json,
                                    absl::Duration ttl) {
  const absl::Duration life = ttl > absl::ZeroDuration() ? ttl : absl::InfiniteDuration();
  bool pass = false;
  uint64_t generation = 0;
  {
    MutexLock lock(mutex_);
    Kept& kept = kept_[id];
    if (kept.json != json) {
      kept.json = std::move(json);
      kept.generation = ++generations_;
      kept.confirmed = false;
    }
    kept.ttl = ttl;
    kept.lapses = Clock::Real().Now() + life;
    generation = kept.generation;
    pass = kept.confirmed && ttl > absl::ZeroDuration();
  }
  absl::Status status = co_await PassOrPut(ctx, id, pass);
  {
    MutexLock lock(mutex_);
    const auto kept = kept_.find(id);
    if (kept == kept_.end()) co_return status;
    if (status.ok()) {
      kept->second.accepted = true;
      kept->second.lapses = Clock::Real().Now() + life;
    } else if (!kept->second.accepted && kept->second.generation == generation) {
      kept_.erase(kept);
    }
  }
  if (status.ok()) StartGuard();
  co_return status;
}

Task<absl::Status> Keeper::PassOrPut(Context ctx, std::string id, bool pass) {
  if (pass) {
    absl::Status passed = co_await agent_.PassCheck(ctx, id);
    if (!absl::IsNotFound(passed)) co_return passed;
  }
  co_return co_await Put(ctx, id);
}

// Registers what is kept under this id, until an agent has the latest of it: others may change or
// end it meanwhile.
Task<absl::Status> Keeper::Put(Context ctx, std::string id) {
  absl::Duration ttl;
  for (bool latest = false; !latest;) {
    std::string json;
    uint64_t generation = 0;
    {
      MutexLock lock(mutex_);
      const auto kept = kept_.find(id);
      if (kept == kept_.end()) co_return absl::OkStatus();
      json = kept->second.json;
      generation = kept->second.generation;
      ttl = kept->second.ttl;
    }
    // The check of an earlier registration with a TTL would fail some day.
    const bool drop_checks = ttl == absl::ZeroDuration();
    CO_ASSIGN_OR_RETURN(const AddressIndex address,
                        co_await agent_.Register(ctx, json, drop_checks));
    bool ended = false;
    {
      MutexLock lock(mutex_);
      const auto kept = kept_.find(id);
      ended = kept == kept_.end();
      if (!ended) {
        auto& addresses = kept->second.addresses;
        std::erase(addresses, address);
        addresses.push_back(address);
        latest = kept->second.generation == generation;
        if (latest) kept->second.confirmed = true;
      }
    }
    if (ended) co_return co_await agent_.DeregisterAt(ctx, id, address);
  }
  if (ttl == absl::ZeroDuration()) co_return absl::OkStatus();
  // A check that was there before has kept its state.
  absl::Status passed = co_await agent_.PassCheck(ctx, id);
  co_return absl::IsNotFound(passed) ? absl::OkStatus() : passed;
}

Task<absl::Status> Keeper::Deregister(Context ctx, std::string id) {
  std::vector<AddressIndex> addresses;
  {
    MutexLock lock(mutex_);
    if (const auto kept = kept_.find(id); kept != kept_.end()) {
      addresses = kept->second.addresses;
      kept_.erase(kept);
    }
  }
  if (addresses.empty()) co_return co_await agent_.Deregister(ctx, id);
  absl::Status status = co_await agent_.DeregisterAt(ctx, id, addresses.back());
  addresses.pop_back();
  for (const AddressIndex address : addresses) {
    const absl::Status other = co_await agent_.DeregisterAt(ctx, id, address);
    if (other.ok()) continue;
    log::Warn("a Consul agent that was left keeps a node, until its TTL passes",
              {{"agent", agent_.url(address)}, {"node", id}, {"error", other}});
  }
  co_return status;
}

void Keeper::StartGuard() {
  {
    MutexLock lock(mutex_);
    if (kept_.empty() || std::exchange(guarding_, true)) return;
  }
  Spawn(scope_, Guard());
}

// A node by which a loss shows. None: nothing is kept, and Guard ends.
std::optional<std::string> Keeper::Canary() {
  MutexLock lock(mutex_);
  std::erase_if(kept_, [now = Clock::Real().Now()](const auto& entry) {
    return entry.second.accepted && entry.second.lapses <= now;
  });
  std::optional<std::string> canary;
  for (const auto& [id, kept] : kept_) {
    if (kept.accepted && (kept.confirmed || !canary)) canary = id;
    if (kept.confirmed) break;
  }
  if (!canary) guarding_ = false;
  return canary;
}

bool Keeper::Keeps(const std::string& id) const {
  MutexLock lock(mutex_);
  return kept_.count(id) > 0;
}

Task<absl::Status> Keeper::RestoreAll(Context ctx) {
  std::vector<std::pair<std::string, bool>> nodes;  // and whether passing their check may do
  {
    MutexLock lock(mutex_);
    const absl::Time now = Clock::Real().Now();
    for (const auto& [id, kept] : kept_) {
      if (kept.accepted && kept.lapses > now)
        nodes.emplace_back(id, kept.confirmed && kept.ttl > absl::ZeroDuration());
    }
  }
  for (const auto& [id, pass] : nodes) CO_RETURN_IF_ERROR(co_await PassOrPut(ctx, id, pass));
  log::Info("the Consul agent has all nodes again", {{"nodes", nodes.size()}});
  co_return absl::OkStatus();
}

Task<void> Keeper::Guard() {
  Backoff backoff;
  std::string asked, hash;
  bool away = false;  // the agent, since the last answer
  while (const std::optional<std::string> canary = Canary()) {
    if (*canary != asked) hash.clear();
    asked = *canary;
    const absl::StatusOr<HttpAnswer> answer = co_await agent_.Local(ctx_, asked, hash, kWait);
    if (!ctx_.status().ok()) co_return;
    const bool lost = absl::IsNotFound(answer.status()) && Keeps(asked);
    absl::Status status = absl::IsNotFound(answer.status()) ? absl::OkStatus() : answer.status();
    if (status.ok() && (lost || away)) status = co_await RestoreAll(ctx_);
    if (!ctx_.status().ok()) co_return;
    hash = answer.ok() ? answer->hash : "";
    absl::Duration pause;
    if (!status.ok()) {
      if (!std::exchange(away, true)) {
        log::Warn("the Consul agent is away; what is registered there follows when it is back",
                  {{"error", status}});
      }
      // What is no outage does not end by asking again soon.
      pause = absl::IsUnavailable(status) ? backoff.Next() : kWait;
    } else {
      away = false;
      if (lost) {
        pause = backoff.Next();
      } else {
        backoff.Reset();
        if (answer.ok() && hash.empty()) pause = kWait;  // an agent that cannot wait
      }
    }
    if (pause > absl::ZeroDuration() && !(co_await Sleep(ctx_, pause)).ok()) co_return;
  }
}

}  // namespace micro::registry::consul
