// A Cache keeps what a registry says of the services that this process calls, so that no call waits
// for the registry.
//
//   registry::Cache cache(registry);
//   CO_ASSIGN_OR_RETURN(auto known, co_await cache.Get(ctx, "greeter"));    // the first time it asks the registry
//   auto now = cache.Peek("greeter");                                       // afterwards nothing waits
//
// The first Get of a service starts to follow it: a watch carries changes in, and a lookup every
// `ttl` makes sure. When the registry fails, the last good nodes stay, the snapshot says since when
// and why, and the log says once when they get old, and once when they no longer are. All methods may be called from any thread. Mirrors go-micro's registry/cache.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/context.h"
#include "core/task.h"
#include "registry/outage.h"
#include "registry/registry.h"

namespace micro::registry {

struct CacheOptions {
  absl::Duration ttl =
      absl::Minutes(1);  // at most this long between two lookups of a followed service
  absl::Duration retry_after =
      absl::Seconds(1);  // after a lookup that found nothing, the next one may come
  absl::Duration confirm_after = absl::Seconds(5);  // after a lookup, Confirm may lead to the next
  absl::Duration old_after = absl::Minutes(3);  // nodes that no lookup has confirmed for this long
                                                // are called old in the log
  size_t max_services = 1024;  // followed at once; one more is refused with RESOURCE_EXHAUSTED
};

// What is known of one service. Never changes; a change makes a new one.
struct Snapshot {
  std::vector<Service> services;  // one per version that has nodes
  absl::Time confirmed;           // when the registry last answered for it
  absl::Status registry_status;   // OK, or why the last lookup or watch failed

  size_t node_count() const;
};

class Cache {
 public:
  explicit Cache(std::shared_ptr<Registry> registry, CacheOptions options = {});
  ~Cache();  // as Stop

  // What is known now; null while nothing is. Never waits.
  std::shared_ptr<const Snapshot> Peek(std::string_view service) const;

  // What is known, once the registry has answered. NOT_FOUND: it knows no node. UNAVAILABLE: it
  // cannot be asked and nothing was known before.
  Task<absl::StatusOr<std::shared_ptr<const Snapshot>>> Get(Context ctx, std::string service);

  // Has the registry asked for a service that is followed, for its nodes are in doubt; unless that
  // has happened just now. Never waits.
  void Confirm(std::string_view service);

  // Since when the registry does not answer for a service that is followed; none: it does, or nobody
  // has asked.
  std::optional<Outage> OutageOf(std::string_view service) const;

  // Calls `observer` with each new snapshot of any followed service, from now on and until Stop, on
  // the thread that made the change: it must not wait, nor ask the cache. Two changes that come at
  // once may be told in either order.
  using Observer = std::function<void(const std::string& service, const Snapshot& snapshot)>;
  void Observe(Observer observer);

  // Rises with every change of any snapshot.
  uint64_t version() const { return version_->load(std::memory_order_acquire); }

  // Ends all following and waits for it; Get answers CANCELLED afterwards. Not from a task that the
  // cache runs.
  void Stop();

  const std::shared_ptr<Registry>& registry() const { return registry_; }

 private:
  struct State;
  const std::shared_ptr<Registry> registry_;
  const std::shared_ptr<State> state_;
  const std::atomic<uint64_t>* version_;
};

}  // namespace micro::registry
