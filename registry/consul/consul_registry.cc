#include "registry/consul/consul_registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/plugin_table.h"
#include "core/status_macros.h"
#include "registry/consul/consul_address.h"
#include "registry/consul/consul_agent.h"
#include "registry/consul/consul_followers.h"
#include "registry/consul/consul_keeper.h"
#include "registry/consul/consul_reader.h"
#include "registry/consul/consul_record.h"
#include "registry/event_feed.h"

namespace micro::registry {
namespace {

// Watches the feed, and holds what feeds it.
class ConsulWatcher final : public Watcher {
 public:
  ConsulWatcher(std::unique_ptr<Watcher> feed, consul::Followers::Hold hold)
      : feed_(std::move(feed)), hold_(std::move(hold)) {}

  Task<absl::StatusOr<Event>> Next(Context ctx) override { return feed_->Next(std::move(ctx)); }
  void Stop() override { feed_->Stop(); }

 private:
  const std::unique_ptr<Watcher> feed_;
  const consul::Followers::Hold hold_;
};

class ConsulRegistry final : public Registry {
 public:
  ConsulRegistry(std::unique_ptr<consul::Agent> agent, std::string prefix, absl::Duration grace,
                 const consul::RecordCodec& codec)
      : agent_(std::move(agent)),
        reader_(consul::Names(std::move(prefix)), codec),
        keeper_(*agent_),
        followers_(*agent_, reader_, feed_, grace) {}

  std::string_view name() const override { return "consul"; }

  Task<absl::Status> Register(Context ctx, Service service, RegisterOptions options) override {
    CO_RETURN_IF_ERROR(ctx.status());
    CO_RETURN_IF_ERROR(Validate(service));
    const std::string name = reader_.names().InConsul(service.name);
    std::map<std::string, std::string> records;  // by id in Consul
    for (const Node& node : service.nodes) {
      const std::string id = reader_.codec().IdInConsul(service, node);
      for (const std::string& part : {name, id}) {
        if (consul::FitsPath(part)) continue;
        co_return absl::InvalidArgumentError(fmt::format(
            "\"{}\" has an empty piece, \".\" or \"..\" between slashes, which Consul cannot be "
            "asked for",
            part));
      }
      CO_ASSIGN_OR_RETURN(records[id],
                          reader_.codec().Registration(service, node, name, options.ttl));
    }
    for (auto& [id, json] : records)
      CO_RETURN_IF_ERROR(co_await keeper_.Register(ctx, id, json, options.ttl));
    co_return absl::OkStatus();
  }

  Task<absl::Status> Deregister(Context ctx, Service service) override {
    CO_RETURN_IF_ERROR(ctx.status());
    absl::Status status;
    for (const Node& node : service.nodes) {
      const std::string id = reader_.codec().IdInConsul(service, node);
      if (consul::FitsPath(id)) status.Update(co_await keeper_.Deregister(ctx, id));
    }
    co_return status;
  }

  Task<absl::StatusOr<std::vector<Service>>> GetService(Context ctx, std::string name) override {
    CO_RETURN_IF_ERROR(ctx.status());
    const std::string in_consul = reader_.names().InConsul(name);
    std::vector<Service> found;
    if (consul::FitsPath(in_consul)) {
      CO_ASSIGN_OR_RETURN(const consul::HttpAnswer answer,
                          co_await agent_->Health(ctx, in_consul, {}));
      CO_ASSIGN_OR_RETURN(consul::Health health, reader_.ReadHealth(answer.body, name));
      found = std::move(health.services);
      AddDoubted(found, name);
    }
    if (found.empty())
      co_return absl::NotFoundError(fmt::format("service \"{}\" has no live node in Consul", name));
    co_return found;
  }

  Task<absl::StatusOr<std::vector<Service>>> ListServices(Context ctx) override {
    CO_RETURN_IF_ERROR(ctx.status());
    CO_ASSIGN_OR_RETURN(const consul::HttpAnswer answer, co_await agent_->Catalog(ctx, {}));
    CO_ASSIGN_OR_RETURN(const std::vector<std::string> names, reader_.ReadCatalog(answer.body));
    CO_ASSIGN_OR_RETURN(const consul::HttpAnswer checks, co_await agent_->CriticalChecks(ctx));
    CO_ASSIGN_OR_RETURN(const consul::CriticalServices critical,
                        consul::ParseCritical(checks.body));
    std::vector<Service> found;
    for (const std::string& name : names) {
      // Where checks fail, none of the nodes may be alive.
      if (critical.machines || critical.names.count(reader_.names().InConsul(name)) > 0) {
        absl::StatusOr<std::vector<Service>> versions = co_await GetService(ctx, name);
        if (absl::IsNotFound(versions.status())) continue;
        if (!versions.ok()) co_return versions.status();
      }
      found.push_back({.name = name});
    }
    co_return found;
  }

  Task<absl::StatusOr<std::unique_ptr<Watcher>>> Watch(Context ctx, WatchOptions options) override {
    CO_RETURN_IF_ERROR(ctx.status());
    // Before the following begins, so that nothing falls between.
    std::unique_ptr<Watcher> feed = feed_.Watch(options);
    consul::Followers::Hold hold;
    if (options.service.empty()) {
      CO_ASSIGN_OR_RETURN(hold, co_await followers_.FollowAll(ctx));
    } else {
      if (!consul::FitsPath(reader_.names().InConsul(options.service))) co_return feed;
      CO_ASSIGN_OR_RETURN(hold, co_await followers_.Follow(ctx, options.service));
    }
    co_return std::make_unique<ConsulWatcher>(std::move(feed), std::move(hold));
  }

 private:
  // A lookup says no less than the watchers of this registry have been told.
  void AddDoubted(std::vector<Service>& found, const std::string& name) {
    for (Service& doubted : followers_.Doubted(name)) {
      RemoveKnown(doubted, found);
      if (doubted.nodes.empty()) continue;
      const auto version = std::lower_bound(
          found.begin(), found.end(), doubted,
          [](const Service& a, const Service& b) { return a.version < b.version; });
      if (version != found.end() && version->version == doubted.version) {
        version->nodes.insert(version->nodes.end(), doubted.nodes.begin(), doubted.nodes.end());
      } else {
        found.insert(version, std::move(doubted));
      }
    }
  }

  static void RemoveKnown(Service& service, const std::vector<Service>& known) {
    for (const Service& version : known) RemoveNodes(service, version);
  }

  const std::unique_ptr<consul::Agent> agent_;
  consul::Reader reader_;
  EventFeed feed_;
  consul::Keeper keeper_;
  consul::Followers followers_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Registry>> NewConsulRegistry(const Options& options,
                                                            absl::Duration grace,
                                                            const consul::RecordCodec& codec) {
  RETURN_IF_ERROR(RefuseUnused("consul", options, {"token", "tls", "datacenter", "prefix"}));
  ASSIGN_OR_RETURN(std::unique_ptr<consul::Agent> agent, consul::Agent::Open(options));
  return std::make_unique<ConsulRegistry>(std::move(agent), options.prefix, grace, codec);
}

MICRO_PLUGIN(Registry, "consul", [](const Options& options) { return NewConsulRegistry(options); });

}  // namespace micro::registry
