#include "registry/cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "core/async.h"
#include "core/log.h"
#include "core/mutex.h"
#include "core/random.h"
#include "core/task_scope.h"
#include "core/text.h"

namespace micro::registry {
namespace {

using SnapshotPtr = std::shared_ptr<const Snapshot>;
using Waiter = std::shared_ptr<OneShot<bool>>;

// One followed service.
struct Entry {
  SnapshotPtr snapshot;   // null until the registry has answered
  Outage outage;          // without lookups: the registry answers
  bool said_old = false;  // in the log
  absl::Time looked_up = absl::InfinitePast();
  bool asking = true;           // a lookup is under way
  bool used = true;             // since the last lookup
  uint64_t events = 0;          // that the watch told
  std::vector<Waiter> waiters;  // for the end of the lookup
};

// What `services` becomes by one event of the watch.
void Apply(std::vector<Service>& services, const Event& event) {
  const auto version = std::find_if(services.begin(), services.end(), [&](const Service& s) {
    return s.version == event.service.version;
  });
  if (event.action == Action::kDelete) {
    if (version != services.end()) {
      if (event.service.nodes.empty() || RemoveNodes(*version, event.service))
        services.erase(version);
    } else if (event.service.version.empty()) {
      // A registry that does not know the version of what went: take its nodes out of all of them.
      std::erase_if(services, [&](Service& s) { return RemoveNodes(s, event.service); });
    }
  } else if (version != services.end()) {
    MergeNodes(*version, event.service);
  } else if (!event.service.nodes.empty()) {
    services.push_back(event.service);
  }
}

}  // namespace

size_t Snapshot::node_count() const {
  size_t count = 0;
  for (const Service& service : services) count += service.nodes.size();
  return count;
}

struct Cache::State {
  State(std::shared_ptr<Registry> registry, CacheOptions options)
      : registry(std::move(registry)), options(options) {
    std::tie(ctx, cancel) = WithCancel(Context());
  }

  const std::shared_ptr<Registry> registry;
  const CacheOptions options;
  Context ctx;
  CancelFunction cancel;
  std::atomic<uint64_t> version = 1;
  TaskScope scope;

  mutable Mutex mutex;
  bool stopped ABSL_GUARDED_BY(mutex) = false;
  std::map<std::string, Entry, std::less<>> entries ABSL_GUARDED_BY(mutex);
  std::vector<std::shared_ptr<const Observer>> observers ABSL_GUARDED_BY(mutex);

  Task<void> Follow(std::string service);
  Task<void> Lookup(std::string service);
  bool Forget(const std::string& service);
  uint64_t EventsOf(const std::string& service) const;
  void Publish(Entry& entry, std::vector<Service> services, absl::Time confirmed,
               absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void SayAge(const std::string& service);
  void TellObservers(const std::string& service);
};

void Cache::State::Publish(Entry& entry, std::vector<Service> services, absl::Time confirmed,
                           absl::Status status) {
  entry.snapshot =
      std::make_shared<const Snapshot>(Snapshot{std::move(services), confirmed, std::move(status)});
  if (entry.snapshot->registry_status.ok()) entry.outage = {};
  version.fetch_add(1, std::memory_order_acq_rel);
}

void Cache::State::TellObservers(const std::string& service) {
  std::vector<std::shared_ptr<const Observer>> told;
  SnapshotPtr snapshot;
  {
    MutexLock lock(mutex);
    if (stopped || observers.empty()) return;
    const auto entry = entries.find(service);
    if (entry == entries.end() || entry->second.snapshot == nullptr) return;
    snapshot = entry->second.snapshot;
    told = observers;
  }
  for (const auto& observer : told) (*observer)(service, *snapshot);
}

// How many changes the watch has told of a service.
uint64_t Cache::State::EventsOf(const std::string& service) const {
  MutexLock lock(mutex);
  const auto entry = entries.find(service);
  return entry == entries.end() ? 0 : entry->second.events;
}

// Says that a service's nodes have become old, and that they no longer are.
void Cache::State::SayAge(const std::string& service) {
  SnapshotPtr snapshot;
  Outage outage;
  const absl::Time now = Clock::Real().Now();
  {
    MutexLock lock(mutex);
    const auto place = entries.find(service);
    if (place == entries.end() || place->second.snapshot == nullptr) return;
    Entry& entry = place->second;
    const bool is_confirmed = entry.outage.lookups == 0;
    const bool is_old = !is_confirmed && !entry.snapshot->services.empty() &&
                        now - entry.snapshot->confirmed >= options.old_after;
    if (entry.said_old ? !is_confirmed : !is_old) return;
    entry.said_old = is_old;
    snapshot = entry.snapshot;
    outage = entry.outage;
  }
  if (outage.lookups == 0) {
    return log::Info(
        "the registry has confirmed a service's nodes again",
        {{"service", service}, {"nodes", snapshot->node_count()}, {"registry", registry->name()}});
  }
  log::Warn("going on with old nodes of a service",
            {{"service", service},
             {"nodes", snapshot->node_count()},
             {"confirmed", ShortText(now - snapshot->confirmed) + " ago"},
             {"error", ToText(outage, registry->name(), now)}});
}

// Asks the registry, and lets those who wait go on.
Task<void> Cache::State::Lookup(std::string service) {
  uint64_t events = EventsOf(service);
  absl::StatusOr<std::vector<Service>> found = co_await registry->GetService(ctx, service);
  // An answer may be older than what the watch told meanwhile: then once more, unless the service
  // never rests.
  for (int again = 0; again < 3 && events != EventsOf(service); ++again) {
    events = EventsOf(service);
    found = co_await registry->GetService(ctx, service);
  }
  std::vector<Waiter> waiters;
  {
    MutexLock lock(mutex);
    const auto place = entries.find(service);
    if (place == entries.end())
      co_return;  // forgotten meanwhile: nobody would follow what is put here
    Entry& entry = place->second;
    const absl::Time now = Clock::Real().Now();
    entry.looked_up = now;
    entry.asking = false;
    entry.used = false;
    if (absl::IsNotFound(found.status())) found = std::vector<Service>();
    if (found.ok()) {
      std::erase_if(*found, [](const Service& s) { return s.nodes.empty(); });
      Publish(entry, *std::move(found), now, absl::OkStatus());
    } else {
      if (entry.outage.lookups++ == 0) entry.outage.since = now;
      entry.outage.cause = found.status();
      if (entry.snapshot != nullptr)
        Publish(entry, entry.snapshot->services, entry.snapshot->confirmed, found.status());
    }
    waiters.swap(entry.waiters);
  }
  for (const Waiter& waiter : waiters) waiter->TrySet(true);
  SayAge(service);
  TellObservers(service);
}

// Whether following ends because nobody asked for a service without nodes since the last lookup.
bool Cache::State::Forget(const std::string& service) {
  MutexLock lock(mutex);
  const auto entry = entries.find(service);
  const SnapshotPtr& snapshot = entry->second.snapshot;
  if (entry->second.used || !entry->second.waiters.empty() || snapshot == nullptr ||
      !snapshot->services.empty()) {
    return false;
  }
  entries.erase(entry);
  version.fetch_add(1, std::memory_order_acq_rel);
  return true;
}

Task<void> Cache::State::Follow(std::string service) {
  int failures = 0;
  while (ctx.status().ok()) {
    absl::StatusOr<std::unique_ptr<Watcher>> watch =
        co_await registry->Watch(ctx, {.service = service});
    // After the watch has begun, so that no change falls between the two.
    co_await Lookup(service);
    absl::Status lost = watch.status();
    while (watch.ok()) {
      const absl::StatusOr<Event> event = co_await (*watch)->Next(WithTimeout(ctx, options.ttl));
      if (event.ok()) {
        failures = 0;
        if (event->service.name != service) continue;
        {
          MutexLock lock(mutex);
          Entry& entry = entries[service];
          std::vector<Service> services;
          if (entry.snapshot != nullptr) services = entry.snapshot->services;
          Apply(services, *event);
          ++entry.events;
          // The last node has gone: who asks for the service may look at once, it may have a new
          // one.
          if (services.empty()) entry.looked_up = absl::InfinitePast();
          Publish(entry, std::move(services), Clock::Real().Now(), absl::OkStatus());
        }
        SayAge(service);
        TellObservers(service);
        continue;
      }
      if (absl::IsDeadlineExceeded(event.status()) && ctx.status().ok()) {
        if (Forget(service)) co_return;
        co_await Lookup(service);
        continue;
      }
      lost = event.status();
      break;
    }
    if (!ctx.status().ok()) co_return;
    if (Forget(service)) co_return;
    // 0.1 s, 0.2 s … 10 s, each drawn from its upper half, so that the clients of a registry do not
    // return as one.
    const double longest = std::min(10.0, 0.1 * (1 << std::min(failures, 10)));
    const absl::Duration pause = absl::Seconds(longest * (0.5 + 0.5 * RandomUnit()));
    if (++failures == 1) {
      log::Warn("the watch on a service broke; the last good nodes stay",
                {{"service", service}, {"error", lost}});
    }
    if (!(co_await Sleep(ctx, pause)).ok()) co_return;
  }
}

Cache::Cache(std::shared_ptr<Registry> registry, CacheOptions options)
    : registry_(registry),
      state_(std::make_shared<State>(std::move(registry), options)),
      version_(&state_->version) {}

Cache::~Cache() { Stop(); }

std::shared_ptr<const Snapshot> Cache::Peek(std::string_view service) const {
  MutexLock lock(state_->mutex);
  const auto entry = state_->entries.find(service);
  return entry == state_->entries.end() ? nullptr : entry->second.snapshot;
}

Task<absl::StatusOr<std::shared_ptr<const Snapshot>>> Cache::Get(Context ctx, std::string service) {
  const std::shared_ptr<State> state = state_;
  for (bool waited = false;; waited = true) {
    Waiter waiter;
    enum { kWait, kFollow, kLookUp } next = kWait;
    {
      MutexLock lock(state->mutex);
      if (state->stopped) co_return absl::CancelledError("the registry cache was stopped");
      auto entry = state->entries.find(service);
      if (entry == state->entries.end()) {
        if (state->entries.size() >= state->options.max_services) {
          co_return absl::ResourceExhaustedError(
              fmt::format("the registry cache already follows {} services", state->entries.size()));
        }
        entry = state->entries.emplace(service, Entry()).first;
        next = kFollow;
      } else {
        Entry& known = entry->second;
        known.used = true;
        if (known.snapshot != nullptr && !known.snapshot->services.empty())
          co_return known.snapshot;
        const bool fresh = Clock::Real().Now() - known.looked_up < state->options.retry_after;
        if (!known.asking && (waited || fresh)) {
          if (known.outage.lookups > 0) co_return known.outage.cause;
          co_return absl::NotFoundError(fmt::format("service {}: not found", service));
        }
        if (!known.asking) {
          known.asking = true;
          next = kLookUp;
        }
      }
      waiter = std::make_shared<OneShot<bool>>();
      entry->second.waiters.push_back(waiter);
    }
    if (next == kFollow) Spawn(state->scope, state->Follow(service));
    if (next == kLookUp) Spawn(state->scope, state->Lookup(service));
    const absl::StatusOr<bool> answered = co_await Await(ctx, std::move(waiter));
    if (!answered.ok()) co_return answered.status();
  }
}

void Cache::Confirm(std::string_view service) {
  {
    MutexLock lock(state_->mutex);
    const auto known = state_->entries.find(service);
    if (state_->stopped || known == state_->entries.end()) return;
    Entry& entry = known->second;
    if (entry.asking || Clock::Real().Now() - entry.looked_up < state_->options.confirm_after)
      return;
    entry.asking = true;
  }
  Spawn(state_->scope, state_->Lookup(std::string(service)));
}

std::optional<Outage> Cache::OutageOf(std::string_view service) const {
  MutexLock lock(state_->mutex);
  const auto entry = state_->entries.find(service);
  if (entry == state_->entries.end() || entry->second.outage.lookups == 0) return std::nullopt;
  return entry->second.outage;
}

void Cache::Observe(Observer observer) {
  MutexLock lock(state_->mutex);
  state_->observers.push_back(std::make_shared<const Observer>(std::move(observer)));
}

void Cache::Stop() {
  {
    MutexLock lock(state_->mutex);
    state_->stopped = true;
  }
  state_->cancel();
  state_->scope.Join();
}

}  // namespace micro::registry
