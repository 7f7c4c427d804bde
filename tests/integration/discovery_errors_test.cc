// What callers hear when a call finds no node: *no such service*, *registry down* and *all nodes
// ejected* are three errors, and each has its numbers.
#include <gmock/gmock.h>

#include "core/plugin_table.h"
#include "core/testing/eventually.h"
#include "micro/wire.h"
#include "tests/integration/greeter_services.h"
#include "tests/integration/spawned_greeter.h"
#include "tests/services/service_process.h"

namespace micro {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::StartsWith;

class DiscoveryErrors : public ::testing::TestWithParam<const char*> {
 protected:
  ~DiscoveryErrors() override { cache_->Stop(); }

  std::unique_ptr<SpawnedGreeter> Spawn() {
    return std::make_unique<SpawnedGreeter>(
        std::vector<std::string>{"--server=" + std::string(GetParam()), "--registry=consul",
                                 "--registry_address=" + consul_->address()});
  }
  // A call that tries up to four nodes.
  absl::Status Hello(const std::string& service = "helloworld") {
    const helloworld::GreeterService greeter(service, client_);
    CallOptions options;
    options.retries = 3;
    options.retry = RetryAlways;
    options.backoff = [](const Request&, int) { return absl::ZeroDuration(); };
    return BlockOn(greeter.Hello(Context(), Named("x"), options)).status();
  }
  size_t Known() {
    const auto report = selector_->Describe("helloworld");
    return report.ok() ? report->nodes.size() : 0;
  }
  static std::string Detail(const absl::Status& status) {
    const errors::Error error = errors::FromStatus(status);
    EXPECT_THAT(error.id, StartsWith("go.micro.client"));
    EXPECT_EQ(error.code, 500);
    return error.detail;
  }

  const std::unique_ptr<services::ServiceProcess> consul_ = services::StartConsul().value();
  // A client that asks the registry more often than a service's does.
  const std::shared_ptr<registry::Registry> registry_ =
      *PluginTable<registry::Registry>::Create("consul", {.addresses = {consul_->address()}});
  const std::shared_ptr<registry::Cache> cache_ = std::make_shared<registry::Cache>(
      registry_, registry::CacheOptions{.ttl = absl::Milliseconds(100)});
  const std::shared_ptr<selector::Selector> selector_ = std::make_shared<selector::Selector>(
      *PluginTable<selector::Strategy>::Create("random", {}), cache_);
  const std::shared_ptr<Client> client_ =
      *NewClient({.wire = GetParam(), .retry_budget = 1}, selector_, nullptr, cache_.get());
};

INSTANTIATE_TEST_SUITE_P(Wires, DiscoveryErrors, ::testing::Values("grpc", "rpc"),
                         [](const auto& wire) { return std::string(wire.param); });

TEST_P(DiscoveryErrors, NoSuchService) {
  EXPECT_EQ(Detail(Hello("nobody")), "service nobody: not found");
}

TEST_P(DiscoveryErrors, TheRegistryIsDownAndNothingWasKnown) {
  consul_->Kill();
  const absl::Status down = Hello();
  EXPECT_TRUE(absl::IsUnavailable(down)) << down;
  EXPECT_THAT(Detail(down),
              AllOf(MatchesRegex("service helloworld: registry consul cannot be asked "
                                 "\\([0-9]+ lookups? failed in .*\\): .*"),
                    HasSubstr(consul_->address()), HasSubstr("(flag --registry_address)")));
}

TEST_P(DiscoveryErrors, AllNodesAreEjected) {
  std::vector<std::unique_ptr<SpawnedGreeter>> nodes;
  for (int i = 0; i < 3; ++i) nodes.push_back(Spawn());
  ASSERT_TRUE(Eventually([&] { return Hello().ok() && Known() == 3; }));
  for (const auto& node : nodes) node->Kill();
  absl::Status status;
  ASSERT_TRUE(Eventually([&] {
    status = Hello();
    return absl::StrContains(status.message(), "(3 unreachable)");
  })) << status;
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_TRUE(IsUnsent(status));
  EXPECT_THAT(Detail(status),
              AllOf(MatchesRegex("service helloworld: all 3 nodes are ejected \\(3 unreachable\\), "
                                 "the last .* ago: connection error: 127.0.0.1:.*"),
                    Not(HasSubstr("registry"))));
}

TEST_P(DiscoveryErrors, TheOnlyNodeIsEjectedAndTheRegistryDoesNotSayWhatElseThereIs) {
  const auto node = Spawn();
  ASSERT_TRUE(Eventually([&] { return Hello().ok(); }));
  node->Kill();
  consul_->Kill();
  absl::Status status;
  ASSERT_TRUE(Eventually([&] {
    status = Hello();
    return absl::StrContains(status.message(), "(nodes as of ");
  })) << status;
  EXPECT_THAT(Detail(status),
              MatchesRegex("service helloworld: its only node is ejected \\(unreachable\\) for .*: "
                           "connection error: .* \\(nodes as of .* ago: registry consul cannot be "
                           "asked \\([0-9]+ lookups? failed in .*\\): .*\\)"));
}

}  // namespace
}  // namespace micro
