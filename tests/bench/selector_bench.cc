// What it costs to choose a node: Select and Done of each strategy, CPU time per call, with one
// thread and with two.
//
//   bazel run -c opt //tests/bench:selector_bench [-- --benchmark_filter=p2c]
#include <fmt/format.h>

#include <cstdlib>
#include <memory>

#include "core/plugin_table.h"
#include "registry/cache.h"
#include "selector/selector.h"
#include "tests/bench/figure_reporter.h"

namespace bench {
namespace {

using micro::Context;
using micro::PluginTable;
using micro::registry::Registry;
using micro::selector::Selector;
using micro::selector::Strategy;

constexpr char kService[] = "greeter";

// A selector over a service with this many nodes.
std::unique_ptr<Selector> NewSelector(const std::string& strategy, int nodes) {
  std::shared_ptr<Registry> registry =
      PluginTable<Registry>::Create("memory",
                                    {.addresses = {fmt::format("{}-{}", strategy, nodes)}})
          .value();
  micro::registry::Service service{.name = kService, .version = "1.0.0"};
  for (int i = 0; i < nodes; ++i) {
    service.nodes.push_back({.id = fmt::format("greeter-{}", i),
                             .address = fmt::format("10.0.{}.{}:8080", i / 250, i % 250 + 1),
                             .metadata = {{"protocol", "grpc"}}});
  }
  if (!micro::BlockOn(registry->Register(Context(), service, {})).ok()) std::abort();
  auto selector = std::make_unique<Selector>(PluginTable<Strategy>::Create(strategy, {}).value(),
                                             std::make_shared<micro::registry::Cache>(registry));
  if (!micro::BlockOn(selector->Discover(Context(), kService)).ok()) std::abort();
  return selector;
}

void PickAndDone(benchmark::State& state, Selector& selector) {
  for (auto _ : state) {
    auto pick = selector.Select(kService, {});
    if (!pick.ok()) std::abort();
    benchmark::DoNotOptimize(pick->node().address.data());
    pick->Done(absl::OkStatus());
  }
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  for (const std::string strategy : {"random", "roundrobin", "p2c"}) {
    for (const int nodes : {10, 100, 1000}) {
      const std::shared_ptr<bench::Selector> selector = bench::NewSelector(strategy, nodes);
      benchmark::RegisterBenchmark(
          fmt::format("selector.{}.{}nodes", strategy, nodes).c_str(),
          [selector](benchmark::State& state) { bench::PickAndDone(state, *selector); })
          ->ThreadRange(1, 2);
    }
  }
  bench::RunBenchmarks(argc, argv);
  return 0;
}
