// The registry "consul" with a real agent, one for the whole program.
#include <gtest/gtest.h>

#include <memory>

#include "core/plugin_table.h"
#include "registry/conformance.h"
#include "tests/services/service_process.h"

namespace micro::registry {
namespace {

services::ServiceProcess& Consul() {
  static const auto consul = services::StartConsul().value();
  return *consul;
}

Implementation With(const Options& more) {
  return {.start =
              [more] {
                Options options = more;
                options.addresses = {Consul().address()};
                return
                    [options] { return PluginTable<Registry>::Create("consul", options).value(); };
              },
          .ttl = absl::Seconds(1)};
}

INSTANTIATE_TEST_SUITE_P(Consul, RegistryConformance, testing::Values(With({})));
INSTANTIATE_TEST_SUITE_P(ConsulWithPrefix, RegistryConformance,
                         testing::Values(With({.prefix = "system/"})));

}  // namespace
}  // namespace micro::registry
