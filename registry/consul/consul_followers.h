// The Followers keep questions open at an agent and publish what changes: one for each service that
// is watched, however many watch it, and one for the list of services while all are watched.
//
// They live as long as somebody holds what follow calls give back. An agent that is away is asked
// again until it answers; no event comes of its absence (View). All methods may be called from any
// thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/context.h"
#include "core/mutex.h"
#include "core/task.h"
#include "core/task_scope.h"
#include "registry/consul/consul_agent.h"
#include "registry/consul/consul_reader.h"
#include "registry/consul/consul_record.h"
#include "registry/consul/consul_view.h"
#include "registry/event_feed.h"

namespace micro::registry::consul {

class Followers {
 public:
  // `grace`: how long a returned agent's word that nodes are gone is doubted.
  Followers(Agent& agent, Reader& reader, EventFeed& feed, absl::Duration grace);
  ~Followers();  // ends all
  Followers(const Followers&) = delete;
  Followers& operator=(const Followers&) = delete;

  // Publishes changes while the answer is held, and may be dropped when the Followers are gone.
  // What is there now is no change.
  using Hold = std::shared_ptr<const void>;
  Task<absl::StatusOr<Hold>> Follow(Context ctx, std::string name);
  Task<absl::StatusOr<Hold>> FollowAll(Context ctx);

  // The nodes that watchers of a service still have, and Consul's last answer had not.
  std::vector<Service> Doubted(const std::string& name);

 private:
  struct Followed;
  class Following;
  using FollowingPtr = std::shared_ptr<const Following>;

  FollowingPtr Find(const std::string& name);
  FollowingPtr Start(const std::string& name, const Health& known, uint64_t index);
  Task<void> Run(Context ctx, std::string name, std::shared_ptr<Followed> followed, uint64_t index);
  Task<void> RunAll(Context ctx, std::map<std::string, FollowingPtr> services, uint64_t index);

  Agent& agent_;
  Reader& reader_;
  EventFeed& feed_;
  const absl::Duration grace_;
  Context ctx_;
  CancelFunction cancel_;
  std::atomic<int> waiting_ = 0;  // questions that are open
  Mutex mutex_;
  std::map<std::string, std::weak_ptr<const Following>> services_ ABSL_GUARDED_BY(mutex_);
  std::weak_ptr<const Following> all_ ABSL_GUARDED_BY(mutex_);
  TaskScope scope_;
};

}  // namespace micro::registry::consul
