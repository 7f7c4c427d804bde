#include "tests/bench/gate_run.h"

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>

#include "tests/bench/figure.h"

namespace bench {
namespace {

double MedianOf(const std::vector<Sample>& samples, double Sample::* member) {
  std::vector<double> values;
  for (const Sample& sample : samples) values.push_back(sample.*member);
  return Median(std::move(values));
}

// Of runs that were side by side.
double Ratio(const std::vector<Sample>& over, const std::vector<Sample>& under,
             double Sample::* member) {
  std::vector<double> values;
  for (size_t i = 0; i < over.size(); ++i) values.push_back(over[i].*member / under[i].*member);
  return Median(std::move(values));
}

}  // namespace

const Cores& PinnedTo() {
  static const Cores& cores = *new Cores([] {
    Cores found;
    cpu_set_t usable;
    sched_getaffinity(0, sizeof(usable), &usable);
    int count = 0;
    for (int core = 0; core < CPU_SETSIZE && count < 2; ++core) {
      if (CPU_ISSET(core, &usable))
        (count++ == 0 ? found.server : found.load) = std::to_string(core);
    }
    if (count < 2) found.load = found.server;
    return found;
  }());
  return cores;
}

std::string Self() {
  char path[4096];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof(path));
  return {path, static_cast<size_t>(std::max<ssize_t>(size, 0))};
}

Child Pinned(const std::string& core, const std::string& program,
             const std::vector<std::string>& arguments) {
  std::vector<std::string> all = {"-c", core, program};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return Child("/usr/bin/taskset", all);
}

Peer Start(const std::string& core, const std::string& program,
           const std::vector<std::string>& arguments) {
  Peer peer{Pinned(core, program, arguments)};
  const std::string ready = peer.child.LineAfter("ready");
  const size_t colon = ready.find(':', ready.find("addr="));
  peer.port = std::atoi(ready.c_str() + colon + 1);
  return peer;
}

std::vector<std::string> LoadArguments(const std::string& role, const std::string& network,
                                       int port, int connections) {
  return {role, "--network=" + network, fmt::format("--port={}", port),
          fmt::format("--connections={}", connections)};
}

Sample Measure(const std::vector<const Child*>& servers, int port, const std::string& network,
               const Shape& shape, double seconds) {
  std::vector<std::string> arguments = LoadArguments("load", network, port, shape.connections);
  arguments.push_back(fmt::format("--window={}", shape.window));
  arguments.push_back(fmt::format("--body={}", shape.body));
  arguments.push_back(fmt::format("--seconds={}", seconds));
  const auto used = [&] {
    double sum = 0;
    for (const Child* server : servers) sum += server->CpuSeconds();
    return sum;
  };
  Child load = Pinned(PinnedTo().load, Self(), arguments);
  if (load.Line() != "connected") std::exit(1);
  const double before = used();
  load.Say("\n");
  const std::string line = load.LineAfter("measured");
  const double after = used();
  double messages = 0, measured = 0, p50 = 0, p99 = 0, all = 0;
  if (std::sscanf(line.c_str(), "%lf %lf %lf %lf %lf", &messages, &measured, &p50, &p99, &all) != 5)
    std::exit(1);
  return {messages / measured, p50 / 1e3, p99 / 1e3, (after - before) * 1e6 / all};
}

void Print(const std::string& prefix, const Shape& shape, const Samples& samples,
           const std::vector<Pair>& pairs) {
  for (const auto& [name, all] : samples) {
    const Sample m = {MedianOf(all, &Sample::rate), MedianOf(all, &Sample::p50_us),
                      MedianOf(all, &Sample::p99_us), MedianOf(all, &Sample::cpu_us)};
    std::printf("%-14s %-10s %10.0f %9.1f %9.1f %9.2f\n", shape.name.c_str(), name.c_str(), m.rate,
                m.p50_us, m.p99_us, m.cpu_us);
    const std::string figure = prefix + "." + shape.name + "." + name;
    PrintFigure(figure + ".rate", m.rate, "messages/s");
    PrintFigure(figure + ".p50", m.p50_us, "us");
    PrintFigure(figure + ".p99", m.p99_us, "us");
    PrintFigure(figure + ".server_cpu", m.cpu_us, "us/message");
  }
  for (const auto& [over, under, rates] : pairs) {
    if (!samples.contains(over) || !samples.contains(under)) continue;
    const double cpu = Ratio(samples.at(over), samples.at(under), &Sample::cpu_us);
    std::printf("%-14s %s takes %.2f x the CPU of %s\n", shape.name.c_str(), over.c_str(), cpu,
                under.c_str());
    PrintFigure(fmt::format("{}.{}.ratio.{}_{}", prefix, shape.name, over, under), cpu, "x");
    if (!rates) continue;
    const double rate = Ratio(samples.at(over), samples.at(under), &Sample::rate);
    std::printf("%-14s %s carries %.2f x the messages of %s\n", shape.name.c_str(), over.c_str(),
                rate, under.c_str());
    PrintFigure(fmt::format("{}.{}.rate_ratio.{}_{}", prefix, shape.name, over, under), rate, "x");
  }
  std::fflush(stdout);
}

}  // namespace bench
