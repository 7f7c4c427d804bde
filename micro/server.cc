#include "micro/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "core/async.h"
#include "core/log.h"
#include "core/mutex.h"
#include "core/plugin_table.h"
#include "core/random.h"
#include "core/status_macros.h"
#include "core/task_scope.h"
#include "micro/address.h"
#include "micro/endpoint_value.h"
#include "micro/subscriptions.h"
#include "micro/wire.h"

namespace micro {
namespace {

// Listens on the first port of the range that is free.
absl::StatusOr<int> StartOnFreePort(ServerWire& wire, const ListenAddress& address,
                                    const std::vector<ServedEndpoint>& endpoints) {
  absl::Status last;
  for (int port = address.first_port; port <= address.last_port; ++port) {
    absl::StatusOr<int> bound = wire.Start(address.host, port, endpoints);
    if (bound.ok() || !absl::IsUnavailable(bound.status())) return bound;
    last = bound.status();
  }
  return last;
}

class RegisteringServer final : public Server {
 public:
  RegisteringServer(ServerOptions options, std::shared_ptr<registry::Registry> registry,
                    std::shared_ptr<broker::Broker> broker)
      : options_(std::move(options)),
        registry_(std::move(registry)),
        broker_(broker),
        subscriptions_(std::move(broker)) {
    if (options_.id.empty()) options_.id = RandomUuid();
    if (options_.wire.empty()) options_.wire = "grpc";
    std::tie(loop_ctx_, stop_loop_) = WithCancel(Context());
  }

  ~RegisteringServer() override {
    stop_loop_();
    scope_.Join();
  }

  void Handle(Handler handler) override { handlers_.push_back(std::move(handler)); }

  void Subscribe(Subscriber subscriber) override { subscriptions_.Add(std::move(subscriber)); }

  Task<absl::Status> Start(Context ctx) override {
    auto endpoints = Served();
    CO_RETURN_IF_ERROR(endpoints.status());
    absl::StatusOr<std::unique_ptr<ServerWire>> wire =
        PluginTable<ServerWire>::Create(options_.wire, options_);
    CO_RETURN_IF_ERROR(wire.status());
    CO_ASSIGN_OR_RETURN(const ListenAddress address, ParseListenAddress(options_.address));
    CO_ASSIGN_OR_RETURN(const int port, StartOnFreePort(**wire, address, *endpoints));
    wire_ = *std::move(wire);
    MakeRecord(JoinHostPort(AdvertisedHost(address.host), port));
    log::Info("listening",
              {{"service", options_.name},
               {"address", JoinHostPort(address.host.empty() ? "0.0.0.0" : address.host, port)},
               {"advertised", record_.nodes[0].address},
               {"wire", options_.wire}});
    absl::Status status = co_await RegisterOnce(ctx);
    // What the registry will never take is a mistake to mend; anything else may pass, and the
    // server serves on.
    if (status.ok() || !absl::IsInvalidArgument(status)) {
      status = co_await subscriptions_.Start(ctx, options_.name, options_.subscriber_wrappers);
    }
    if (!status.ok()) {
      (void)co_await Stop(Context());
      co_return status;
    }
    if (options_.register_interval > absl::ZeroDuration()) Spawn(scope_, RegisterLoop());
    co_return absl::OkStatus();
  }

  Task<absl::Status> Stop(Context ctx) override {
    if (wire_ == nullptr) co_return absl::OkStatus();
    stop_loop_();
    co_await scope_.Done();
    // A registration whose answer was lost is taken back too, but only one that was certain is owed
    // an answer here.
    const bool certain = registered_;
    absl::Status status = co_await Deregister(ctx);
    if (!certain) status = absl::OkStatus();
    co_await subscriptions_.Stop(WithTimeout(Context(), options_.grace));
    co_await wire_->Stop(options_.grace);
    wire_.reset();
    co_return status;
  }

  const ServerOptions& options() const override { return options_; }
  registry::Service record() const override { return record_; }

 private:
  // All endpoints with the wrappers around them; INVALID_ARGUMENT or ALREADY_EXISTS for what is
  // wrong with a handler.
  absl::StatusOr<std::vector<ServedEndpoint>> Served() const {
    std::vector<ServedEndpoint> served;
    std::set<std::string_view> names;
    for (const Handler& handler : handlers_) {
      if (handler.endpoints.empty()) {
        return absl::InvalidArgumentError(
            fmt::format("handler \"{}\" has no endpoints", handler.name));
      }
      for (const HandlerEndpoint& endpoint : handler.endpoints) {
        if (!names.insert(endpoint.method.endpoint).second) {
          return absl::AlreadyExistsError(
              fmt::format("endpoint \"{}\" is registered twice", endpoint.method.endpoint));
        }
        ServedEndpoint wrapped{handler.name, endpoint};
        for (auto wrapper = options_.wrappers.rbegin(); wrapper != options_.wrappers.rend();
             ++wrapper) {
          wrapped.endpoint.handle = (*wrapper)(std::move(wrapped.endpoint.handle));
        }
        served.push_back(std::move(wrapped));
      }
    }
    return served;
  }

  void MakeRecord(const std::string& address) {
    record_ = {.name = options_.name,
               .version = options_.version,
               .metadata = {},
               .endpoints = {},
               .nodes = {}};
    for (const Handler& handler : handlers_) {
      if (handler.internal) continue;
      for (const HandlerEndpoint& endpoint : handler.endpoints)
        record_.endpoints.push_back(RecordOf(endpoint));
    }
    std::sort(
        record_.endpoints.begin(), record_.endpoints.end(),
        [](const registry::Endpoint& a, const registry::Endpoint& b) { return a.name < b.name; });
    for (registry::Endpoint& subscriber : subscriptions_.Records())
      record_.endpoints.push_back(std::move(subscriber));
    registry::Node node{.id = options_.name + "-" + options_.id,
                        .address = options_.advertise.empty() ? address : options_.advertise,
                        .metadata = options_.metadata};
    node.metadata["transport"] = wire_->transport();
    node.metadata["server"] = wire_->name();
    node.metadata["protocol"] = wire_->protocol();
    node.metadata["registry"] = registry_->name();
    if (broker_ != nullptr) node.metadata["broker"] = broker_->name();
    record_.nodes.push_back(std::move(node));
  }

  // One turn of registration: asks the check, then registers with up to three attempts. A failure
  // is logged; the answer is for Start.
  Task<absl::Status> RegisterOnce(Context ctx) {
    if (options_.register_check != nullptr) {
      const absl::Status ready = co_await options_.register_check(ctx);
      if (!ready.ok()) {
        log::Warn("the register check failed; the node stays out of the registry",
                  {{"service", options_.name}, {"error", ready}});
        (void)co_await Deregister(ctx);  // where that fails, the next turn tries again
        co_return absl::OkStatus();
      }
    }
    absl::Status status;
    for (int attempt = 0; attempt < 3; ++attempt) {
      if (attempt > 0 &&
          !(co_await Sleep(ctx, attempt == 1 ? absl::Milliseconds(100) : absl::Milliseconds(600)))
               .ok()) {
        break;
      }
      maybe_listed_ = true;
      status = co_await registry_->Register(ctx, record_, {.ttl = options_.register_ttl});
      if (status.ok() || absl::IsInvalidArgument(status)) break;
    }
    if (absl::IsInvalidArgument(status)) {
      log::Error("the registry refuses the record",
                 {{"service", options_.name}, {"registry", registry_->name()}, {"error", status}});
    } else if (!status.ok()) {
      log::Error("could not register; trying again at the next interval",
                 {{"service", options_.name}, {"registry", registry_->name()}, {"error", status}});
    } else if (!std::exchange(registered_, true)) {
      log::Info("registered", {{"service", options_.name},
                               {"node", record_.nodes[0].id},
                               {"address", record_.nodes[0].address},
                               {"registry", registry_->name()}});
    }
    co_return status;
  }

  // Takes the record out of the registry, if it may be there.
  Task<absl::Status> Deregister(Context ctx) {
    if (!maybe_listed_) co_return absl::OkStatus();
    absl::Status status = co_await registry_->Deregister(ctx, record_);
    if (status.ok()) {
      maybe_listed_ = registered_ = false;
      log::Info("deregistered", {{"service", options_.name}, {"node", record_.nodes[0].id}});
    } else {
      log::Warn("could not deregister", {{"service", options_.name}, {"error", status}});
    }
    co_return status;
  }

  Task<void> RegisterLoop() {
    while (true) {
      // A tenth of jitter, so that the nodes of a fleet do not refresh as one.
      const double jitter = 0.9 + 0.2 * RandomUnit();
      if (!(co_await Sleep(loop_ctx_, options_.register_interval * jitter)).ok()) co_return;
      (void)co_await RegisterOnce(loop_ctx_);
    }
  }

  ServerOptions options_;
  const std::shared_ptr<registry::Registry> registry_;
  const std::shared_ptr<broker::Broker> broker_;
  Subscriptions subscriptions_;
  std::vector<Handler> handlers_;
  std::unique_ptr<ServerWire> wire_;
  registry::Service record_;
  // Written by Start, then the loop, then Stop: one after the other.
  bool maybe_listed_ = false;  // since a registration was sent, whatever its answer
  bool registered_ = false;
  Context loop_ctx_;
  CancelFunction stop_loop_;
  TaskScope scope_;
};

}  // namespace

std::unique_ptr<Server> NewServer(ServerOptions options,
                                  std::shared_ptr<registry::Registry> registry,
                                  std::shared_ptr<broker::Broker> broker) {
  return std::make_unique<RegisteringServer>(std::move(options), std::move(registry),
                                             std::move(broker));
}

}  // namespace micro
