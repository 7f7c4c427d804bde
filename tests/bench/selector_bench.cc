// What it costs to choose a node: Select and Done of each strategy, CPU time per call, with one
// thread and with two; then the same of go-micro's own selector, and the ratios.
//
//   bazel run -c opt //tests/bench:selector_bench [-- --go=PROGRAM --benchmark_filter=p2c]
//
// PROGRAM is the `selector` command of tests/interop/gomicro, "" leaves go-micro out; under
// `bazel run` it is built where it is not named.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>

#include "core/plugin_table.h"
#include "registry/cache.h"
#include "selector/selector.h"
#include "tests/bench/child.h"
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

// What go-micro's selector costs, beside `ours`, by name.
void CompareWith(const std::string& program, const Figures& ours) {
  Child go(program, {});
  for (int measured = 0; measured < 12; ++measured) {  // two strategies × three sizes × one or two
    const std::string line = go.LineAfter("picked");
    char strategy[32] = "";
    int nodes = 0, threads = 0;
    double nanoseconds = 0;
    if (std::sscanf(line.c_str(), "strategy=%31s nodes=%d threads=%d cpu_ns=%lf", strategy, &nodes,
                    &threads, &nanoseconds) != 4) {
      std::fprintf(stderr, "selector_bench: %s printed \"%s\"\n", program.c_str(), line.c_str());
      std::exit(1);
    }
    const std::string name = fmt::format("{}.{}nodes.threads{}", strategy, nodes, threads);
    PrintFigure("go_micro." + name, nanoseconds, "ns");
    const auto same = ours.find("selector." + name);
    if (same == ours.end()) continue;  // filtered out
    std::printf("%-28s ours %6.1f ns, go-micro's %8.0f ns: %.0f times\n", name.c_str(),
                same->second, nanoseconds, nanoseconds / same->second);
    PrintFigure("selector.ratio." + name, nanoseconds / same->second, "go/ours");
  }
}

// Takes `--go=PROGRAM` out of the arguments.
std::optional<std::string> TakeGo(int& argc, char** argv) {
  std::optional<std::string> go;
  int kept = 0;
  for (int i = 0; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument.starts_with("--go=")) {
      go = argument.substr(5);
    } else {
      argv[kept++] = argv[i];
    }
  }
  argc = kept;
  return go;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  const std::optional<std::string> named_go = bench::TakeGo(argc, argv);
  for (const std::string strategy : {"random", "roundrobin", "p2c"}) {
    for (const int nodes : {10, 100, 1000}) {
      const std::shared_ptr<bench::Selector> selector = bench::NewSelector(strategy, nodes);
      benchmark::RegisterBenchmark(
          fmt::format("selector.{}.{}nodes", strategy, nodes).c_str(),
          [selector](benchmark::State& state) { bench::PickAndDone(state, *selector); })
          ->ThreadRange(1, 2);
    }
  }
  const bench::Figures ours = bench::RunBenchmarks(argc, argv);
  const std::string go =
      named_go.has_value() ? *named_go : bench::GoProgram("gomicro", "v5/bin/selector");
  if (!go.empty()) bench::CompareWith(go, ours);
  return 0;
}
