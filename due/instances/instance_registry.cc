#include "due/instances/instance_registry.h"

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

#include "core/async.h"
#include "core/log.h"
#include "core/plugin_table.h"
#include "core/status_macros.h"

namespace due {

using micro::Context;
using micro::MutexLock;
using micro::Task;
using micro::registry::Action;
using micro::registry::Event;
using micro::registry::Node;
using micro::registry::Registry;
using micro::registry::Service;

namespace {

// due's times: of Consul's TTL check, and of what passes it.
constexpr absl::Duration kTtl = absl::Seconds(10);
constexpr absl::Duration kRefresh = absl::Seconds(5);

absl::StatusOr<Instance> Read(const Service& service, const Node& node) {
  absl::StatusOr<Instance> instance = FromNode(service, node);
  if (!instance.ok()) {
    micro::log::Warn("an instance in the registry cannot be read; it is left out",
                     {{"kind", service.name}, {"id", node.id}, {"error", instance.status()}});
  }
  return instance;
}

}  // namespace

InstanceWatcher::InstanceWatcher(Registry& registry, std::string kind,
                                 std::unique_ptr<micro::registry::Watcher> changes)
    : registry_(registry), kind_(std::move(kind)), changes_(std::move(changes)) {}

Task<absl::StatusOr<std::vector<Instance>>> InstanceWatcher::Next(Context ctx) {
  std::shared_ptr<micro::registry::Watcher> changes;
  bool changed = false;
  while (!changed) {
    {
      MutexLock lock(mutex_);
      if (stopped_) co_return absl::CancelledError("watcher stopped");
      changes = changes_;
    }
    if (changes == nullptr) {
      CO_ASSIGN_OR_RETURN(changes, co_await registry_.Watch(ctx, {.service = kind_}));
      MutexLock lock(mutex_);
      if (stopped_) co_return absl::CancelledError("watcher stopped");
      changes_ = changes;
      listed_ = false;
    }
    if (!listed_) {
      CO_RETURN_IF_ERROR(co_await List(ctx));
      listed_ = changed = true;
      continue;
    }
    const absl::StatusOr<Event> event = co_await changes->Next(ctx);
    if (event.ok()) {
      changed = Apply(*event);
      continue;
    }
    CO_RETURN_IF_ERROR(ctx.status());
    if (!absl::IsUnavailable(event.status())) co_return event.status();
    MutexLock lock(mutex_);
    changes_ = nullptr;  // it is lost: watch anew
  }
  std::vector<Instance> instances;
  for (const auto& [id, instance] : live_) instances.push_back(instance);
  co_return instances;
}

void InstanceWatcher::Stop() {
  std::shared_ptr<micro::registry::Watcher> changes;
  {
    MutexLock lock(mutex_);
    stopped_ = true;
    changes = changes_;
  }
  if (changes != nullptr) changes->Stop();
}

Task<absl::Status> InstanceWatcher::List(Context ctx) {
  const absl::StatusOr<std::vector<Service>> services =
      co_await registry_.GetService(std::move(ctx), kind_);
  if (!services.ok() && !absl::IsNotFound(services.status())) co_return services.status();
  live_.clear();
  if (!services.ok()) co_return absl::OkStatus();
  for (const Service& service : *services) {
    for (const Node& node : service.nodes) Add(service, node);
  }
  co_return absl::OkStatus();
}

bool InstanceWatcher::Add(const Service& service, const Node& node) {
  absl::StatusOr<Instance> instance = Read(service, node);
  if (!instance.ok()) return live_.erase(node.id) > 0;
  Instance& known = live_[node.id];
  const bool changed = known != *instance;
  known = *std::move(instance);
  return changed;
}

bool InstanceWatcher::Apply(const Event& event) {
  bool changed = false;
  if (event.action == Action::kDelete && event.service.nodes.empty())
    changed = !std::exchange(live_, {}).empty();
  for (const Node& node : event.service.nodes) {
    changed |=
        event.action == Action::kDelete ? live_.erase(node.id) > 0 : Add(event.service, node);
  }
  return changed;
}

absl::StatusOr<std::unique_ptr<InstanceRegistry>> InstanceRegistry::New(
    std::string_view name, const micro::registry::Options& options) {
  const std::vector<std::string> own = micro::PluginTable<InstanceRegistry>::Names();
  if (std::find(own.begin(), own.end(), name) != own.end())
    return micro::PluginTable<InstanceRegistry>::Create(name, options);
  ASSIGN_OR_RETURN(auto registry, micro::PluginTable<Registry>::Create(name, options));
  return std::make_unique<InstanceRegistry>(std::move(registry));
}

InstanceRegistry::InstanceRegistry(std::unique_ptr<Registry> registry)
    : registry_(std::move(registry)) {
  std::tie(life_, end_) = WithCancel(Context());
}

InstanceRegistry::~InstanceRegistry() {
  end_();
  scope_.Join();
}

Task<absl::Status> InstanceRegistry::Register(Context ctx, Instance instance) {
  CO_ASSIGN_OR_RETURN(const Service service, ToService(instance));
  const Name name(instance.kind, instance.id);
  bool start = false, is_new = false;
  {
    // Before, so that a refresh of what was registered so far sees that it is old.
    MutexLock lock(mutex_);
    is_new = registered_.insert_or_assign(name, service).second;
  }
  const absl::Status status = co_await registry_->Register(ctx, service, {.ttl = kTtl});
  {
    MutexLock lock(mutex_);
    if (!status.ok() && is_new) registered_.erase(name);
    start = !registered_.empty() && !std::exchange(refreshing_, true);
  }
  if (start) Spawn(scope_, Refresh());
  co_return status;
}

Task<absl::Status> InstanceRegistry::Deregister(Context ctx, Instance instance) {
  {
    MutexLock lock(mutex_);
    registered_.erase({instance.kind, instance.id});
  }
  CO_ASSIGN_OR_RETURN(Service service, ToService(instance));
  co_return co_await registry_->Deregister(std::move(ctx), std::move(service));
}

// Again where it was changed or taken out meanwhile, which may have been overtaken.
Task<absl::Status> InstanceRegistry::RefreshOne(Name name, Service service) {
  std::optional<Service> done = service;
  while (true) {
    std::optional<Service> wanted;
    {
      MutexLock lock(mutex_);
      if (const auto now = registered_.find(name); now != registered_.end()) wanted = now->second;
    }
    const Context ctx = WithTimeout(life_, kRefresh);
    if (wanted.has_value()) {
      CO_RETURN_IF_ERROR(co_await registry_->Register(ctx, *wanted, {.ttl = kTtl}));
    } else if (done.has_value()) {
      CO_RETURN_IF_ERROR(co_await registry_->Deregister(ctx, service));
    }
    done = wanted;
    MutexLock lock(mutex_);
    const auto now = registered_.find(name);
    if (now == registered_.end() ? !done.has_value() : done == now->second)
      co_return absl::OkStatus();
  }
}

Task<void> InstanceRegistry::Refresh() {
  bool complained = false;
  while ((co_await Sleep(life_, kRefresh)).ok()) {
    std::map<Name, Service> registered;
    {
      MutexLock lock(mutex_);
      registered = registered_;
    }
    absl::Status status;
    for (auto& [name, service] : registered) {
      status.Update(co_await RefreshOne(name, service));
    }
    if (!life_.status().ok()) co_return;
    if (!status.ok() && !complained) {
      micro::log::Warn("instances could not be refreshed in the registry; it is tried again",
                       {{"registry", registry_->name()}, {"error", status}});
    }
    complained = !status.ok();
  }
}

Task<absl::StatusOr<std::vector<Instance>>> InstanceRegistry::Instances(Context ctx,
                                                                        std::string kind) {
  const absl::StatusOr<std::vector<Service>> services =
      co_await registry_->GetService(std::move(ctx), std::move(kind));
  std::vector<Instance> instances;
  if (absl::IsNotFound(services.status())) co_return instances;
  CO_RETURN_IF_ERROR(services.status());
  for (const Service& service : *services) {
    for (const Node& node : service.nodes) {
      absl::StatusOr<Instance> instance = Read(service, node);
      if (instance.ok()) instances.push_back(*std::move(instance));
    }
  }
  std::sort(instances.begin(), instances.end(),
            [](const Instance& a, const Instance& b) { return a.id < b.id; });
  co_return instances;
}

Task<absl::StatusOr<std::unique_ptr<InstanceWatcher>>> InstanceRegistry::Watch(Context ctx,
                                                                               std::string kind) {
  CO_ASSIGN_OR_RETURN(auto changes, co_await registry_->Watch(ctx, {.service = kind}));
  co_return std::make_unique<InstanceWatcher>(*registry_, std::move(kind), std::move(changes));
}

}  // namespace due
