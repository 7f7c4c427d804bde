// The HTTP RPC wire beside go-micro's own: the contract's Echo with 32 B, every pairing of our and
// go-micro v5's servers and clients, in processes of their own, rounds of the pairings interleaved
// in one run. Prints, per content type and number of calls in flight, calls/s, p50, p99 and the CPU
// µs per call of both sides, then ratios; each number also as `figure NAME VALUE UNIT`.
//
//   bazel run -c opt //tests/bench:rpc_wire_bench [-- --rounds=5 --seconds=1 --go=PROGRAM]
//
// PROGRAM is the `bench` command of tests/interop/gomicro, "" leaves go-micro out; under `bazel run`
// it is built where it is not named.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>

#include "core/log.h"
#include "core/task_scope.h"
#include "micro/service.h"
#include "tests/bench/child.h"
#include "tests/bench/figure.h"
#include "tests/bench/meter.h"
#include "tests/interop/greeter.h"

namespace bench {
namespace {

using micro::Context;
using micro::Task;

std::unique_ptr<micro::Service> NewService(std::string name) {
  return micro::NewService({.name = std::move(name),
                            .server = {.address = "127.0.0.1:0", .wire = "rpc"},
                            .client = {.wire = "rpc"},
                            .registry = "memory",
                            .handle_signals = false});
}

// ---- The roles of our own processes ----

int Serve() {
  const std::unique_ptr<micro::Service> service = NewService("helloworld");
  helloworld::RegisterGreeterHandler(*service->server(), std::make_shared<interop::Greeter>());
  const absl::Status started = micro::BlockOn(service->Start(Context()));
  if (!started.ok()) {
    std::fprintf(stderr, "%s\n", std::string(started.message()).c_str());
    return 1;
  }
  std::printf("ready addr=%s\n", service->server()->record().nodes[0].address.c_str());
  std::fflush(stdout);
  pause();
  return 0;
}

class Caller {
 public:
  Caller(const Load& load, const std::string& content_type)
      : load_(load), service_(NewService("caller")), echo_("helloworld", service_->client()) {
    options_.addresses = {load.address};
    options_.content_type = content_type;
    request_.set_payload(std::string(static_cast<size_t>(load.payload), 'x'));
  }

  // "total measured seconds p50_ns p99_ns failed"
  std::string Run() {
    Meter meter(load_);
    micro::TaskScope scope;
    if (!micro::BlockOn(echo_.Echo(Context(), request_, options_)).ok()) return "0 0 0 0 0 1";
    meter.Begin();
    for (int i = 0; i < load_.concurrency; ++i) micro::Spawn(scope, CallInALoop(i, meter));
    scope.Join();
    return fmt::format("{} {}", meter.Report(), failed_.load());
  }

 private:
  Task<void> CallInALoop(int slot, Meter& meter) {
    while (!meter.over()) {
      const int64_t start = Meter::Now();
      const auto response = co_await echo_.Echo(Context(), request_, options_);
      if (!response.ok() || response->payload() != request_.payload()) ++failed_;
      meter.Add(slot, start, Meter::Now());
    }
  }

  const Load& load_;
  const std::unique_ptr<micro::Service> service_;
  const helloworld::GreeterService echo_;
  micro::CallOptions options_;
  helloworld::EchoMessage request_;
  std::atomic<int> failed_ = 0;
};

// ---- The measuring one ----

struct Sample {
  double qps, p50_us, p99_us, server_cpu_us, client_cpu_us, failed;
};

struct Pairing {
  std::string name;  // client-to-server
  std::string client_program, server;
};

// One client process against one server.
Sample Measure(const Pairing& pairing, const Child& server, const std::string& address,
               const std::string& content_type, int in_flight, double seconds) {
  const double before = server.CpuSeconds();
  Child client(
      pairing.client_program,
      {"client", "--address=" + address, "--content_type=" + content_type,
       fmt::format("--inflight={}", in_flight), fmt::format("--seconds={}", seconds), "--size=32"});
  long long total = 0, calls = 0, failed = 0;
  double measured = 0, p50 = 0, p99 = 0;
  const std::string line = client.LineAfter("measured");
  if (std::sscanf(line.c_str(), "%lld %lld %lf %lf %lf %lld", &total, &calls, &measured, &p50, &p99,
                  &failed) != 6 ||
      total == 0) {
    std::fprintf(stderr, "rpc_wire_bench: %s cannot call: %s\n", pairing.name.c_str(),
                 line.c_str());
    std::exit(1);
  }
  const double client_cpu = client.CpuSeconds();
  const auto all = static_cast<double>(total);  // warming up too: both sides paid for it
  return {static_cast<double>(calls) / measured,
          p50 / 1e3,
          p99 / 1e3,
          (server.CpuSeconds() - before) * 1e6 / all,
          client_cpu * 1e6 / all,
          static_cast<double>(failed)};
}

using Samples = std::map<std::string, std::vector<Sample>>;  // by pairing

double MedianOf(const std::vector<Sample>& samples, double Sample::* member) {
  std::vector<double> values;
  for (const Sample& sample : samples) values.push_back(sample.*member);
  return Median(std::move(values));
}

// Of pairs that ran side by side: what the machine did to one it did to the other.
double Ratio(const Samples& samples, const std::string& over, const std::string& under,
             double Sample::* member) {
  std::vector<double> values;
  for (size_t i = 0; i < samples.at(over).size(); ++i)
    values.push_back(samples.at(over)[i].*member / samples.at(under)[i].*member);
  return Median(std::move(values));
}

void Print(const std::string& kind, int in_flight, const Samples& samples) {
  const std::string name = fmt::format("rpc_wire.{}.c{}", kind, in_flight);
  for (const auto& [pairing, all] : samples) {
    const Sample m = {MedianOf(all, &Sample::qps),           MedianOf(all, &Sample::p50_us),
                      MedianOf(all, &Sample::p99_us),        MedianOf(all, &Sample::server_cpu_us),
                      MedianOf(all, &Sample::client_cpu_us), 0};
    double failed = 0;
    for (const Sample& sample : all) failed += sample.failed;
    std::printf("%8s %9d %12s %10.0f %9.1f %9.1f %10.2f %10.2f %6.0f\n", kind.c_str(), in_flight,
                pairing.c_str(), m.qps, m.p50_us, m.p99_us, m.server_cpu_us, m.client_cpu_us,
                failed);
    const std::string figure = name + "." + pairing;
    PrintFigure(figure + ".qps", m.qps, "calls/s");
    PrintFigure(figure + ".p50", m.p50_us, "us");
    PrintFigure(figure + ".p99", m.p99_us, "us");
    PrintFigure(figure + ".server_cpu", m.server_cpu_us, "us/call");
    PrintFigure(figure + ".client_cpu", m.client_cpu_us, "us/call");
    PrintFigure(figure + ".failed", failed, "calls");
  }
  if (!samples.contains("go_to_go")) return;
  // The same client, our server over theirs; the same server, our client over theirs.
  const double server = Ratio(samples, "go_to_ours", "go_to_go", &Sample::server_cpu_us);
  const double client = Ratio(samples, "ours_to_go", "go_to_go", &Sample::client_cpu_us);
  std::printf("%8s %9d under go-micro's client: our server's CPU 1/%.1f of its server's\n",
              kind.c_str(), in_flight, 1 / server);
  std::printf("%8s %9d against go-micro's server: our client's CPU 1/%.1f of its client's\n",
              kind.c_str(), in_flight, 1 / client);
  PrintFigure(name + ".ratio.server_cpu", server, "ours/go");
  PrintFigure(name + ".ratio.client_cpu", client, "ours/go");
  std::fflush(stdout);
}

int RunRounds(const std::string& go, int rounds, double seconds) {
  std::map<std::string, Child> servers;
  std::vector<Pairing> pairings = {{"ours_to_ours", "", "ours"}};
  servers.try_emplace("ours", "", std::vector<std::string>{"server"});
  if (!go.empty()) {
    servers.try_emplace("go", go,
                        std::vector<std::string>{"server", "--server_address=127.0.0.1:0"});
    pairings.push_back({"go_to_ours", go, "ours"});
    pairings.push_back({"ours_to_go", "", "go"});
    pairings.push_back({"go_to_go", go, "go"});
  } else {
    std::printf(
        "go-micro is not measured: run this by `bazel run`, or name its program by --go=PROGRAM "
        "(tests/interop/gomicro/README.md tells how to build it)\n");
  }
  std::map<std::string, std::string> addresses;
  for (auto& [name, server] : servers) {
    const std::string ready = server.LineAfter("ready");
    const size_t begin = ready.find("addr=") + 5;
    addresses[name] = ready.substr(begin, ready.find(' ', begin) - begin);
  }
  std::printf("%8s %9s %12s %10s %9s %9s %10s %10s %6s\n", "codec", "in flight", "client-server",
              "calls/s", "p50 us", "p99 us", "server us", "client us", "failed");
  for (const std::string kind : {"protobuf", "json"}) {
    for (const int in_flight : {1, 16, 64}) {
      Samples samples;
      for (int round = 0; round < rounds; ++round) {
        // Each round in the other order, so that none always runs on a warmer machine.
        std::vector<Pairing> order = pairings;
        if (round % 2 == 1) std::reverse(order.begin(), order.end());
        for (const Pairing& pairing : order) {
          samples[pairing.name].push_back(Measure(pairing, servers.at(pairing.server),
                                                  addresses[pairing.server], "application/" + kind,
                                                  in_flight, seconds));
        }
      }
      Print(kind, in_flight, samples);
    }
  }
  return 0;
}

int Main(int argc, char** argv) {
  (void)micro::log::Configure("error", "");
  const std::string kUnnamed = "unnamed";
  std::string go = kUnnamed, role, content_type;
  Load load;
  int rounds = 5;
  const auto text = [](const char* argument, std::string_view name, std::string* value) {
    const std::string_view given = argument;
    if (!given.starts_with(name)) return false;
    value->assign(given.substr(name.size()));
    return true;
  };
  for (int i = 1; i < argc; ++i) {
    if (std::sscanf(argv[i], "--rounds=%d", &rounds) == 1 ||
        std::sscanf(argv[i], "--seconds=%lf", &load.seconds) == 1 ||
        std::sscanf(argv[i], "--inflight=%d", &load.concurrency) == 1 ||
        std::sscanf(argv[i], "--size=%d", &load.payload) == 1 || text(argv[i], "--go=", &go) ||
        text(argv[i], "--address=", &load.address) ||
        text(argv[i], "--content_type=", &content_type)) {
      continue;
    }
    if (i == 1 && argv[i][0] != '-') {
      role = argv[i];
      continue;
    }
    std::fprintf(
        stderr, "rpc_wire_bench: unknown argument %s; known: --rounds=N --seconds=S --go=PROGRAM\n",
        argv[i]);
    return 1;
  }
  if (role == "server") return Serve();
  if (role == "client") {
    std::printf("measured %s\n", Caller(load, content_type).Run().c_str());
    std::fflush(stdout);
    pause();  // until the parent has read this process's CPU time
    return 0;
  }
  if (go == kUnnamed) go = GoProgram("gomicro", "v5/bin/bench");
  return RunRounds(go, std::max(rounds, 1), load.seconds);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::Main(argc, argv); }
