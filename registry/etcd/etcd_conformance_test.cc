// The registry "etcd" against a real one: each handle has connections of its own, as another process
// would.
#include <gtest/gtest.h>

#include "core/plugin_table.h"
#include "registry/conformance.h"
#include "tests/services/service_process.h"

namespace micro::registry {
namespace {

// One server for the whole program.
const std::string& Address() {
  static const auto etcd = services::StartEtcd();
  static const std::string address = etcd.value()->address();
  return address;
}

std::unique_ptr<Registry> OpenEtcd() {
  return PluginTable<Registry>::Create("etcd", {.addresses = {Address()}}).value();
}

INSTANTIATE_TEST_SUITE_P(Etcd, RegistryConformance,
                         testing::Values(Implementation{.start = [] { return OpenEtcd; },
                                                        .ttl = absl::Seconds(1),
                                                        .refreshes_itself = true}));

}  // namespace
}  // namespace micro::registry
