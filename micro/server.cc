#include "micro/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <utility>

#include "core/async.h"
#include "core/log.h"
#include "core/plugin_table.h"
#include "core/random.h"
#include "core/status_macros.h"
#include "core/task_scope.h"
#include "micro/address.h"
#include "micro/endpoint_value.h"
#include "micro/registration.h"
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
        subscriptions_(std::move(broker)),
        registration_(options_, registry_, [this](bool ready) { wire_->SetReady(ready); }) {
    if (options_.id.empty()) options_.id = RandomUuid();
    if (options_.wire.empty()) options_.wire = "grpc";
  }

  void Handle(Handler handler) override { handlers_.push_back(std::move(handler)); }

  void Subscribe(Subscriber subscriber) override { subscriptions_.Add(std::move(subscriber)); }

  Task<absl::Status> Start(Context ctx) override {
    auto endpoints = Served();
    CO_RETURN_IF_ERROR(endpoints.status());
    counts_.clear();
    for (const ServedEndpoint& served : *endpoints)
      counts_.emplace_back(served.endpoint.method.endpoint, served.calls);
    absl::StatusOr<std::unique_ptr<ServerWire>> wire =
        PluginTable<ServerWire>::Create(options_.wire, options_);
    CO_RETURN_IF_ERROR(wire.status());
    CO_ASSIGN_OR_RETURN(const ListenAddress address, ParseListenAddress(options_.address));
    (*wire)->SetReady(false);
    CO_ASSIGN_OR_RETURN(const int port, StartOnFreePort(**wire, address, *endpoints));
    wire_ = *std::move(wire);
    registry::Service record = MakeRecord(JoinHostPort(AdvertisedHost(address.host), port));
    log::Info("listening",
              {{"service", options_.name},
               {"address", JoinHostPort(address.host.empty() ? "0.0.0.0" : address.host, port)},
               {"advertised", record.nodes[0].address},
               {"wire", options_.wire}});
    absl::Status status = co_await registration_.Begin(ctx, std::move(record));
    // What the registry will never take is a mistake to mend; anything else may pass, and the
    // server serves on.
    if (status.ok() || !absl::IsInvalidArgument(status)) {
      status = co_await subscriptions_.Start(ctx, options_.name, options_.subscriber_wrappers);
    }
    if (!status.ok()) {
      (void)co_await Stop(Context());
      co_return status;
    }
    registration_.Continue();
    Enter("running");
    co_return absl::OkStatus();
  }

  Task<absl::Status> Stop(Context ctx) override {
    if (wire_ == nullptr) co_return absl::OkStatus();
    const absl::Time began = Clock::Real().Now();
    Enter("deregistering");
    wire_->Leave();
    const absl::Status status =
        co_await registration_.End(WithTimeout(ctx, options_.deregister_timeout));
    if (registration_.was_registered()) {
      Enter("serving on while callers hear of it");
      (void)co_await Sleep(ctx, options_.stop_delay.value_or(registry_->spread_time()));
    }
    Enter("waiting for running calls");
    co_await Drain();
    Enter("leaving the broker");
    co_await subscriptions_.Disconnect(WithTimeout(Context(), options_.cancel_timeout));
    wire_.reset();
    Enter("stopped");
    SayHowItWent(Clock::Real().Now() - began);
    co_return status;
  }

  Activity activity() const override {
    return {.phase = phase_.load(std::memory_order_relaxed), .calls = Calls(&CallCount::running)};
  }

  absl::Status readiness() const override { return registration_.readiness(); }

  const ServerOptions& options() const override { return options_; }
  registry::Service record() const override { return registration_.record(); }

 private:
  void Enter(const char* phase) { phase_.store(phase, std::memory_order_relaxed); }

  // Lets running calls and subscribers end, side by side, and cancels what does not.
  Task<void> Drain() {
    const absl::Time cut_after = Clock::Real().Now() + options_.grace;
    for (const auto& [endpoint, count] : counts_) count->CutAfter(cut_after);
    TaskScope subscribers;
    Spawn(subscribers, subscriptions_.Unsubscribe(WithTimeout(Context(), options_.grace)));
    co_await wire_->Stop(options_.grace);
    co_await subscribers.Done();
  }

  std::map<std::string, int> Calls(int (CallCount::*which)() const) const {
    std::map<std::string, int> calls;
    for (const auto& [endpoint, count] : counts_) {
      if (const int number = (count.get()->*which)(); number > 0) calls[endpoint] = number;
    }
    return calls;
  }

  void SayHowItWent(absl::Duration took) const {
    const std::map<std::string, int> cut = Calls(&CallCount::cut),
                                     left = Calls(&CallCount::running);
    if (!left.empty()) {
      log::Error("handlers ignore their cancellation; leaving them behind",
                 {{"service", options_.name}, {"calls", ToText(left)}});
    }
    if (cut.empty()) return log::Info("stopped", {{"service", options_.name}, {"took", took}});
    log::Warn("stopped; calls that outlasted the grace were cancelled",
              {{"service", options_.name}, {"took", took}, {"calls", ToText(cut)}});
  }

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

  registry::Service MakeRecord(const std::string& address) const {
    registry::Service record{.name = options_.name, .version = options_.version};
    for (const Handler& handler : handlers_) {
      if (handler.internal) continue;
      for (const HandlerEndpoint& endpoint : handler.endpoints)
        record.endpoints.push_back(RecordOf(endpoint));
    }
    std::sort(
        record.endpoints.begin(), record.endpoints.end(),
        [](const registry::Endpoint& a, const registry::Endpoint& b) { return a.name < b.name; });
    for (registry::Endpoint& subscriber : subscriptions_.Records())
      record.endpoints.push_back(std::move(subscriber));
    registry::Node node{.id = options_.name + "-" + options_.id,
                        .address = options_.advertise.empty() ? address : options_.advertise,
                        .metadata = options_.metadata};
    node.metadata["transport"] = wire_->transport();
    node.metadata["server"] = wire_->name();
    node.metadata["protocol"] = wire_->protocol();
    node.metadata["registry"] = registry_->name();
    if (broker_ != nullptr) node.metadata["broker"] = broker_->name();
    record.nodes.push_back(std::move(node));
    return record;
  }

  ServerOptions options_;
  const std::shared_ptr<registry::Registry> registry_;
  const std::shared_ptr<broker::Broker> broker_;
  Subscriptions subscriptions_;
  std::vector<Handler> handlers_;
  std::unique_ptr<ServerWire> wire_;
  Registration registration_;                                               // tells the wire
  std::vector<std::pair<std::string, std::shared_ptr<CallCount>>> counts_;  // by endpoint
  std::atomic<const char*> phase_ = "starting";
};

}  // namespace

std::string ToText(const std::map<std::string, int>& calls) {
  std::string text;
  for (const auto& [endpoint, count] : calls)
    text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", endpoint, count);
  return text.empty() ? "none" : text;
}

std::unique_ptr<Server> NewServer(ServerOptions options,
                                  std::shared_ptr<registry::Registry> registry,
                                  std::shared_ptr<broker::Broker> broker) {
  return std::make_unique<RegisteringServer>(std::move(options), std::move(registry),
                                             std::move(broker));
}

}  // namespace micro
