#include "micro/service.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <stop_token>
#include <utility>

#include "codec/codec.h"
#include "core/async.h"
#include "core/errors.h"
#include "core/log.h"
#include "core/plugin_table.h"
#include "core/status_macros.h"
#include "micro/debug/debug_endpoints.h"
#include "micro/signals.h"
#include "micro/wire.h"
#include "registry/cache.h"
#include "selector/traffic_file.h"

namespace micro {
namespace {

// One line for people: what the error object says, else the message.
std::string Said(const absl::Status& status) {
  return errors::HasError(status) ? errors::ToText(status) : std::string(status.message());
}

class PluggedService final : public Service {
 public:
  explicit PluggedService(ServiceOptions options) : options_(std::move(options)) {}

  ~PluggedService() override {
    // What calls goes before what it calls through.
    parts_.reset();
  }

  void Init(int* argc, char** argv) override {
    program_ = *argc > 0 ? argv[0] : "service";
    if (const size_t slash = program_.rfind('/'); slash != std::string::npos)
      program_.erase(0, slash + 1);
    std::vector<std::string> arguments(argv + std::min(*argc, 1), argv + *argc);
    absl::StatusOr<ParsedFlags> parsed = ParseFlags(program_, std::move(arguments), options_);
    if (!parsed.ok()) Exit(parsed.status());
    if (!parsed->help.empty()) {
      std::fputs(parsed->help.c_str(), stdout);
      std::exit(0);
    }
    if (absl::Status status = Build(); !status.ok()) Exit(status);
    // What is no flag stays: argv's own strings, in order.
    int kept = std::min(*argc, 1);
    for (const std::string& word : parsed->rest) {
      for (int i = kept; i < *argc; ++i) {
        if (word == argv[i]) {
          argv[kept++] = argv[i];
          break;
        }
      }
    }
    *argc = kept;
  }

  absl::Status Init(std::vector<std::string> arguments) override {
    ASSIGN_OR_RETURN(const ParsedFlags parsed,
                     ParseFlags(options_.name, std::move(arguments), options_));
    if (!parsed.help.empty()) return absl::CancelledError(parsed.help);
    return Build();
  }

  const ServiceOptions& options() const override { return options_; }
  Server* server() override { return Parts().server.get(); }
  std::shared_ptr<Client> client() override { return Parts().client; }
  std::shared_ptr<registry::Registry> registry() override { return Parts().registry; }
  std::shared_ptr<broker::Broker> broker() override { return Parts().broker; }
  std::shared_ptr<selector::Selector> selector() override { return Parts().selector; }

  Task<absl::Status> Start(Context ctx) override {
    CO_RETURN_IF_ERROR(Build());
    PluginTable<codec::Codec>::Freeze();
    PluginTable<registry::Registry>::Freeze();
    PluginTable<broker::Broker>::Freeze();
    PluginTable<selector::Strategy>::Freeze();
    PluginTable<ServerWire>::Freeze();
    PluginTable<ClientWire>::Freeze();
    for (const Hook& hook : options_.before_start) CO_RETURN_IF_ERROR(co_await hook(ctx, *this));
    CO_RETURN_IF_ERROR(co_await parts_->server->Start(ctx));
    started_ = parts_->server.get();
    phase_ = nullptr;
    for (const Hook& hook : options_.after_start) {
      const absl::Status status = co_await hook(ctx, *this);
      if (status.ok()) continue;
      const absl::Status stopped = co_await Stop(Context());
      if (!stopped.ok())
        log::Warn("the stop after a failed start failed too", {{"error", stopped}});
      co_return status;
    }
    co_return absl::OkStatus();
  }

  Task<absl::Status> Stop(Context ctx) override {
    absl::Status last;
    const auto note = [&last](absl::Status status) {
      if (!status.ok()) last = std::move(status);
    };
    phase_ = "before_stop hooks";
    Context hooks_ctx = WithTimeout(ctx, options_.stop_hooks_timeout);
    for (const Hook& hook : options_.before_stop) note(co_await hook(hooks_ctx, *this));
    phase_ = nullptr;
    if (parts_ != nullptr) {
      if (parts_->debug != nullptr) parts_->debug->EndStreams();
      note(co_await parts_->server->Stop(ctx));
    }
    phase_ = "after_stop hooks";
    hooks_ctx = WithTimeout(ctx, options_.stop_hooks_timeout);
    for (const Hook& hook : options_.after_stop) note(co_await hook(hooks_ctx, *this));
    co_return last;
  }

  int Run() override {
    StopSignals signals(options_.handle_signals, [this] { SayWhatIsCut(); });
    const std::stop_callback on_shutdown(shutdown_.get_token(), [&signals] { signals.Wake(); });
    const auto cancelled = [&signals] { signals.Wake(); };
    const std::stop_callback<decltype(cancelled)> on_cancel(options_.context.stop_token(),
                                                            cancelled);

    absl::Status status = BlockOn(Start(options_.context));
    if (!status.ok()) {
      std::fprintf(stderr, "%s: %s\n", options_.name.c_str(), Said(status).c_str());
      return 1;
    }
    if (const int signal = signals.Wait(); signal != 0)
      log::Info("stopping", {{"signal", strsignal(signal)}});
    status = BlockOn(Stop(Context()));  // not the service's own, which may be what ended it
    if (status.ok()) return 0;
    std::fprintf(stderr, "%s: %s\n", options_.name.c_str(), Said(status).c_str());
    return 1;
  }

  void Shutdown() override { shutdown_.request_stop(); }

 private:
  struct Components {
    std::shared_ptr<registry::Registry> registry;
    std::shared_ptr<registry::Cache> cache;
    std::shared_ptr<broker::Broker> broker;
    std::shared_ptr<selector::Selector> selector;
    std::unique_ptr<selector::TrafficFile> traffic;
    std::shared_ptr<Client> client;
    std::unique_ptr<DebugEndpoints> debug;
    std::unique_ptr<Server> server;

    ~Components() {
      server.reset();
      cache->Stop();
    }
  };

  [[noreturn]] void Exit(const absl::Status& status) const {
    std::fprintf(stderr, "%s: %s\n", program_.empty() ? options_.name.c_str() : program_.c_str(),
                 Said(status).c_str());
    std::exit(1);
  }

  // From a thread of its own, at any time.
  void SayWhatIsCut() const {
    const Server* const server = started_;
    const Activity activity = server == nullptr ? Activity() : server->activity();
    const char* const phase = phase_;
    log::Error("second signal: ending at once",
               {{"service", options_.name},
                {"phase", phase == nullptr ? activity.phase : phase},
                {"calls", ToText(activity.calls)}});
  }

  Components& Parts() {
    if (const absl::Status status = Build(); !status.ok()) Exit(status);
    return *parts_;
  }

  // Makes the components, once.
  absl::Status Build() {
    if (parts_ != nullptr) return absl::OkStatus();
    if (options_.name.empty())
      return absl::InvalidArgumentError("a service needs a name (flag --server_name)");
    options_.server.name = options_.name;
    options_.server.version = options_.version;
    Append(options_.server.wrappers, options_.handler_wrappers);
    Append(options_.server.subscriber_wrappers, options_.subscriber_wrappers);
    Append(options_.client.call_wrappers, options_.call_wrappers);

    std::shared_ptr<registry::Registry> registry;
    ASSIGN_OR_RETURN(registry, PluginTable<registry::Registry>::Create(options_.registry,
                                                                       options_.registry_options));
    ASSIGN_OR_RETURN(std::shared_ptr<broker::Broker> broker, MakeBroker());
    ASSIGN_OR_RETURN(std::unique_ptr<selector::Strategy> strategy,
                     PluginTable<selector::Strategy>::Create(
                         options_.selector, {.hash_key = options_.selector_hash_key}));
    auto cache = std::make_shared<registry::Cache>(registry);
    auto selector =
        std::make_shared<selector::Selector>(std::move(strategy), cache, options_.selector_options);
    std::unique_ptr<selector::TrafficFile> traffic;
    if (!options_.traffic_rules.empty()) {
      auto opened = selector::TrafficFile::Open(
          options_.traffic_rules, [selector](std::shared_ptr<const selector::TrafficRules> rules) {
            selector->SetTraffic(std::move(rules));
          });
      if (!opened.ok()) {
        return absl::InvalidArgumentError(
            fmt::format("{} (flag --traffic_rules)", std::string(opened.status().message())));
      }
      traffic = *std::move(opened);
    }
    std::shared_ptr<Traces> traces;
    if (options_.debug) {
      traces = std::make_shared<Traces>();
      // Innermost of all attempts and outermost but for the counter of all calls taken: its times
      // are the network's and the handler's.
      options_.client.call_wrappers.push_back(TraceCall(traces));
      options_.server.wrappers.insert(options_.server.wrappers.begin(), TraceHandler(traces));
    }
    ASSIGN_OR_RETURN(std::shared_ptr<Client> client,
                     NewClient(options_.client, selector, broker, cache.get()));
    for (auto wrapper = options_.client_wrappers.rbegin();
         wrapper != options_.client_wrappers.rend(); ++wrapper) {
      client = (*wrapper)(std::move(client));
    }
    parts_ = std::make_unique<Components>();
    parts_->registry = registry;
    parts_->cache = std::move(cache);
    if (options_.debug) {
      parts_->debug = std::make_unique<DebugEndpoints>(selector, std::move(traces));
      options_.server.wrappers.insert(options_.server.wrappers.begin(), parts_->debug->Counter());
    }
    parts_->selector = std::move(selector);
    parts_->traffic = std::move(traffic);
    parts_->broker = broker;
    parts_->client = std::move(client);
    parts_->server = NewServer(options_.server, std::move(registry), std::move(broker));
    if (parts_->debug != nullptr) parts_->debug->AddTo(*parts_->server);
    return absl::OkStatus();
  }

  // The broker that was asked for; without a wish the one inside the process, and none where that
  // is not linked.
  absl::StatusOr<std::shared_ptr<broker::Broker>> MakeBroker() const {
    const std::vector<std::string> linked = PluginTable<broker::Broker>::Names();
    std::string name = options_.broker;
    if (name.empty()) {
      if (std::find(linked.begin(), linked.end(), "memory") == linked.end()) return nullptr;
      name = "memory";
    }
    return PluginTable<broker::Broker>::Create(name, options_.broker_options);
  }

  template <class Wrapper>
  static void Append(std::vector<Wrapper>& to, const std::vector<Wrapper>& from) {
    to.insert(to.end(), from.begin(), from.end());
  }

  ServiceOptions options_;
  std::string program_;
  std::unique_ptr<Components> parts_;
  std::stop_source shutdown_;
  std::atomic<const Server*> started_ = nullptr;
  std::atomic<const char*> phase_ = "starting";  // null: the server's own
};

}  // namespace

std::unique_ptr<Service> NewService(ServiceOptions options) {
  return std::make_unique<PluggedService>(std::move(options));
}

}  // namespace micro
