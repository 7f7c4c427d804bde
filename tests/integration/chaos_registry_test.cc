// Registries that die under load. chaos.h tells how.
#include <gmock/gmock.h>

#include <tuple>

#include "core/testing/status_matchers.h"
#include "tests/integration/chaos.h"

namespace micro {
namespace {

class ChaosRegistry
    : public testing::TestWithParam<std::tuple<const char*, const char*, const char*>> {};

TEST_P(ChaosRegistry, AnOutageFailsNoCall) {
  const auto [name, wire, state] = GetParam();
  const auto registry = StartRegistry(name);
  const std::vector<std::string> flags = {"--registry=" + std::string(name),
                                          "--registry_address=" + registry->address(),
                                          "--server=" + std::string(wire)};
  const auto node_flags = With(flags, {"--register_interval=1s"});
  SpawnedGreeter one(node_flags), other(node_flags);
  Load load(flags, 300);
  for (int i = 0; i < Size(); ++i) {
    Wait(1);
    registry->Kill();
    Wait(2);
    if (state == std::string("empty")) registry->Forget();
    ASSERT_THAT(registry->Start(), IsOk());
    Wait(2.5);
  }
  EXPECT_EQ(load.Finish().failed, 0);
}

INSTANTIATE_TEST_SUITE_P(Each, ChaosRegistry,
                         testing::Combine(testing::Values("consul", "etcd", "nats"),
                                          testing::Values("grpc", "rpc"),
                                          testing::Values("whole", "empty")),
                         [](const auto& param) {
                           return std::string(std::get<0>(param.param)) + "_" +
                                  std::get<1>(param.param) + "_" + std::get<2>(param.param);
                         });

}  // namespace
}  // namespace micro
