// The registry "memory": records shared by all memory registries of the process. For tests, and for programs that call only
// themselves. Registries made with other addresses ("--registry_address=a") are worlds of their own.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "core/async.h"
#include "core/clock.h"
#include "core/mutex.h"
#include "core/plugin_table.h"
#include "core/status_macros.h"
#include "registry/registry.h"

namespace micro::registry {
namespace {

constexpr size_t kWatcherQueue = 1024;

// One watcher's end of the news.
struct Subscription {
  explicit Subscription(std::string service) : service(std::move(service)) {}
  const std::string service;  // empty: all
  Queue<Event> events{kWatcherQueue};
};

// The records of one world.
class Records : public std::enable_shared_from_this<Records> {
 public:
  static std::shared_ptr<Records> For(const std::vector<std::string>& addresses) {
    static Mutex& mutex = *new Mutex;
    static auto& worlds = *new std::map<std::set<std::string>, std::shared_ptr<Records>>;
    MutexLock lock(mutex);
    std::shared_ptr<Records>& world = worlds[std::set<std::string>(addresses.begin(), addresses.end())];
    if (world == nullptr) world = std::make_shared<Records>();
    return world;
  }

  void Register(const Service& service, absl::Duration ttl) {
    MutexLock lock(mutex_);
    const bool is_new = services_[service.name].empty();
    Service& record = services_[service.name][service.version];
    MergeNodes(record, service);
    for (const Node& node : service.nodes) {
      const Key key{service.name, service.version, node.id};
      const uint64_t refresh = ++refreshes_[key];
      if (ttl <= absl::ZeroDuration()) continue;
      Clock::Real().At(Clock::Real().Now() + ttl, [weak = weak_from_this(), key, refresh] {
        // Elsewhere than on the clock's thread: watchers resume there.
        Executor::Default().Post([weak, key, refresh] {
          if (const auto records = weak.lock()) records->Expire(key, refresh);
        });
      });
    }
    Tell({is_new ? Action::kCreate : Action::kUpdate, service});
  }

  void Deregister(const Service& service) {
    MutexLock lock(mutex_);
    for (const Node& node : service.nodes) Remove({service.name, service.version, node.id});
  }

  std::vector<Service> Get(const std::string& name) const {
    MutexLock lock(mutex_);
    std::vector<Service> found;
    const auto versions = services_.find(name);
    if (versions == services_.end()) return found;
    for (const auto& [version, service] : versions->second) found.push_back(service);
    return found;
  }

  std::vector<Service> List() const {
    MutexLock lock(mutex_);
    std::vector<Service> found;
    for (const auto& [name, versions] : services_) {
      for (const auto& [version, service] : versions) found.push_back(service);
    }
    return found;
  }

  std::shared_ptr<Subscription> Subscribe(std::string service) {
    auto subscription = std::make_shared<Subscription>(std::move(service));
    MutexLock lock(mutex_);
    subscriptions_.push_back(subscription);
    return subscription;
  }

 private:
  struct Key {
    std::string service, version, node;
    auto operator<=>(const Key&) const = default;
  };

  void Expire(const Key& key, uint64_t refresh) {
    MutexLock lock(mutex_);
    const auto latest = refreshes_.find(key);
    if (latest != refreshes_.end() && latest->second == refresh) Remove(key);
  }

  void Remove(const Key& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    refreshes_.erase(key);
    const auto versions = services_.find(key.service);
    if (versions == services_.end()) return;
    const auto version = versions->second.find(key.version);
    if (version == versions->second.end()) return;
    Service gone = version->second;
    std::erase_if(gone.nodes, [&](const Node& node) { return node.id != key.node; });
    if (gone.nodes.empty()) return;
    if (RemoveNodes(version->second, gone)) versions->second.erase(version);
    if (versions->second.empty()) services_.erase(versions);
    Tell({Action::kDelete, std::move(gone)});
  }

  // Queues the news, in order, for whoever watches; they are handed over on the executor, never under the lock.
  void Tell(Event event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    std::vector<std::shared_ptr<Subscription>> listeners;
    std::erase_if(subscriptions_, [&](const std::weak_ptr<Subscription>& weak) {
      const auto subscription = weak.lock();
      if (subscription == nullptr) return true;
      if (subscription->service.empty() || subscription->service == event.service.name) {
        listeners.push_back(subscription);
      }
      return false;
    });
    if (listeners.empty()) return;
    news_.push_back({std::move(listeners), std::move(event)});
    if (news_.size() == 1) Executor::Default().Post([self = shared_from_this()] { self->Deliver(); });
  }

  void Deliver() {
    while (true) {
      News next;
      {
        MutexLock lock(mutex_);
        if (news_.empty()) return;
        next = news_.front();
      }
      for (const auto& listener : next.listeners) {
        if (!listener->events.Push(next.event)) {
          listener->events.Close(absl::UnavailableError("the watcher fell behind: watch again"));
        }
      }
      MutexLock lock(mutex_);
      news_.pop_front();  // last, so that there is one deliverer at a time
    }
  }

  struct News {
    std::vector<std::shared_ptr<Subscription>> listeners;
    Event event;
  };

  mutable Mutex mutex_;
  std::map<std::string, std::map<std::string, Service>> services_ ABSL_GUARDED_BY(mutex_);  // by name, by version
  std::map<Key, uint64_t> refreshes_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::weak_ptr<Subscription>> subscriptions_ ABSL_GUARDED_BY(mutex_);
  std::deque<News> news_ ABSL_GUARDED_BY(mutex_);
};

class MemoryWatcher final : public Watcher {
 public:
  explicit MemoryWatcher(std::shared_ptr<Subscription> subscription) : subscription_(std::move(subscription)) {}
  ~MemoryWatcher() override { Stop(); }
  Task<absl::StatusOr<Event>> Next(Context ctx) override { return subscription_->events.Pop(std::move(ctx)); }
  void Stop() override { subscription_->events.Close(absl::CancelledError("watcher stopped")); }

 private:
  const std::shared_ptr<Subscription> subscription_;
};

class MemoryRegistry final : public Registry {
 public:
  explicit MemoryRegistry(const Options& options) : records_(Records::For(options.addresses)) {}

  std::string_view name() const override { return "memory"; }

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
    if (found.empty()) co_return absl::NotFoundError(fmt::format("service {}: not found", name));
    co_return found;
  }

  Task<absl::StatusOr<std::vector<Service>>> ListServices(Context ctx) override {
    CO_RETURN_IF_ERROR(ctx.status());
    co_return records_->List();
  }

  Task<absl::StatusOr<std::unique_ptr<Watcher>>> Watch(Context ctx, WatchOptions options) override {
    CO_RETURN_IF_ERROR(ctx.status());
    co_return std::make_unique<MemoryWatcher>(records_->Subscribe(std::move(options.service)));
  }

 private:
  const std::shared_ptr<Records> records_;
};

MICRO_PLUGIN(Registry, "memory", [](const Options& options) { return std::make_unique<MemoryRegistry>(options); });

}  // namespace
}  // namespace micro::registry
