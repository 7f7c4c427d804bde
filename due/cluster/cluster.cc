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
  for (const Member& member : members_) add(member.component->Flags(members_.size() == 1));

  // Meshes before the server serves, whose handlers may want them; nodes and gates behind it, as their
  // handlers may call. The hooks' contexts are too short for a drain.
  options.before_start.insert(
      options.before_start.begin(),
      [this](Context ctx, micro::Service& service) -> Task<absl::Status> {
        if (std::ranges::find(kKinds, service.options().name) != kKinds.end()) {
          co_return absl::InvalidArgumentError(
              fmt::format("a service must not be called \"{}\": registries have due's instances "
                          "under that name (flag --server_name)",
                          service.options().name));
        }
        CO_RETURN_IF_ERROR(Open(service.options().registry, service.options().registry_options));
        co_return co_await StartUpTo(ctx, kMeshes);
      });
  options.after_start.push_back([this](Context ctx, micro::Service&) -> Task<absl::Status> {
    CO_RETURN_IF_ERROR(co_await StartUpTo(ctx, kGates));
    co_return co_await Announce(ctx);
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
  if (instances_ != nullptr) return absl::FailedPreconditionError("a cluster is started once");
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
  CO_RETURN_IF_ERROR(co_await StartUpTo(ctx, kGates));
  co_return co_await Announce(ctx);
}

Task<absl::Status> Cluster::StartUpTo(Context ctx, Rank last) {
  while (started_ < members_.size() && members_[started_].rank <= last) {
    const absl::Status status = co_await members_[started_++].component->Start(ctx);
    if (status.ok()) continue;
    (void)co_await End(WithTimeout(Context(), absl::ZeroDuration()));
    co_return status;
  }
  co_return absl::OkStatus();
}

Task<absl::Status> Cluster::Announce(Context ctx) {
  for (const Member& member : members_) {
    const absl::Status status = co_await member.component->Announce(ctx);
    if (status.ok()) continue;
    (void)co_await End(WithTimeout(Context(), absl::ZeroDuration()));
    co_return status;
  }
  co_return absl::OkStatus();
}

// Of one rank beside each other.
Task<void> Cluster::Drain(Context ctx) {
  for (const Rank rank : {kGates, kNodes, kMeshes}) {
    const Context limited = WithTimeout(ctx, options_.shutdown_max_wait_time);
    micro::TaskScope scope;
    for (size_t i = 0; i < started_; ++i) {
      if (members_[i].rank == rank) Spawn(scope, members_[i].component->Drain(limited));
    }
    co_await scope.Done();
  }
}

// Goes on on no loop's thread: whoever waits may free the components.
Task<absl::Status> Cluster::End(Context ctx) {
  absl::Status last;
  for (; started_ > 0; --started_) {
    absl::Status status =
        co_await members_[started_ - 1].component->Stop(WithTimeout(ctx, kStopTime));
    if (!status.ok()) last = std::move(status);
  }
  co_await micro::Offload([] {});
  co_return last;
}

Task<absl::Status> Cluster::Stop(Context ctx) {
  co_await Drain(ctx);
  co_return co_await End(ctx);
}

absl::StatusOr<std::string> EndpointOf(std::string_view listen, int port,
                                       std::string_view advertise) {
  ASSIGN_OR_RETURN(const micro::ListenAddress address, micro::ParseListenAddress(listen));
  if (address.first_port != address.last_port) {
    return absl::InvalidArgumentError(
        fmt::format("\"{}\" is a range: a link has one port (flag --link)", listen));
  }
  const auto told = micro::net::ParseHostPort(advertise);
  const std::string host_port =
      told.ok() ? micro::JoinHostPort(told->host, told->port)
                : micro::JoinHostPort(
                      micro::AdvertisedHost(advertise.empty() ? address.host : advertise), port);
  return fmt::format("drpc://{}?is_secure=false", host_port);
}

std::vector<micro::Flag> Prefixed(std::vector<micro::Flag> flags,
                                  const std::optional<std::string>& prefix, std::string_view kind,
                                  bool is_alone) {
  const std::string before = fmt::format("{}_", kind);
  const std::string flags_prefix = prefix.value_or(is_alone ? "" : before);
  for (micro::Flag& flag : flags) {
    flag.environment = "MICRO_" + absl::AsciiStrToUpper(
                                      (flags_prefix.empty() ? before : flags_prefix) + flag.name);
    flag.name = flags_prefix + flag.name;
  }
  return flags;
}

}  // namespace due
