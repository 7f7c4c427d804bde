// A Keeper holds the nodes of one registry in Consul: it refreshes them with as little as possible,
// and when their agent has lost them it registers them again as soon as that answers.
//
// While there are nodes, one question is always open at the agent; its answer, or its break, tells
// of a loss. All methods may be called from any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "core/context.h"
#include "core/mutex.h"
#include "core/task.h"
#include "core/task_scope.h"
#include "registry/consul/consul_agent.h"

namespace micro::registry::consul {

class Keeper {
 public:
  explicit Keeper(Agent& agent);
  ~Keeper();  // keeps no more; what is registered stays until its TTL passes

  // Registers the node `id` as `json` says (RegistrationJson), or passes its check if that is all
  // that is needed. From then on it is kept, until its TTL passes without another call. An error of
  // its first registration means that it is not kept.
  Task<absl::Status> Register(Context ctx, std::string id, std::string json, absl::Duration ttl);

  // Keeps the node no more, and takes it out of every agent that was given it.
  Task<absl::Status> Deregister(Context ctx, std::string id);

 private:
  struct Kept {
    std::string json = {};
    absl::Duration ttl = absl::ZeroDuration();
    absl::Time lapses = absl::InfiniteFuture();
    uint64_t generation = 0;                   // of the JSON
    bool confirmed = false;                    // an agent took this JSON
    bool accepted = false;                     // a call of Register was answered OK
    std::vector<AddressIndex> addresses = {};  // that have the node, the latest last
  };

  Task<absl::Status> Put(Context ctx, std::string id);
  Task<absl::Status> PassOrPut(Context ctx, std::string id, bool pass);

  // The coroutine that has a question open, while something is kept.
  void StartGuard();
  Task<void> Guard();
  std::optional<std::string> Canary();
  bool Keeps(const std::string& id) const;
  Task<absl::Status> RestoreAll(Context ctx);

  Agent& agent_;
  Context ctx_;
  CancelFunction cancel_;
  mutable Mutex mutex_;
  std::map<std::string, Kept> kept_ ABSL_GUARDED_BY(mutex_);  // by node id
  uint64_t generations_ ABSL_GUARDED_BY(mutex_) = 0;
  bool guarding_ ABSL_GUARDED_BY(mutex_) = false;
  TaskScope scope_;
};

}  // namespace micro::registry::consul
