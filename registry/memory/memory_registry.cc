#include "registry/memory/memory_registry.h"

#include <fmt/format.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/executor.h"
#include "core/mutex.h"
#include "core/plugin_table.h"
#include "core/status_macros.h"
#include "registry/event_feed.h"

namespace micro::registry {
namespace {

// The records that registries with the same addresses share.
class Records : public std::enable_shared_from_this<Records> {
 public:
  explicit Records(Clock& clock) : clock_(clock) {}

  ~Records() {
    MutexLock lock(mutex_);
    for (auto& [service, versions] : services_) {
      for (auto& [version, record] : versions) {
        for (auto& [id, entry] : record.nodes) clock_.Cancel(entry.timer);
      }
    }
  }

  void Register(const Service& service, absl::Duration ttl) {
    MutexLock lock(mutex_);
    Record& record = services_[service.name][service.version];
    Event created{Action::kCreate, WithoutNodes(service)};
    Event updated{Action::kUpdate, WithoutNodes(service)};
    const bool changed = record.service != created.service;
    record.service = created.service;
    for (const Node& node : service.nodes) {
      const auto [place, is_new] = record.nodes.try_emplace(node.id);
      Entry& entry = place->second;
      if (is_new) {
        created.service.nodes.push_back(node);
      } else {
        clock_.Cancel(entry.timer);
        if (changed || entry.node != node) updated.service.nodes.push_back(node);
      }
      entry.node = node;
      entry.expires = absl::InfiniteFuture();
      if (ttl > absl::ZeroDuration()) SetTimer(service, entry, clock_.Now() + ttl);
    }
    if (!created.service.nodes.empty()) feed_.Publish(created);
    if (!updated.service.nodes.empty()) feed_.Publish(updated);
  }

  void Deregister(const Service& service) {
    MutexLock lock(mutex_);
    for (const Node& node : service.nodes) Remove(service.name, service.version, node.id);
  }

  std::vector<Service> Get(const std::string& name) {
    MutexLock lock(mutex_);
    std::vector<Service> found;
    if (const auto versions = services_.find(name); versions != services_.end())
      Append(versions->second, found);
    return found;
  }

  std::vector<Service> List() {
    MutexLock lock(mutex_);
    std::vector<Service> found;
    for (const auto& [name, versions] : services_) Append(versions, found);
    return found;
  }

  std::unique_ptr<Watcher> Watch(const WatchOptions& options) { return feed_.Watch(options); }

 private:
  struct Entry {
    Node node;
    absl::Time expires = absl::InfiniteFuture();
    Clock::TimerId timer = 0;
  };
  struct Record {
    Service service;  // without nodes
    std::map<std::string, Entry> nodes;
  };
  using Versions = std::map<std::string, Record>;

  static Service WithoutNodes(const Service& service) {
    return {service.name, service.version, service.metadata, service.endpoints, {}};
  }

  static void Append(const Versions& versions, std::vector<Service>& found) {
    for (const auto& [version, record] : versions) {
      Service& service = found.emplace_back(record.service);
      for (const auto& [id, entry] : record.nodes) service.nodes.push_back(entry.node);
    }
  }

  // Events and what they wake do not belong on the clock's thread: an expiry is handed to the
  // executor.
  void SetTimer(const Service& service, Entry& entry, absl::Time expires)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    entry.expires = expires;
    entry.timer = clock_.At(expires, [weak = weak_from_this(), name = service.name,
                                      version = service.version, id = entry.node.id] {
      Executor::Default().Post([weak, name, version, id] {
        if (const auto records = weak.lock()) records->Expire(name, version, id);
      });
    });
  }

  // A node that was refreshed meanwhile stays.
  void Expire(const std::string& name, const std::string& version, const std::string& id) {
    MutexLock lock(mutex_);
    const auto service = services_.find(name);
    if (service == services_.end()) return;
    const auto record = service->second.find(version);
    if (record == service->second.end()) return;
    const auto entry = record->second.nodes.find(id);
    if (entry == record->second.nodes.end() || entry->second.expires > clock_.Now()) return;
    Remove(name, version, id);
  }

  void Remove(const std::string& name, const std::string& version, const std::string& id)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto service = services_.find(name);
    if (service == services_.end()) return;
    const auto record = service->second.find(version);
    if (record == service->second.end()) return;
    const auto entry = record->second.nodes.find(id);
    if (entry == record->second.nodes.end()) return;
    Event removed{Action::kDelete, record->second.service};
    removed.service.nodes.push_back(entry->second.node);
    clock_.Cancel(entry->second.timer);
    record->second.nodes.erase(entry);
    if (record->second.nodes.empty()) service->second.erase(record);
    if (service->second.empty()) services_.erase(service);
    feed_.Publish(removed);
  }

  Clock& clock_;
  Mutex mutex_;
  std::map<std::string, Versions> services_ ABSL_GUARDED_BY(mutex_);
  EventFeed feed_;
};

// The process's sets of records by addresses, as long as a registry holds them.
std::shared_ptr<Records> SharedRecords(const std::vector<std::string>& addresses, Clock& clock) {
  struct Shared {
    Mutex mutex;
    std::map<std::vector<std::string>, std::weak_ptr<Records>> records ABSL_GUARDED_BY(mutex);
  };
  static Shared& shared = *new Shared;
  MutexLock lock(shared.mutex);
  std::erase_if(shared.records, [](const auto& entry) { return entry.second.expired(); });
  std::weak_ptr<Records>& place = shared.records[addresses];
  std::shared_ptr<Records> records = place.lock();
  if (!records) place = records = std::make_shared<Records>(clock);
  return records;
}

class MemoryRegistry final : public Registry {
 public:
  MemoryRegistry(const Options& options, Clock& clock)
      : records_(SharedRecords(options.addresses, clock)) {}

  std::string_view name() const override { return "memory"; }
  absl::Duration spread_time() const override { return absl::ZeroDuration(); }

  Task<absl::Status> Register(Context ctx, Service service, RegisterOptions options) override {
    CO_RETURN_IF_ERROR(ctx.status());
    CO_RETURN_IF_ERROR(Validate(service));
    records_->Register(service, options.ttl);
    co_return absl::OkStatus();
  }

  Task<absl::Status> Deregister(Context ctx, Service service) override {
    CO_RETURN_IF_ERROR(ctx.status());
    records_->Deregister(service);
    co_return absl::OkStatus();
  }

  Task<absl::StatusOr<std::vector<Service>>> GetService(Context ctx, std::string name) override {
    CO_RETURN_IF_ERROR(ctx.status());
    std::vector<Service> found = records_->Get(name);
    if (found.empty())
      co_return absl::NotFoundError(fmt::format("service \"{}\" is not registered", name));
    co_return found;
  }

  Task<absl::StatusOr<std::vector<Service>>> ListServices(Context ctx) override {
    CO_RETURN_IF_ERROR(ctx.status());
    co_return records_->List();
  }

  Task<absl::StatusOr<std::unique_ptr<Watcher>>> Watch(Context ctx, WatchOptions options) override {
    CO_RETURN_IF_ERROR(ctx.status());
    co_return records_->Watch(options);
  }

 private:
  const std::shared_ptr<Records> records_;
};

}  // namespace

std::unique_ptr<Registry> NewMemoryRegistry(const Options& options, Clock& clock) {
  return std::make_unique<MemoryRegistry>(options, clock);
}

MICRO_PLUGIN(Registry, "memory",
             [](const Options& options) -> absl::StatusOr<std::unique_ptr<Registry>> {
               RETURN_IF_ERROR(RefuseUnused("memory", options, {}));
               return NewMemoryRegistry(options);
             });

}  // namespace micro::registry
