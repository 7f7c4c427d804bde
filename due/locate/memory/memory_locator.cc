// The locator "memory": users of this process alone, for tests and games of one process.
//
// All locators with the same addresses and prefix share what they know, as long as one of them lives;
// both are just names.
#include <map>
#include <string>
#include <utility>

#include "core/mutex.h"
#include "core/plugin_table.h"
#include "core/status_macros.h"
#include "due/locate/location_feed.h"
#include "due/locate/locator.h"

namespace due {
namespace {

using micro::Context;
using micro::MutexLock;
using micro::Task;

// Where users are; events leave in the order of the changes.
class Locations {
 public:
  std::string Gate(int64_t uid) const {
    MutexLock lock(mutex_);
    const auto gate = gates_.find(uid);
    return gate == gates_.end() ? "" : gate->second;
  }

  Locator::Nodes Nodes(int64_t uid) const {
    MutexLock lock(mutex_);
    const auto nodes = nodes_.find(uid);
    return nodes == nodes_.end() ? Locator::Nodes() : nodes->second;
  }

  void BindGate(int64_t uid, const std::string& gid) {
    MutexLock lock(mutex_);
    gates_[uid] = gid;
    feed_.Publish({LocationEvent::kBindGate, uid, gid, "gate", ""});
  }

  void BindNode(int64_t uid, const std::string& name, const std::string& nid) {
    MutexLock lock(mutex_);
    nodes_[uid][name] = nid;
    feed_.Publish({LocationEvent::kBindNode, uid, nid, "node", name});
  }

  bool UnbindGate(int64_t uid, const std::string& gid) {
    MutexLock lock(mutex_);
    const auto gate = gates_.find(uid);
    if (gate == gates_.end() || gate->second != gid) return false;
    gates_.erase(gate);
    feed_.Publish({LocationEvent::kUnbindGate, uid, gid, "gate", ""});
    return true;
  }

  bool UnbindNode(int64_t uid, const std::string& name, const std::string& nid) {
    MutexLock lock(mutex_);
    const auto nodes = nodes_.find(uid);
    if (nodes == nodes_.end()) return false;
    const auto node = nodes->second.find(name);
    if (node == nodes->second.end() || node->second != nid) return false;
    nodes->second.erase(node);
    if (nodes->second.empty()) nodes_.erase(nodes);
    feed_.Publish({LocationEvent::kUnbindNode, uid, nid, "node", name});
    return true;
  }

  std::unique_ptr<LocationWatcher> Watch(LocationWatch watch) { return feed_.Watch(watch); }

 private:
  mutable micro::Mutex mutex_;
  std::map<int64_t, std::string> gates_ ABSL_GUARDED_BY(mutex_);
  std::map<int64_t, Locator::Nodes> nodes_ ABSL_GUARDED_BY(mutex_);
  LocationFeed feed_;
};

std::shared_ptr<Locations> SharedLocations(const LocatorOptions& options) {
  using Name = std::pair<std::vector<std::string>, std::string>;
  struct Shared {
    micro::Mutex mutex;
    std::map<Name, std::weak_ptr<Locations>> locations ABSL_GUARDED_BY(mutex);
  };
  static Shared& shared = *new Shared;
  MutexLock lock(shared.mutex);
  std::erase_if(shared.locations, [](const auto& entry) { return entry.second.expired(); });
  std::weak_ptr<Locations>& place = shared.locations[{options.addresses, options.prefix}];
  std::shared_ptr<Locations> locations = place.lock();
  if (!locations) place = locations = std::make_shared<Locations>();
  return locations;
}

class MemoryLocator final : public Locator {
 public:
  explicit MemoryLocator(const LocatorOptions& options) : locations_(SharedLocations(options)) {}

  std::string_view name() const override { return "memory"; }

  Task<absl::StatusOr<std::string>> LocateGate(Context ctx, int64_t uid) override {
    CO_RETURN_IF_ERROR(ctx.status());
    co_return locations_->Gate(uid);
  }

  Task<absl::StatusOr<std::string>> LocateNode(Context ctx, int64_t uid,
                                               std::string name) override {
    CO_RETURN_IF_ERROR(ctx.status());
    const Nodes nodes = locations_->Nodes(uid);
    const auto node = nodes.find(name);
    co_return node == nodes.end() ? "" : node->second;
  }

  Task<absl::StatusOr<Nodes>> LocateNodes(Context ctx, int64_t uid) override {
    CO_RETURN_IF_ERROR(ctx.status());
    co_return locations_->Nodes(uid);
  }

  Task<absl::Status> BindGate(Context ctx, int64_t uid, std::string gid) override {
    CO_RETURN_IF_ERROR(ctx.status());
    CO_RETURN_IF_ERROR(CheckLocation({{"gate id", gid}}));
    locations_->BindGate(uid, gid);
    co_return absl::OkStatus();
  }

  Task<absl::Status> BindNode(Context ctx, int64_t uid, std::string name,
                              std::string nid) override {
    CO_RETURN_IF_ERROR(ctx.status());
    CO_RETURN_IF_ERROR(CheckLocation({{"node name", name}, {"node id", nid}}));
    locations_->BindNode(uid, name, nid);
    co_return absl::OkStatus();
  }

  Task<absl::StatusOr<bool>> UnbindGate(Context ctx, int64_t uid, std::string gid) override {
    CO_RETURN_IF_ERROR(ctx.status());
    CO_RETURN_IF_ERROR(CheckLocation({{"gate id", gid}}));
    co_return locations_->UnbindGate(uid, gid);
  }

  Task<absl::StatusOr<bool>> UnbindNode(Context ctx, int64_t uid, std::string name,
                                        std::string nid) override {
    CO_RETURN_IF_ERROR(ctx.status());
    CO_RETURN_IF_ERROR(CheckLocation({{"node name", name}, {"node id", nid}}));
    co_return locations_->UnbindNode(uid, name, nid);
  }

  Task<absl::StatusOr<std::unique_ptr<LocationWatcher>>> Watch(Context ctx,
                                                               LocationWatch watch) override {
    CO_RETURN_IF_ERROR(ctx.status());
    co_return locations_->Watch(watch);
  }

 private:
  const std::shared_ptr<Locations> locations_;
};

MICRO_PLUGIN(Locator, "memory",
             [](const LocatorOptions& options) -> absl::StatusOr<std::unique_ptr<Locator>> {
               const bool used = options.db != 0 || !options.username.empty() ||
                                 !options.password.empty() || !options.ca_file.empty() ||
                                 !options.cert_file.empty() || !options.key_file.empty();
               if (used) {
                 return absl::InvalidArgumentError(
                     "the locator \"memory\" has no use for a db, a user, a password or TLS files");
               }
               return std::make_unique<MemoryLocator>(options);
             });

}  // namespace
}  // namespace due
