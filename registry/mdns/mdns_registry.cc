// The registry "mdns": services find each other by multicast DNS, with no server, as go-micro's do.
//
// Options.addresses are the network interfaces to use, by name or address ("lo", "127.0.0.1");
// none: all. Options.timeout is how long a lookup gathers answers, 100 ms by default: each lookup
// takes as long.
//
// What mDNS carries of a record are its name, version and endpoints, and of a node its id, IP
// address, port and metadata; not the service's own metadata. A record that no packet can hold is
// refused.
#include <fmt/format.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/plugin_table.h"
#include "core/status_macros.h"
#include "registry/mdns/mdns_peer.h"
#include "registry/mdns/mdns_record.h"
#include "registry/registry.h"

namespace micro::registry {
namespace {

constexpr absl::Duration kDefaultWindow = absl::Milliseconds(100);

class MdnsRegistry final : public Registry {
 public:
  explicit MdnsRegistry(const Options& options)
      : window_(options.timeout > absl::ZeroDuration() ? options.timeout : kDefaultWindow),
        peer_(options.addresses) {}

  std::string_view name() const override { return "mdns"; }

  Task<absl::Status> Register(Context ctx, Service service, RegisterOptions options) override {
    CO_RETURN_IF_ERROR(ctx.status());
    CO_RETURN_IF_ERROR(Validate(service));
    co_return peer_.Register(service, options.ttl);
  }

  Task<absl::Status> Deregister(Context ctx, Service service) override {
    CO_RETURN_IF_ERROR(ctx.status());
    peer_.Deregister(service);
    co_return absl::OkStatus();
  }

  Task<absl::StatusOr<std::vector<Service>>> GetService(Context ctx, std::string name) override {
    CO_RETURN_IF_ERROR(ctx.status());
    const absl::Status not_found =
        absl::NotFoundError(fmt::format("service \"{}\": no node answered over mDNS within {}",
                                        name, absl::FormatDuration(window_)));
    if (name.empty() || !dns::CheckName(ServiceName(name)).ok()) co_return not_found;
    CO_ASSIGN_OR_RETURN(const std::shared_ptr<MdnsLookup> lookup,
                        peer_.Lookup(ServiceName(name), window_));
    CO_RETURN_IF_ERROR((co_await lookup->Wait(ctx)).status());
    std::map<std::string, Service> versions;
    for (const auto& [instance_name, instance] : lookup->instances()) {
      const auto [version, is_new] =
          versions.try_emplace(instance.service.version, instance.service);
      if (!is_new) version->second.nodes.push_back(instance.service.nodes.front());
    }
    if (versions.empty()) co_return not_found;
    std::vector<Service> found;
    for (auto& [version, service] : versions) found.push_back(std::move(service));
    co_return found;
  }

  Task<absl::StatusOr<std::vector<Service>>> ListServices(Context ctx) override {
    CO_RETURN_IF_ERROR(ctx.status());
    CO_ASSIGN_OR_RETURN(const std::shared_ptr<MdnsLookup> lookup,
                        peer_.Lookup(std::string(kListName), window_));
    CO_RETURN_IF_ERROR((co_await lookup->Wait(ctx)).status());
    std::vector<Service> found;
    for (const std::string& name : lookup->listed()) found.push_back({.name = name});
    co_return found;
  }

  Task<absl::StatusOr<std::unique_ptr<Watcher>>> Watch(Context ctx, WatchOptions options) override {
    CO_RETURN_IF_ERROR(ctx.status());
    co_return peer_.Watch(options);
  }

 private:
  const absl::Duration window_;
  MdnsPeer peer_;
};

MICRO_PLUGIN(Registry, "mdns",
             [](const Options& options) -> absl::StatusOr<std::unique_ptr<Registry>> {
               RETURN_IF_ERROR(RefuseUnused("mdns", options, {}));
               return std::make_unique<MdnsRegistry>(options);
             });

}  // namespace
}  // namespace micro::registry
