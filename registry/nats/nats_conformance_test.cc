// The registry "nats" over one real server for the whole program.
#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include "core/plugin_table.h"
#include "registry/conformance.h"
#include "tests/services/service_process.h"

namespace micro::registry {
namespace {

std::string server_address;

std::unique_ptr<Registry> OpenNats() {
  return PluginTable<Registry>::Create("nats", {.addresses = {server_address}}).value();
}

INSTANTIATE_TEST_SUITE_P(Nats, RegistryConformance,
                         testing::Values(Implementation{.start = [] { return OpenNats; },
                                                        .ttl = absl::Seconds(1)}));

}  // namespace
}  // namespace micro::registry

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const auto server = micro::services::StartNats();
  if (!server.ok()) {
    std::fprintf(stderr, "%s\n", std::string(server.status().message()).c_str());
    return 1;
  }
  micro::registry::server_address = (*server)->address();
  return RUN_ALL_TESTS();
}
