// What the SDK costs over the gRPC below it: the same echo through both, in separate server and
// client processes, rounds of the two interleaved in one run. Prints, per payload and concurrency,
// calls/s, p50, p99 and server CPU µs per call of both, then ratios; each number also as `figure
// NAME VALUE UNIT`.
//
//   bazel run -c opt //tests/bench:rpc_overhead [-- --rounds=7 --seconds=1]
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include "core/log.h"
#include "tests/bench/child.h"
#include "tests/bench/echo_peer.h"
#include "tests/bench/figure.h"

namespace bench {
namespace {

struct Sample {
  double qps, p50_us, p99_us, server_cpu_us, client_cpu_us;
};

// One client process against one server.
Sample Measure(const std::string& implementation, const Child& server, const std::string& address,
               int concurrency, int payload, double seconds) {
  const double before = server.CpuSeconds();
  Child client("", {"client", implementation, address, std::to_string(concurrency),
                    std::to_string(payload), std::to_string(seconds)});
  long long total = 0, calls = 0;
  double measured = 0, p50 = 0, p99 = 0;
  if (std::sscanf(client.Line().c_str(), "%lld %lld %lf %lf %lf", &total, &calls, &measured, &p50,
                  &p99) != 5)
    std::abort();
  const double client_cpu = client.CpuSeconds();
  const double after = server.CpuSeconds();
  // The client counts the calls of its warming up in `total`: the server paid for them too.
  const auto all = static_cast<double>(total);
  return {static_cast<double>(calls) / measured, p50 / 1e3, p99 / 1e3, (after - before) * 1e6 / all,
          client_cpu * 1e6 / all};
}

int RunRounds(int rounds, double seconds) {
  std::map<std::string, Child> servers;
  std::map<std::string, std::string> addresses;
  for (const std::string implementation : {"sdk", "raw"}) {
    Child& server =
        servers.try_emplace(implementation, "", std::vector<std::string>{"server", implementation})
            .first->second;
    addresses[implementation] = "127.0.0.1:" + server.Line();
  }
  std::printf("%8s %5s %5s %10s %9s %9s %12s %12s\n", "payload", "conc", "impl", "calls/s",
              "p50 us", "p99 us", "server us", "client us");
  for (const int payload : {32, 1024}) {
    for (const int concurrency : {1, 64}) {
      std::map<std::string, std::vector<Sample>> samples;
      for (int round = 0; round < rounds; ++round) {
        // Each round in the other order, so that neither always runs on a warmer machine.
        std::vector<std::string> order = {"sdk", "raw"};
        if (round % 2 == 1) std::reverse(order.begin(), order.end());
        for (const std::string& implementation : order) {
          samples[implementation].push_back(Measure(implementation, servers.at(implementation),
                                                    addresses[implementation], concurrency, payload,
                                                    seconds));
        }
      }
      std::map<std::string, Sample> median;
      for (const auto& [implementation, all] : samples) {
        const auto of = [&](double Sample::* member) {
          std::vector<double> values;
          for (const Sample& sample : all) values.push_back(sample.*member);
          return Median(values);
        };
        Sample& m = median[implementation];
        m = {of(&Sample::qps), of(&Sample::p50_us), of(&Sample::p99_us), of(&Sample::server_cpu_us),
             of(&Sample::client_cpu_us)};
        std::printf("%8d %5d %5s %10.0f %9.1f %9.1f %12.2f %12.2f\n", payload, concurrency,
                    implementation.c_str(), m.qps, m.p50_us, m.p99_us, m.server_cpu_us,
                    m.client_cpu_us);
      }
      // Ratios of pairs that ran side by side: what the machine did to one it did to the other.
      const auto ratio = [&](double Sample::* member) {
        std::vector<double> values;
        for (size_t i = 0; i < samples["sdk"].size(); ++i)
          values.push_back(samples["sdk"][i].*member / samples["raw"][i].*member);
        return Median(values);
      };
      const double qps = ratio(&Sample::qps), p50 = ratio(&Sample::p50_us),
                   p99 = ratio(&Sample::p99_us);
      const double cpu = ratio(&Sample::server_cpu_us), client = ratio(&Sample::client_cpu_us);
      std::printf("%8d %5d ratio %10.3f %9.3f %9.3f %12.3f %12.3f\n", payload, concurrency, qps,
                  p50, p99, cpu, client);
      const std::string name = fmt::format("rpc_overhead.{}B.c{}", payload, concurrency);
      for (const auto& [implementation, m] : median) {
        PrintFigure(name + "." + implementation + ".qps", m.qps, "calls/s");
        PrintFigure(name + "." + implementation + ".p50", m.p50_us, "us");
        PrintFigure(name + "." + implementation + ".p99", m.p99_us, "us");
        PrintFigure(name + "." + implementation + ".server_cpu", m.server_cpu_us, "us/call");
        PrintFigure(name + "." + implementation + ".client_cpu", m.client_cpu_us, "us/call");
      }
      PrintFigure(name + ".ratio.qps", qps, "sdk/raw");
      PrintFigure(name + ".ratio.p50", p50, "sdk/raw");
      PrintFigure(name + ".ratio.p99", p99, "sdk/raw");
      PrintFigure(name + ".ratio.server_cpu", cpu, "sdk/raw");
      PrintFigure(name + ".ratio.client_cpu", client, "sdk/raw");
      std::fflush(stdout);
    }
  }
  return 0;
}

}  // namespace

int Main(int argc, char** argv) {
  (void)micro::log::Configure("warn", "");
  const std::string role = argc > 1 ? argv[1] : "";
  const std::string implementation = argc > 2 ? argv[2] : "";
  if (role == "server") {
    const std::unique_ptr<EchoServer> server =
        implementation == "sdk" ? StartSdkServer() : StartRawServer();
    std::printf("%d\n", server->port());
    std::fflush(stdout);
    pause();
    return 0;
  }
  if (role == "client") {
    const Load load{.address = argv[3],
                    .concurrency = std::atoi(argv[4]),
                    .payload = std::atoi(argv[5]),
                    .seconds = std::atof(argv[6])};
    Meter meter(load);
    (implementation == "sdk" ? RunSdkClient : RunRawClient)(load, meter);
    std::printf("%s\n", meter.Report().c_str());
    std::fflush(stdout);
    pause();  // until the parent has read this process's CPU time
    return 0;
  }
  int rounds = 7;
  double seconds = 1;
  for (int i = 1; i < argc; ++i) {
    if (std::sscanf(argv[i], "--rounds=%d", &rounds) == 1 ||
        std::sscanf(argv[i], "--seconds=%lf", &seconds) == 1)
      continue;
    std::fprintf(stderr, "rpc_overhead: unknown argument %s; known: --rounds=N --seconds=S\n",
                 argv[i]);
    return 1;
  }
  return RunRounds(std::max(rounds, 1), seconds);
}

}  // namespace bench

int main(int argc, char** argv) { return bench::Main(argc, argv); }
