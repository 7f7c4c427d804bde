// The registry "etcd": services find each other through an etcd cluster, as go-micro's do.
//
// Options.addresses are its endpoints (127.0.0.1:2379 by default), Options.timeout is of one
// request, 5 s by default. A node that was registered with a TTL stays registered as long as the
// registry lives, whether it is registered again or not: its lease is kept alive, and the node is
// put back when etcd has lost it. It lapses within the TTL when the process dies.
#include "registry/etcd/etcd_registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/plugin_table.h"
#include "core/status_macros.h"
#include "core/task_scope.h"
#include "registry/etcd/etcd_client.h"
#include "registry/etcd/etcd_keeper.h"
#include "registry/etcd/etcd_observer.h"
#include "registry/etcd/etcd_reader.h"
#include "registry/etcd/etcd_record.h"
#include "registry/registry.h"

namespace micro::registry {
namespace {

class EtcdWatcher final : public Watcher {
 public:
  EtcdWatcher(std::unique_ptr<Watcher> events, CancelFunction cancel)
      : events_(std::move(events)), cancel_(std::move(cancel)) {}
  ~EtcdWatcher() override { Stop(); }

  Task<absl::StatusOr<Event>> Next(Context ctx) override { return events_->Next(std::move(ctx)); }
  void Stop() override {
    events_->Stop();
    cancel_();
  }

 private:
  const std::unique_ptr<Watcher> events_;
  const CancelFunction cancel_;
};

class EtcdRegistry final : public Registry {
 public:
  EtcdRegistry(std::unique_ptr<EtcdClient> client, const std::string& prefix, absl::Duration grace,
               const EtcdRecordCodec& codec)
      : client_(std::move(client)),
        reader_(prefix, codec),
        keeper_(*client_, prefix, codec),
        grace_(grace) {
    std::tie(life_, end_) = WithCancel(Context());
  }
  ~EtcdRegistry() override {
    end_();
    observers_.Join();
  }

  std::string_view name() const override { return "etcd"; }

  Task<absl::Status> Register(Context ctx, Service service, RegisterOptions options) override {
    CO_RETURN_IF_ERROR(ctx.status());
    CO_RETURN_IF_ERROR(Validate(service));
    co_return co_await keeper_.Register(ctx, std::move(service), options.ttl);
  }

  Task<absl::Status> Deregister(Context ctx, Service service) override {
    CO_RETURN_IF_ERROR(ctx.status());
    co_return co_await keeper_.Deregister(ctx, std::move(service));
  }

  Task<absl::StatusOr<std::vector<Service>>> GetService(Context ctx, std::string name) override {
    CO_RETURN_IF_ERROR(ctx.status());
    std::vector<Service> found;
    if (!name.empty()) {
      CO_ASSIGN_OR_RETURN(found, co_await List(ctx, EtcdServiceKey(reader_.prefix(), name)));
      // Names that differ in a slash and a dash alone share their keys.
      std::erase_if(found, [&](const Service& service) { return service.name != name; });
    }
    if (found.empty())
      co_return absl::NotFoundError(fmt::format("service \"{}\" is not registered in etcd", name));
    co_return found;
  }

  Task<absl::StatusOr<std::vector<Service>>> ListServices(Context ctx) override {
    CO_RETURN_IF_ERROR(ctx.status());
    co_return co_await List(ctx, reader_.prefix());
  }

  Task<absl::StatusOr<std::unique_ptr<Watcher>>> Watch(Context ctx, WatchOptions options) override {
    CO_RETURN_IF_ERROR(ctx.status());
    auto [life, cancel] = WithCancel(life_);
    auto observer =
        std::make_shared<EtcdObserver>(*client_, reader_, options.service, life, grace_);
    CO_RETURN_IF_ERROR(co_await observer->Begin(ctx));
    auto watcher = std::make_unique<EtcdWatcher>(observer->NewWatcher(), std::move(cancel));
    Spawn(observers_, EtcdObserver::Run(std::move(observer)));
    co_return watcher;
  }

 private:
  // What is below `key`: one service for each name and version, sorted by them. From whichever
  // member answers, without asking the others, as go-micro does.
  Task<absl::StatusOr<std::vector<Service>>> List(Context ctx, std::string key) {
    etcd::RangeRequest request;
    request.set_range_end(EtcdRangeEnd(key));
    request.set_key(std::move(key));
    request.set_serializable(true);
    CO_ASSIGN_OR_RETURN(const etcd::RangeResponse listing, co_await client_->Range(ctx, request));
    std::map<std::pair<std::string, std::string>, Service> services;
    for (const etcd::KeyValue& entry : listing.kvs()) {
      std::optional<Service> read = reader_.Read(entry);
      if (!read.has_value()) continue;
      const auto [place, is_new] = services.try_emplace({read->name, read->version}, *read);
      if (!is_new) place->second.nodes.push_back(std::move(read->nodes[0]));
    }
    std::vector<Service> sorted;
    for (auto& [key, service] : services) sorted.push_back(std::move(service));
    co_return sorted;
  }

  const std::unique_ptr<EtcdClient> client_;
  EtcdReader reader_;
  EtcdKeeper keeper_;
  const absl::Duration grace_;
  Context life_;  // of the observers
  CancelFunction end_;
  TaskScope observers_;
};

MICRO_PLUGIN(Registry, "etcd", [](const Options& options) { return NewEtcdRegistry(options); });

}  // namespace

absl::StatusOr<std::unique_ptr<Registry>> NewEtcdRegistry(const Options& options,
                                                          absl::Duration grace,
                                                          const EtcdRecordCodec& codec) {
  RETURN_IF_ERROR(RefuseUnused("etcd", options, {"username", "password", "tls", "prefix"}));
  ASSIGN_OR_RETURN(std::unique_ptr<EtcdClient> client, EtcdClient::New(options));
  return std::make_unique<EtcdRegistry>(std::move(client), EtcdPrefix(options.prefix), grace,
                                        codec);
}

}  // namespace micro::registry
