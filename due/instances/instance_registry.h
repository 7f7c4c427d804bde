// An InstanceRegistry is where gates, nodes and meshes say that they exist, and find each other.
//
//   ASSIGN_OR_RETURN(auto instances, InstanceRegistry::New("consul", {.addresses = {"10.0.0.1:8500"}}));
//   CO_RETURN_IF_ERROR(co_await instances->Register(ctx, instance));
//   CO_ASSIGN_OR_RETURN(auto nodes, co_await instances->Watch(ctx, "node"));
//   CO_ASSIGN_OR_RETURN(const std::vector<Instance> now, co_await nodes->Next(ctx));
//
// In Consul and etcd, instances lie as due's own registries lay them there (consul/, etcd/), in all
// other registries as records of ours. Every method may be called from any thread. Mirrors due's
// registry.Registry.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/context.h"
#include "core/mutex.h"
#include "core/task.h"
#include "core/task_scope.h"
#include "due/instances/instance.h"
#include "registry/registry.h"

namespace due {

// The instances of one kind, as they change. Ended by its destructor.
class InstanceWatcher {
 public:
  InstanceWatcher(micro::registry::Registry& registry, std::string kind,
                  std::unique_ptr<micro::registry::Watcher> changes);

  // All live instances, sorted by id: at first at once, then whenever they have changed; they stay
  // while the registry cannot be asked. UNAVAILABLE: the registry was lost, and could not be watched
  // anew; call it again. CANCELLED after Stop. One coroutine at a time.
  micro::Task<absl::StatusOr<std::vector<Instance>>> Next(micro::Context ctx);

  // Ends a Next that waits, and all later ones. From any thread.
  void Stop();

 private:
  micro::Task<absl::Status> List(micro::Context ctx);
  bool Apply(const micro::registry::Event& event);
  bool Add(const micro::registry::Service& service, const micro::registry::Node& node);

  micro::registry::Registry& registry_;
  const std::string kind_;
  micro::Mutex mutex_;
  std::shared_ptr<micro::registry::Watcher> changes_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<std::string, Instance> live_;  // by id
  bool listed_ = false;
};

class InstanceRegistry {
 public:
  static constexpr std::string_view kPluginKind = "registry of instances";
  using PluginOptions = micro::registry::Options;

  // The registry of this name: one of //due/instances/..., else one of //registry/... that is linked.
  // INVALID_ARGUMENT: it is neither; else its own error.
  static absl::StatusOr<std::unique_ptr<InstanceRegistry>> New(
      std::string_view name, const micro::registry::Options& options);

  explicit InstanceRegistry(std::unique_ptr<micro::registry::Registry> registry);
  ~InstanceRegistry();  // refreshes no more: what is registered goes with its TTL

  std::string_view name() const { return registry_->name(); }

  // Registers the instance, in place of the one of its kind and id, and from then on refreshes it
  // until it is deregistered: it outlives this process by 10 s (where the registry has such times;
  // Consul lists it as failing for some time more). Errors as registry::Registry::Register; an
  // instance that was not registered before is not refreshed then.
  micro::Task<absl::Status> Register(micro::Context ctx, Instance instance);

  // Takes it out; OK when it is not there.
  micro::Task<absl::Status> Deregister(micro::Context ctx, Instance instance);

  // The live instances of a kind, sorted by id.
  micro::Task<absl::StatusOr<std::vector<Instance>>> Instances(micro::Context ctx,
                                                               std::string kind);

  // The registry outlives its watchers.
  micro::Task<absl::StatusOr<std::unique_ptr<InstanceWatcher>>> Watch(micro::Context ctx,
                                                                      std::string kind);

 private:
  using Name = std::pair<std::string, std::string>;  // kind and id
  micro::Task<void> Refresh();
  micro::Task<absl::Status> RefreshOne(Name name, micro::registry::Service service);

  const std::unique_ptr<micro::registry::Registry> registry_;
  micro::Context life_;
  micro::CancelFunction end_;
  micro::Mutex mutex_;
  std::map<Name, micro::registry::Service> registered_ ABSL_GUARDED_BY(mutex_);
  bool refreshing_ ABSL_GUARDED_BY(mutex_) = false;
  micro::TaskScope scope_;
};

}  // namespace due
