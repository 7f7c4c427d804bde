// The registry "mdns" on lo: each handle is a participant of its own, as another process would be.
#include <gtest/gtest.h>

#include "core/plugin_table.h"
#include "registry/conformance.h"

namespace micro::registry {
namespace {

std::unique_ptr<Registry> OpenMdns() {
  return PluginTable<Registry>::Create("mdns", {.addresses = {"lo"}}).value();
}

INSTANTIATE_TEST_SUITE_P(Mdns, RegistryConformance,
                         testing::Values(Implementation{.start = [] { return OpenMdns; },
                                                        .ttl = absl::Seconds(1)}));

}  // namespace
}  // namespace micro::registry
