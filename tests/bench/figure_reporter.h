// Runs the benchmarks of a program that uses Google Benchmark, and prints their figures after its
// table.
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "tests/bench/figure.h"

namespace bench {

// CPU nanoseconds per iteration by benchmark: the median of its repetitions.
using Figures = std::map<std::string, double>;

class FigureReporter final : public benchmark::ConsoleReporter {
 public:
  FigureReporter()
      : ConsoleReporter(OO_None) {}  // no colours: its escapes would end up in the first figure

  void ReportRuns(const std::vector<Run>& runs) override {
    ConsoleReporter::ReportRuns(runs);
    for (const Run& run : runs) {
      const bool is_median =
          run.repetitions > 1 ? run.aggregate_name == "median" : run.run_type == Run::RT_Iteration;
      if (!is_median) continue;
      std::string name = run.run_name.str();  // "selector.p2c.10nodes/threads:2"
      std::replace(name.begin(), name.end(), '/', '.');
      std::erase(name, ':');
      figures_[name] = run.GetAdjustedCPUTime();
    }
  }
  const Figures& figures() const { return figures_; }

 private:
  Figures figures_;
};

// All registered benchmarks, five times in turn; the flags of Google Benchmark say otherwise.
// Prints a figure for each.
inline Figures RunBenchmarks(int argc, char** argv) {
  std::vector<std::string> defaults = {"--benchmark_repetitions=5",
                                       "--benchmark_report_aggregates_only=true",
                                       "--benchmark_enable_random_interleaving=true"};
  std::vector<char*> arguments(argv, argv + 1);
  for (std::string& flag : defaults) arguments.push_back(flag.data());
  arguments.insert(arguments.end(), argv + 1, argv + argc);
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) std::exit(1);
  FigureReporter reporter;
  benchmark::RunSpecifiedBenchmarks(&reporter);
  for (const auto& [name, nanoseconds] : reporter.figures()) PrintFigure(name, nanoseconds, "ns");
  return reporter.figures();
}

}  // namespace bench
