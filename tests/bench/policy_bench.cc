// What a client's policy does when nodes are in trouble, on ten nodes in one process and a steady
// offered load.
//
// Storm: for `--seconds` all nodes answer 503, to a client that tries everything again. Prints how
// many calls the nodes see for each that is offered, without and with the retry budget, and how long
// after the end of the trouble the last call fails.
//
// Hedge: one of the nodes takes 50 times as long as the others. Prints the 99th percentile with all
// nodes well, with the slow one, and with hedges, and how many calls are made for each offered.
//
//   bazel run -c opt //tests/bench:policy_bench [-- --seconds=5 --rate=1000 --wire=grpc]
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/async.h"
#include "core/errors.h"
#include "core/mutex.h"
#include "core/task_scope.h"
#include "micro/service.h"
#include "tests/bench/figure.h"
#include "tests/interop/greeter.h"

namespace bench {
namespace {

using micro::BlockOn;
using micro::Context;
using micro::Task;

constexpr int kNodes = 10;

absl::Time Now() { return micro::Clock::Real().Now(); }

// Takes its time, then greets or refuses.
class Node final : public interop::Greeter {
 public:
  Task<absl::Status> Hello(const Context& ctx, const helloworld::HelloRequest&,
                           helloworld::HelloResponse& response) override {
    ++calls;
    (void)co_await micro::Sleep(ctx, absl::Microseconds(micros.load()));
    if (refuses) co_return micro::errors::ServiceUnavailable("helloworld", "overloaded");
    response.set_greeting("Hello");
    co_return absl::OkStatus();
  }

  std::atomic<int> calls = 0;
  std::atomic<int> micros = 2000;
  std::atomic<bool> refuses = false;
};

struct Result {
  int offered = 0;
  int failed = 0;
  absl::Duration p99;
  absl::Time last_failure;  // when it ended
};

class World {
 public:
  World(const std::string& wire, const std::string& selector, micro::ClientOptions client) {
    static int last = 0;
    const micro::registry::Options own{.addresses = {"policy-" + std::to_string(++last)},
                                       .timeout = {}};
    for (int i = 0; i < kNodes; ++i) {
      nodes.push_back(std::make_shared<Node>());
      services_.push_back(micro::NewService({.name = "helloworld",
                                             .server = {.address = "127.0.0.1:0", .wire = wire},
                                             .registry = "memory",
                                             .registry_options = own,
                                             .handle_signals = false}));
      helloworld::RegisterGreeterHandler(*services_.back()->server(), nodes.back());
      const absl::Status started = BlockOn(services_.back()->Start(Context()));
      if (!started.ok()) std::abort();
    }
    caller_ = micro::NewService({.name = "caller",
                                 .client = std::move(client),
                                 .registry = "memory",
                                 .registry_options = own,
                                 .selector = selector,
                                 .handle_signals = false});
    (void)Offer(200, absl::Seconds(1));  // connects
  }
  ~World() {
    for (const auto& service : services_) (void)BlockOn(service->Stop(Context()));
  }

  // `rate` calls a second, whether or not earlier ones have ended.
  Result Offer(int rate, absl::Duration how_long) {
    const helloworld::GreeterService greeter("helloworld", caller_->client());
    micro::Mutex mutex;
    std::vector<absl::Duration> took;
    Result result;
    const auto call = [&]() -> Task<void> {
      const absl::Time start = Now();
      const auto response = co_await greeter.Hello(Context(), {});
      const absl::Time end = Now();
      micro::MutexLock lock(mutex);
      took.push_back(end - start);
      if (response.ok()) co_return;
      ++result.failed;
      result.last_failure = end;
    };
    {
      micro::TaskScope scope;
      const absl::Time start = Now();
      for (; Now() - start < how_long; ++result.offered) {
        const absl::Time next = start + absl::Seconds(1) * result.offered / rate;
        std::this_thread::sleep_for(absl::ToChronoNanoseconds(next - Now()));
        Spawn(scope, call());
      }
      scope.Join();
    }
    std::sort(took.begin(), took.end());
    result.p99 = took[took.size() * 99 / 100];
    return result;
  }

  int TakeCalls() {
    int calls = 0;
    for (const auto& node : nodes) calls += node->calls.exchange(0);
    return calls;
  }

  std::vector<std::shared_ptr<Node>> nodes;

 private:
  std::vector<std::unique_ptr<micro::Service>> services_;
  std::unique_ptr<micro::Service> caller_;
};

void Storm(const std::string& wire, int rate, int seconds) {
  for (const double budget : {1.0, 0.2}) {
    World world(wire, "random", {.retry = micro::RetryAlways, .retry_budget = budget});
    (void)world.Offer(rate, absl::Seconds(seconds));
    (void)world.TakeCalls();
    for (const auto& node : world.nodes) node->refuses = true;
    absl::Time end;
    std::atomic<int> seen = 0;
    std::thread recovery([&] {
      std::this_thread::sleep_for(std::chrono::seconds(seconds));
      seen = world.TakeCalls();
      for (const auto& node : world.nodes) node->refuses = false;
      end = Now();
    });
    // Goes on over the end of the trouble.
    const Result all = world.Offer(rate, 2 * absl::Seconds(seconds));
    recovery.join();
    const double times = seen / (static_cast<double>(rate) * seconds);
    const double after = std::max(0.0, absl::ToDoubleSeconds(all.last_failure - end));
    fmt::print(
        "storm, budget {}: the nodes see {:.3f} calls for each offered; last failure {:.2f} s "
        "after its end\n",
        budget, times, after);
    const std::string name = fmt::format("storm_{}_{}", wire, budget < 1 ? "budget" : "unbounded");
    PrintFigure(name + "_calls", times, "calls/offered");
    PrintFigure(name + "_recovery", after, "s");
  }
}

void Hedge(const std::string& wire, int rate, int seconds) {
  for (const std::string selector : {"random", "p2c"}) {
    absl::Duration healthy;
    {
      World world(wire, selector, {});
      healthy = world.Offer(rate, absl::Seconds(seconds)).p99;
    }
    for (const bool hedges : {false, true}) {
      micro::ClientOptions options;
      if (hedges) options.hedge_after = healthy;
      World world(wire, selector, options);
      world.nodes[0]->micros = 50 * world.nodes[1]->micros;
      (void)world.Offer(rate, absl::Seconds(1));
      (void)world.TakeCalls();
      const Result result = world.Offer(rate, absl::Seconds(seconds));
      const double times = static_cast<double>(world.TakeCalls()) / result.offered;
      fmt::print(
          "one of ten slow, {}, {}: p99 {:.2f} ms, {:.2f} x the healthy {:.2f} ms; {:.3f} "
          "calls for each offered, {} failed\n",
          selector, hedges ? "hedged" : "not hedged", absl::ToDoubleMilliseconds(result.p99),
          absl::FDivDuration(result.p99, healthy), absl::ToDoubleMilliseconds(healthy), times,
          result.failed);
      const std::string name = fmt::format("hedge_{}_{}_{}", wire, selector, hedges ? "on" : "off");
      PrintFigure(name + "_p99", absl::FDivDuration(result.p99, healthy), "ratio");
      PrintFigure(name + "_calls", times, "calls/offered");
    }
  }
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  int seconds = 5, rate = 1000;
  std::string wire = "grpc";
  auto flags = micro::NewService({.name = "policy_bench",
                                  .registry = "memory",
                                  .flags = {{"seconds", &seconds, "of each measurement"},
                                            {"rate", &rate, "offered calls a second"},
                                            {"wire", &wire, "grpc or rpc"}}});
  flags->Init(&argc, argv);
  bench::Storm(wire, rate, seconds);
  bench::Hedge(wire, rate, seconds);
  return 0;
}
