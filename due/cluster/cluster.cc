#include "due/cluster/cluster.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ranges>
#include <utility>

#include "absl/strings/ascii.h"
#include "core/async.h"
#include "core/log.h"
#include "core/net/host_port.h"
#include "core/plugin_table.h"
#include "core/status_macros.h"
#include "core/task_scope.h"
#include "micro/address.h"

namespace due {

using micro::Context;
using micro::Task;

namespace {

// For what is left to do after a drain.
constexpr absl::Duration kStopTime = absl::Seconds(5);

// The services that due's own records are found under.
constexpr std::array<std::string_view, 3> kKinds = {"gate", "node", "mesh"};

}  // namespace

Cluster::Cluster(ClusterOptions options)
    : options_(std::move(options)), packet_flags_(options_.packet) {}

Cluster::~Cluster() = default;

void Cluster::Add(Component& component, Rank rank) {
  const auto behind = std::ranges::upper_bound(members_, rank, {}, &Member::rank);
  members_.insert(behind, {rank, &component});
}

void Cluster::Remove(Component& component) {
  std::erase_if(members_, [&](const Member& member) { return member.component == &component; });
}

micro::ServiceOptions Cluster::AddTo(micro::ServiceOptions options) {
  if (options.registry == micro::ServiceOptions().registry) options.registry = "memory";
  const auto add = [&options](std::vector<micro::Flag> flags) {
    std::ranges::move(flags, std::back_inserter(options.flags));
  };
  add(packet_flags_.Flags());
  add({{"locator", &options_.locator, "where users are looked up: a plugin", "MICRO_LOCATOR"},
       {"locator_address", &options_.locator_options.addresses, "host:port of the locator",
        "MICRO_LOCATOR_ADDRESS"},
       {"locator_prefix", &options_.locator_options.prefix,
        "before the locator's keys [due:locate]", "MICRO_LOCATOR_PREFIX"},
       {"locator_username", &options_.locator_options.username, "of the locator",
        "MICRO_LOCATOR_USERNAME"},
       {"locator_password", &options_.locator_options.password, "of the locator",
        "MICRO_LOCATOR_PASSWORD"},
       {"locator_db", &options_.locator_options.db, "redis: its database", "MICRO_LOCATOR_DB"},
       {"locator_tls_ca", &options_.locator_options.ca_file, "PEM file; TLS with this authority",
        "MICRO_LOCATOR_TLS_CA"},
       {"shutdown_max_wait_time", &options_.shutdown_max_wait_time,
        "how long players and users are waited for at the end", "MICRO_SHUTDOWN_MAX_WAIT_TIME"}});
  for (const Member& member : members_) add(member.component->Flags());

  // Behind the server's own start, whose calls handlers may want, and before its end. The hooks'
  // contexts are too short for a drain.
  options.after_start.push_back([this](Context ctx, micro::Service& service) -> Task<absl::Status> {
    if (std::ranges::find(kKinds, service.options().name) != kKinds.end()) {
      co_return absl::InvalidArgumentError(
          fmt::format("a service must not be called \"{}\": registries have due's instances under "
                      "that name (flag --server_name)",
                      service.options().name));
    }
    co_return co_await Start(ctx, service.options().registry, service.options().registry_options);
  });
  options.before_stop.push_back([this](Context, micro::Service&) -> Task<absl::Status> {
    co_await Drain(Context());
    co_return absl::OkStatus();
  });
  options.after_stop.push_back([this](Context, micro::Service&) -> Task<absl::Status> {
    co_return co_await End(Context());
  });
  return options;
}

absl::Status Cluster::Open(const std::string& registry,
                           const micro::registry::Options& registry_options) {
  ASSIGN_OR_RETURN(const PacketOptions packet, packet_flags_.ToOptions());
  ASSIGN_OR_RETURN(const Packer packer, Packer::New(packet));
  ASSIGN_OR_RETURN(instances_, InstanceRegistry::New(registry, registry_options));
  ASSIGN_OR_RETURN(std::unique_ptr<Locator> locator,
                   micro::PluginTable<Locator>::Create(options_.locator, options_.locator_options));
  if (options_.locator == "memory" && registry != "memory") {
    micro::log::Warn(
        "the locator is memory, so that users are known in this process alone; clusters of several "
        "want another (flag --locator)",
        {{"registry", registry}});
  }
  packer_ = std::make_unique<Packer>(packer);
  locator_ = std::make_unique<CachedLocator>(std::move(locator), CachedLocator::Options());
  return absl::OkStatus();
}

Task<absl::Status> Cluster::Start(Context ctx, std::string registry,
                                  micro::registry::Options options) {
  CO_RETURN_IF_ERROR(Open(registry, options));
  for (const Member& member : members_) {
    ++started_;
    const absl::Status status = co_await member.component->Start(ctx);
    if (status.ok()) continue;
    (void)co_await End(WithTimeout(Context(), absl::ZeroDuration()));
    co_return status;
  }
  co_return absl::OkStatus();
}

// Of one rank beside each other.
Task<void> Cluster::Drain(Context ctx) {
  const Context limited = WithTimeout(ctx, options_.shutdown_max_wait_time);
  for (const Rank rank : {kGates, kNodes, kMeshes}) {
    micro::TaskScope scope;
    for (size_t i = 0; i < started_; ++i) {
      if (members_[i].rank == rank) Spawn(scope, members_[i].component->Drain(limited));
    }
    co_await scope.Done();
  }
}

Task<absl::Status> Cluster::End(Context ctx) {
  absl::Status last;
  for (; started_ > 0; --started_) {
    absl::Status status =
        co_await members_[started_ - 1].component->Stop(WithTimeout(ctx, kStopTime));
    if (!status.ok()) last = std::move(status);
  }
  co_return last;
}

Task<absl::Status> Cluster::Stop(Context ctx) {
  co_await Drain(ctx);
  co_return co_await End(ctx);
}

absl::StatusOr<std::string> EndpointOf(std::string_view listen, int port,
                                       std::string_view advertise) {
  ASSIGN_OR_RETURN(const micro::ListenAddress address, micro::ParseListenAddress(listen));
  const auto told = micro::net::ParseHostPort(advertise);
  const std::string host_port =
      told.ok() ? micro::JoinHostPort(told->host, told->port)
                : micro::JoinHostPort(
                      micro::AdvertisedHost(advertise.empty() ? address.host : advertise), port);
  return fmt::format("drpc://{}?is_secure=false", host_port);
}

std::vector<micro::Flag> Prefixed(std::vector<micro::Flag> flags, std::string_view prefix,
                                  std::string_view kind) {
  for (micro::Flag& flag : flags) {
    const std::string variable = prefix.empty() ? fmt::format("{}_{}", kind, flag.name)
                                                : fmt::format("{}{}", prefix, flag.name);
    flag.environment = "MICRO_" + absl::AsciiStrToUpper(variable);
    flag.name = fmt::format("{}{}", prefix, flag.name);
  }
  return flags;
}

}  // namespace due
