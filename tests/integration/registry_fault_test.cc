// Services and their callers over each registry that has a server, when that is not there, dies, and
// comes back with what it knew or without.
#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "core/mutex.h"
#include "core/plugin_table.h"
#include "core/testing/eventually.h"
#include "tests/integration/greeter_services.h"
#include "tests/services/service_process.h"

namespace micro {
namespace {

using ::testing::HasSubstr;

// How often each node was to be registered, and with what success.
class Attempts {
 public:
  struct Count {
    int made = 0, failed = 0, succeeded = 0;
  };

  Count of(const std::string& node) const {
    MutexLock lock(mutex_);
    const auto count = counts_.find(node);
    return count == counts_.end() ? Count() : count->second;
  }
  void Begin(const std::string& node) {
    MutexLock lock(mutex_);
    ++counts_[node].made;
  }
  void End(const std::string& node, bool ok) {
    MutexLock lock(mutex_);
    ++(ok ? counts_[node].succeeded : counts_[node].failed);
  }

 private:
  mutable Mutex mutex_;
  std::map<std::string, Count> counts_ ABSL_GUARDED_BY(mutex_);
};

// Another registry, with its registrations counted.
class CountedRegistry final : public registry::Registry {
 public:
  CountedRegistry(Attempts& attempts, std::unique_ptr<registry::Registry> registry)
      : attempts_(attempts), registry_(std::move(registry)) {}

  std::string_view name() const override { return registry_->name(); }

  Task<absl::Status> Register(Context ctx, registry::Service service,
                              registry::RegisterOptions options) override {
    const std::string node = service.nodes[0].id;
    attempts_.Begin(node);
    absl::Status status = co_await registry_->Register(ctx, std::move(service), options);
    attempts_.End(node, status.ok());
    co_return status;
  }
  Task<absl::Status> Deregister(Context ctx, registry::Service service) override {
    return registry_->Deregister(std::move(ctx), std::move(service));
  }
  Task<absl::StatusOr<std::vector<registry::Service>>> GetService(Context ctx,
                                                                  std::string name) override {
    return registry_->GetService(std::move(ctx), std::move(name));
  }
  Task<absl::StatusOr<std::vector<registry::Service>>> ListServices(Context ctx) override {
    return registry_->ListServices(std::move(ctx));
  }
  Task<absl::StatusOr<std::unique_ptr<registry::Watcher>>> Watch(
      Context ctx, registry::WatchOptions options) override {
    return registry_->Watch(std::move(ctx), std::move(options));
  }

 private:
  Attempts& attempts_;
  const std::unique_ptr<registry::Registry> registry_;
};

struct Kind {
  std::string name;
  absl::StatusOr<std::unique_ptr<services::ServiceProcess>> (*start)();
};

class RegistryFault : public ::testing::TestWithParam<std::tuple<Kind, std::string>> {
 protected:
  const std::string& registry() const { return std::get<0>(GetParam()).name; }
  const std::string& wire() const { return std::get<1>(GetParam()); }

  ServiceOptions Greeter() {
    ServiceOptions options = GreeterOptions({.addresses = {process_->address()}});
    options.registry = "counted";
    options.server.wire = wire();
    options.server.register_interval = absl::Seconds(1);
    return options;
  }
  std::unique_ptr<Service> Caller() {
    return NewService({.name = "caller",
                       .client = {.wire = wire()},
                       .registry = registry(),
                       .registry_options = {.addresses = {process_->address()}},
                       .handle_signals = false});
  }

  // Whether somebody new to the registry finds these nodes.
  bool Finds(const std::vector<std::string>& nodes) {
    const auto registry = PluginTable<registry::Registry>::Create(
        this->registry(), {.addresses = {process_->address()}, .timeout = absl::Seconds(1)});
    const auto found = BlockOn((*registry)->GetService(Context(), "helloworld"));
    size_t count = 0;
    if (found.ok()) {
      for (const registry::Service& service : *found) {
        for (const registry::Node& node : service.nodes) {
          count += std::count(nodes.begin(), nodes.end(), node.id);
        }
      }
    }
    return count == nodes.size();
  }

  // Waits for `turns` registrations in vain from now on.
  void AwaitFailures(const std::string& node, int turns) {
    const int before = attempts_.of(node).failed;
    ASSERT_TRUE(Eventually([&] { return attempts_.of(node).failed >= before + turns; }))
        << node << " does not try to register";
  }

  void RegistersAgain(bool with_state);

  Attempts attempts_;
  const std::unique_ptr<services::ServiceProcess> process_ =
      std::get<0>(GetParam()).start().value();
  ScopedPlugin<registry::Registry> plugin_{
      "counted",
      [this](
          const registry::Options& options) -> absl::StatusOr<std::unique_ptr<registry::Registry>> {
        auto made = PluginTable<registry::Registry>::Create(registry(), options);
        if (!made.ok()) return made.status();
        return std::make_unique<CountedRegistry>(attempts_, *std::move(made));
      }};
};

size_t Count(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST_P(RegistryFault, AServiceStartsWithoutTheRegistrySaysSoOnceAndRegistersLater) {
  process_->Kill();
  ::testing::internal::CaptureStderr();
  RunningGreeter server(Greeter());
  AwaitFailures(server.node_id(), 4);
  auto caller = Caller();
  helloworld::GreeterService greeter("helloworld", caller->client());
  EXPECT_THAT(BlockOn(greeter.Hello(Context(), Named("x"), {.addresses = {server.address()}})),
              IsOk());
  EXPECT_THAT(process_->Start(), IsOk());
  EXPECT_TRUE(Eventually([&] { return Finds({server.node_id()}); }));
  EXPECT_TRUE(Eventually([&] { return attempts_.of(server.node_id()).succeeded > 0; }));
  server.Stop();
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(Count(log, "WARN could not register; trying on"), 1u) << log;
  EXPECT_EQ(Count(log, "INFO registered service=helloworld"), 1u) << log;
  EXPECT_THAT(log, HasSubstr("--registry_address")) << log;
}

TEST_P(RegistryFault, ACallerThatKnowsNothingSaysThatTheRegistryIsDownAndFindsItsServiceLater) {
  RunningGreeter server(Greeter());
  process_->Kill();
  auto caller = Caller();
  helloworld::GreeterService greeter("helloworld", caller->client());
  const auto hello = [&] { return BlockOn(greeter.Hello(Context(), Named("x"))).status(); };
  const absl::Status down = hello();
  EXPECT_FALSE(down.ok());
  EXPECT_THAT(errors::ToText(down), HasSubstr("--registry_address"));
  ASSERT_THAT(process_->Start(), IsOk());
  EXPECT_TRUE(Eventually([&] { return hello().ok(); }));
}

TEST_P(RegistryFault, CallsGoOnWithTheLastGoodNodesWhenTheRegistryDies) {
  RunningGreeter one(Greeter()), other(Greeter());
  auto caller = Caller();
  helloworld::GreeterService greeter("helloworld", caller->client());
  const auto hello = [&] { return BlockOn(greeter.Hello(Context(), Named("x"))); };
  ASSERT_TRUE(Eventually([&] { return hello().ok(); }));
  process_->Kill();
  const int before = attempts_.of(one.node_id()).failed;
  int calls = 0;
  EXPECT_TRUE(Eventually([&] {
    ++calls;
    EXPECT_THAT(hello(), IsOk()) << "call " << calls;
    return attempts_.of(one.node_id()).failed >= before + 4;
  }));
  ASSERT_THAT(process_->Start(), IsOk());
  EXPECT_TRUE(Eventually([&] {
    EXPECT_THAT(hello(), IsOk());
    return Finds({one.node_id(), other.node_id()});
  }));
}

// All that was registered is there again after as many attempts as come in an interval, or none where
// the registry itself takes care.
void RegistryFault::RegistersAgain(bool with_state) {
  RunningGreeter one(Greeter()), other(Greeter()), third(Greeter());
  const std::vector<std::string> nodes = {one.node_id(), other.node_id(), third.node_id()};
  ASSERT_TRUE(Eventually([&] { return Finds(nodes); }));
  process_->Kill();
  for (const std::string& node : nodes) AwaitFailures(node, 1);
  if (!with_state) process_->Forget();
  ASSERT_THAT(process_->Start(), IsOk());
  std::map<std::string, int> before;
  for (const std::string& node : nodes) before[node] = attempts_.of(node).made;
  EXPECT_TRUE(Eventually([&] { return Finds(nodes); }));
  for (const std::string& node : nodes) {
    // One may have been under way, one comes within an interval, and one while this looked.
    EXPECT_LE(attempts_.of(node).made, before[node] + 3) << node;
  }
}

TEST_P(RegistryFault, AllRegisterAgainWithARegistryThatComesBackAsItWas) { RegistersAgain(true); }

TEST_P(RegistryFault, AllRegisterAgainWithARegistryThatComesBackEmpty) { RegistersAgain(false); }

INSTANTIATE_TEST_SUITE_P(
    Each, RegistryFault,
    ::testing::Combine(
        ::testing::Values(Kind{"consul", [] { return services::StartConsul({.durable = true}); }},
                          Kind{"etcd", [] { return services::StartEtcd(); }},
                          Kind{"nats", [] { return services::StartNats(); }}),
        ::testing::Values("grpc", "rpc")),
    [](const auto& info) { return std::get<0>(info.param).name + "_" + std::get<1>(info.param); });

}  // namespace
}  // namespace micro
