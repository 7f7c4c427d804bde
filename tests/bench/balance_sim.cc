// How strategies balance: the SDK's own pickers choose among simulated nodes in simulated time, so
// that no machine matters. Calls come at random times, each node works on four at once and lets the
// others wait, and how long a call takes is random around its node's mean.
//
//   bazel run -c opt //tests/bench:balance_sim [-- --calls=100000 --seed=1]
//
// Prints p50 and p99 of the calls' times by mix of nodes and strategy; each also as `figure NAME
// VALUE UNIT`.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <memory>
#include <queue>
#include <random>
#include <string>
#include <vector>

#include "core/plugin_table.h"
#include "selector/strategy.h"
#include "tests/bench/figure.h"

namespace bench {
namespace {

using micro::PluginTable;
using micro::Ticks;
using micro::selector::Candidates;
using micro::selector::NodeState;
using micro::selector::NodeStatePtr;
using micro::selector::Picker;
using micro::selector::Strategy;

constexpr int kWorkers = 4;     // calls that a node works on at once
constexpr double kLoad = 0.6;   // of what all nodes together can do
constexpr double kMeanMs = 10;  // a call, on a node of speed 1
constexpr double kNanosPerMs = 1e6;

struct Mix {
  std::string name;
  std::vector<double> slowness;  // of each node
  // A node that does nothing from one time to another, in ms.
  double stall_begin = 0, stall_end = 0;
};

struct Times {
  double p50 = 0, p99 = 0;
};

class Simulation {
 public:
  Simulation(const Mix& mix, const std::string& strategy, unsigned seed)
      : mix_(mix), random_(seed), strategy_(*PluginTable<Strategy>::Create(strategy, {})) {
    double capacity = 0;  // calls a ms
    for (size_t i = 0; i < mix.slowness.size(); ++i) {
      states_.push_back(new NodeState({.id = fmt::format("node-{}", i)}));
      candidates_.push_back({states_.back().get(), nullptr});
      capacity += kWorkers / (kMeanMs * mix.slowness[i]);
    }
    nodes_.resize(states_.size());
    picker_ = strategy_->NewPicker(candidates_);
    gap_ms_ = 1 / (capacity * kLoad);
  }

  Times Run(int calls) {
    std::vector<double> times;
    double next_call = 0;
    int begun = 0;
    while (static_cast<int>(times.size()) < calls) {
      if (begun < calls && (ends_.empty() || next_call <= ends_.top().at)) {
        now_ = next_call;
        Begin();
        ++begun;
        next_call += Exponential(gap_ms_);
        continue;
      }
      const End end = ends_.top();
      ends_.pop();
      now_ = end.at;
      times.push_back(Finish(end));
    }
    std::sort(times.begin(), times.end());
    return {times[times.size() / 2], times[times.size() * 99 / 100]};
  }

 private:
  struct End {
    double at;
    size_t node;
    double called;
    bool operator>(const End& other) const { return at > other.at; }
  };
  struct Node {
    int working = 0;
    std::queue<double> waiting;  // since when
  };

  double Exponential(double mean) {
    return std::exponential_distribution<double>(1 / mean)(random_);
  }

  // The simulated time as the pickers know it.
  Ticks Now() const {
    return static_cast<Ticks>(now_ * kNanosPerMs / micro::internal::ticks_scale.nanos);
  }

  void Begin() {
    const size_t chosen = picker_->Choose({.now = Now()});
    states_[chosen]->lane().begun.fetch_add(1);
    nodes_[chosen].waiting.push(now_);
    Work(chosen);
  }

  void Work(size_t index) {
    Node& node = nodes_[index];
    while (node.working < kWorkers && !node.waiting.empty()) {
      double end = now_ + Exponential(kMeanMs * mix_.slowness[index]);
      const bool stalls = index == 0 && end > mix_.stall_begin && now_ < mix_.stall_end;
      if (stalls) end = std::max(now_, mix_.stall_end) + (end - now_);
      ends_.push({end, index, node.waiting.front()});
      node.waiting.pop();
      ++node.working;
    }
  }

  double Finish(const End& end) {
    NodeState& state = *states_[end.node];
    const double took = now_ - end.called;
    const Ticks now = Now();
    state.Measure(state.lane(),
                  now - static_cast<Ticks>(took * kNanosPerMs / micro::internal::ticks_scale.nanos),
                  now);
    state.lane().ended.fetch_add(1);
    --nodes_[end.node].working;
    Work(end.node);
    return took;
  }

  const Mix& mix_;
  std::mt19937_64 random_;
  const std::unique_ptr<Strategy> strategy_;
  std::vector<NodeStatePtr> states_;
  Candidates candidates_;
  std::vector<Node> nodes_;
  std::unique_ptr<Picker> picker_;
  std::priority_queue<End, std::vector<End>, std::greater<>> ends_;
  double gap_ms_ = 0, now_ = 0;
};

int Main(int argc, char** argv) {
  int calls = 100'000;
  unsigned seed = 1;
  for (int i = 1; i < argc; ++i) {
    if (std::sscanf(argv[i], "--calls=%d", &calls) == 1 && calls > 0) continue;
    if (std::sscanf(argv[i], "--seed=%u", &seed) == 1) continue;
    std::fprintf(stderr, "balance_sim: unknown argument %s; known: --calls=N --seed=N\n", argv[i]);
    return 1;
  }
  const std::vector<double> alike(10, 1.0);
  std::vector<double> two_slow = alike, wide;
  two_slow[0] = two_slow[1] = 2;
  for (int i = 0; i < 10; ++i) wide.push_back(1 + i * 0.3);
  const std::vector<Mix> mixes = {{"alike", alike},
                                  {"two of ten at half speed", two_slow},
                                  {"1 to 3.7 times as slow", wide},
                                  {"one stands still for 10 s", alike, 10'000, 20'000}};
  const std::vector<std::string> strategies = {"random", "roundrobin", "least", "p2c"};
  std::printf("| ten nodes, 60 %% busy; ms p50 / p99 |");
  for (const std::string& strategy : strategies) std::printf(" %s |", strategy.c_str());
  std::printf("\n");
  for (size_t m = 0; m < mixes.size(); ++m) {
    std::string row = fmt::format("| {} |", mixes[m].name), figures;
    for (const std::string& strategy : strategies) {
      const Times times = Simulation(mixes[m], strategy, seed).Run(calls);
      row += fmt::format(" {:.1f} / {:.0f} |", times.p50, times.p99);
      figures += fmt::format("figure balance.mix{}.{}.p50 {:.3f} ms\n", m, strategy, times.p50);
      figures += fmt::format("figure balance.mix{}.{}.p99 {:.3f} ms\n", m, strategy, times.p99);
    }
    std::printf("%s\n%s", row.c_str(), figures.c_str());
  }
  return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::Main(argc, argv); }
