// The game's edge beside what is below it: an echo of due's packets by our server, by a bare epoll
// loop, and by Go on due's own packet package, each pinned to one core, the load to the other; rounds
// interleaved in one run. Prints messages/s, p50, p99 and the server's CPU µs per message, ratios, and
// the memory of idle connections; each number also as `figure NAME VALUE UNIT`.
//
//   bazel run -c opt //tests/bench:gate_bench [-- --rounds=5 --seconds=1 --idle=15000 --broadcast=10000
//       --go=PROGRAM]
//
// PROGRAM is `echo` of tests/interop/due, "" leaves Go out; under `bazel run` it is built where it is
// not named.
#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "due/network/server.h"
#include "due/packet/packer.h"
#include "tests/bench/child.h"
#include "tests/bench/figure.h"
#include "tests/bench/gate_load.h"

namespace bench {
namespace {

// The cores that servers and loads are pinned to: two of those that this process may use.
struct Cores {
  std::string server = "0", load = "0";
};

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

int Serve(const std::string& network) {
  auto server = due::Server::Listen(
      {.network = network,
       .address = "127.0.0.1:0",
       .kcp = GateKcp(),
       .max_conn_num = 100000,
       .heartbeat_interval = absl::ZeroDuration()},
      {.on_receive = [](due::Conn& conn, std::string_view packet) { (void)conn.Push(packet); }});
  if (!server.ok()) {
    std::fprintf(stderr, "%s\n", std::string(server.status().message()).c_str());
    return 1;
  }
  std::printf("ready addr=127.0.0.1:%d\n", (*server)->port());
  std::fflush(stdout);
  pause();
  return 0;
}

// For each line that it reads, one packet to all connections; says when it has gone to all.
int ServeBroadcasts(int body) {
  auto server = due::Server::Listen({.address = "127.0.0.1:0",
                                     .max_conn_num = 100000,
                                     .heartbeat_interval = absl::ZeroDuration()},
                                    {});
  std::string packet;
  const auto packer = due::Packer::New();
  if (!server.ok() ||
      !packer->Pack({1, 1, std::string(static_cast<size_t>(body), 'x')}, packet).ok())
    return 1;
  std::printf("ready addr=127.0.0.1:%d\n", (*server)->port());
  std::fflush(stdout);
  while (getchar() != EOF) {
    const due::Counts before = (*server)->counts();
    if (!(*server)->Broadcast(packet).ok()) return 1;
    while (true) {
      const due::Counts now = (*server)->counts();
      if (now.packets_out + now.missed == before.packets_out + before.missed + before.open) break;
      usleep(1000);
    }
    const due::Counts after = (*server)->counts();
    std::printf("done %lld encoded, %lld missed\n", static_cast<long long>(after.broadcasts),
                static_cast<long long>(after.missed));
    std::fflush(stdout);
  }
  return 0;
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

// A server that runs.
struct Peer {
  Child child;
  int port = 0;
};

struct Sample {
  double rate, p50_us, p99_us, cpu_us;
};

struct Shape {
  std::string name;
  int connections, window, body;
};

std::vector<std::string> LoadArguments(const std::string& role, const std::string& network,
                                       int port, int connections) {
  return {role, "--network=" + network, fmt::format("--port={}", port),
          fmt::format("--connections={}", connections)};
}

Sample Measure(const Peer& peer, const std::string& network, const Shape& shape, double seconds) {
  std::vector<std::string> arguments = LoadArguments("load", network, peer.port, shape.connections);
  arguments.push_back(fmt::format("--window={}", shape.window));
  arguments.push_back(fmt::format("--body={}", shape.body));
  arguments.push_back(fmt::format("--seconds={}", seconds));
  Child load = Pinned(PinnedTo().load, Self(), arguments);
  if (load.Line() != "connected") std::exit(1);
  const double before = peer.child.CpuSeconds();
  load.Say("\n");
  const std::string line = load.LineAfter("measured");
  const double after = peer.child.CpuSeconds();
  double messages = 0, measured = 0, p50 = 0, p99 = 0, all = 0;
  if (std::sscanf(line.c_str(), "%lf %lf %lf %lf %lf", &messages, &measured, &p50, &p99, &all) != 5)
    std::exit(1);
  return {messages / measured, p50 / 1e3, p99 / 1e3, (after - before) * 1e6 / all};
}

using Samples = std::map<std::string, std::vector<Sample>>;  // by server

double MedianOf(const std::vector<Sample>& samples, double Sample::* member) {
  std::vector<double> values;
  for (const Sample& sample : samples) values.push_back(sample.*member);
  return Median(std::move(values));
}

// Of runs that were side by side.
double Ratio(const std::vector<Sample>& over, const std::vector<Sample>& under) {
  std::vector<double> values;
  for (size_t i = 0; i < over.size(); ++i) values.push_back(over[i].cpu_us / under[i].cpu_us);
  return Median(std::move(values));
}

void Print(const Shape& shape, const Samples& samples) {
  for (const auto& [name, all] : samples) {
    const Sample m = {MedianOf(all, &Sample::rate), MedianOf(all, &Sample::p50_us),
                      MedianOf(all, &Sample::p99_us), MedianOf(all, &Sample::cpu_us)};
    std::printf("%-14s %-10s %10.0f %9.1f %9.1f %9.2f\n", shape.name.c_str(), name.c_str(), m.rate,
                m.p50_us, m.p99_us, m.cpu_us);
    const std::string figure = "gate." + shape.name + "." + name;
    PrintFigure(figure + ".rate", m.rate, "messages/s");
    PrintFigure(figure + ".p50", m.p50_us, "us");
    PrintFigure(figure + ".p99", m.p99_us, "us");
    PrintFigure(figure + ".server_cpu", m.cpu_us, "us/message");
  }
  const auto ratio = [&](const std::string& over, const std::string& under) {
    if (!samples.contains(over) || !samples.contains(under)) return;
    const double value = Ratio(samples.at(over), samples.at(under));
    std::printf("%-14s %s takes %.2f x the CPU of %s\n", shape.name.c_str(), over.c_str(), value,
                under.c_str());
    PrintFigure(fmt::format("gate.{}.ratio.{}_{}", shape.name, over, under), value, "x");
  };
  ratio("tcp", "epoll");
  ratio("ws", "tcp");
  ratio("kcp", "tcp");
  ratio("go-tcp", "tcp");
  ratio("go-ws", "ws");
  ratio("go-kcp", "kcp");
  std::fflush(stdout);
}

void MeasureMemory(const std::string& name, const Peer& peer, const std::string& network,
                   int connections) {
  const double before = peer.child.ResidentKiB();
  Child load =
      Pinned(PinnedTo().load, Self(), LoadArguments("hold", network, peer.port, connections));
  if (load.Line() != "connected") std::exit(1);
  sleep(1);  // until the last is taken
  const double each = (peer.child.ResidentKiB() - before) / connections;
  std::printf("%-14s %-10s %10.2f KiB per idle connection, of %d\n", "idle", name.c_str(), each,
              connections);
  PrintFigure("gate.idle." + name + ".memory", each, "KiB/connection");
  std::fflush(stdout);
}

Peer Start(const std::string& program, const std::vector<std::string>& arguments) {
  Peer peer{Pinned(PinnedTo().server, program, arguments)};
  const std::string ready = peer.child.LineAfter("ready");
  const size_t colon = ready.find(':', ready.find("addr="));
  peer.port = std::atoi(ready.c_str() + colon + 1);
  return peer;
}

// One packet to many connections: ours beside a bare call for each.
void MeasureBroadcasts(int connections, int rounds) {
  std::map<std::string, Peer> peers;
  std::vector<Child> holders;
  std::map<std::string, std::vector<double>> us;
  std::string last;
  const auto broadcast = [&](const std::string& name) {
    const double before = peers.at(name).child.CpuSeconds();
    peers.at(name).child.Say("\n");
    const std::string line = peers.at(name).child.LineAfter("done");
    if (name == "ours") last = line;
    return (peers.at(name).child.CpuSeconds() - before) * 1e6 / connections;
  };
  for (const std::string name : {"bare", "ours"}) {
    peers.emplace(
        name, Start(Self(), {name + "-broadcast", fmt::format("--connections={}", connections)}));
    holders.push_back(Pinned(PinnedTo().load, Self(),
                             LoadArguments("hold", "tcp", peers.at(name).port, connections)));
    if (holders.back().Line() != "connected") std::exit(1);
    sleep(1);         // until the last is taken
    broadcast(name);  // the first also takes connections, or grows buffers
  }
  for (int round = 0; round < 4 * rounds; ++round) {
    for (const std::string name : {"bare", "ours"}) us[name].push_back(broadcast(name));
  }
  std::vector<double> ratios;
  for (size_t i = 0; i < us["ours"].size(); ++i) ratios.push_back(us["ours"][i] / us["bare"][i]);
  std::printf("broadcast to %d: bare sends %.2f us each, ours %.2f us, %.2f x (%s)\n", connections,
              Median(us["bare"]), Median(us["ours"]), Median(ratios), last.c_str());
  PrintFigure("gate.broadcast.bare", Median(us["bare"]), "us/connection");
  PrintFigure("gate.broadcast.ours", Median(us["ours"]), "us/connection");
  PrintFigure("gate.broadcast.ratio", Median(ratios), "x");
}

struct Settings {
  std::string go = "unnamed";
  int rounds = 5, idle = 15000, broadcast = 10000;
  double seconds = 1;
};

// Of a server's name: epoll, ws, go-ws …
std::string NetworkOf(const std::string& name) {
  return name == "epoll" ? "tcp" : name.substr(name.rfind('-') + 1);
}

int RunRounds(const Settings& settings) {
  const auto start = [&](const std::string& name) {
    const std::string network = NetworkOf(name);
    if (name == "epoll") return Start(Self(), {name});
    if (name == network) return Start(Self(), {"ours", "--network=" + network});
    return Start(settings.go, {"--network=" + network, "--listen=127.0.0.1:0", "--heartbeat=0s",
                               "--kcp_no_delay=1,10,2,1", "--kcp_window=256,256"});
  };
  std::vector<std::string> names = {"epoll", "tcp", "ws", "kcp"};
  if (!settings.go.empty()) {
    names.insert(names.end(), {"go-tcp", "go-ws", "go-kcp"});
  } else {
    std::printf(
        "Go is not measured: run this by `bazel run`, or name its program by --go=PROGRAM\n");
  }
  std::map<std::string, Peer> peers;
  for (const std::string& name : names) peers.emplace(name, start(name));
  std::printf("%-14s %-10s %10s %9s %9s %9s\n", "shape", "server", "messages/s", "p50 us", "p99 us",
              "CPU us");
  for (const Shape& shape : {Shape{"64B.w1", 50, 1, 64}, Shape{"64B.w16", 50, 16, 64},
                             Shape{"1KiB.w16", 50, 16, 1024}, Shape{"1000conn.w1", 1000, 1, 64}}) {
    Samples samples;
    for (int round = 0; round < settings.rounds; ++round) {
      // Each round in the other order, so that none always runs on a warmer machine.
      std::vector<std::string> order = names;
      if (round % 2 == 1) std::reverse(order.begin(), order.end());
      for (const std::string& name : order) {
        samples[name].push_back(Measure(peers.at(name), NetworkOf(name), shape, settings.seconds));
      }
    }
    Print(shape, samples);
  }
  peers.clear();
  for (const std::string& name : names) {
    if (settings.idle == 0 || name == "epoll" || name.ends_with("kcp")) continue;
    const Peer fresh = start(name);
    MeasureMemory(name, fresh, NetworkOf(name), settings.idle);
  }
  if (settings.broadcast > 0) MeasureBroadcasts(settings.broadcast, settings.rounds);
  return 0;
}

int Main(int argc, char** argv) {
  Settings settings;
  GateLoad load;
  std::string role;
  const auto text = [](const char* argument, std::string_view name, std::string* value) {
    const std::string_view given = argument;
    if (!given.starts_with(name)) return false;
    value->assign(given.substr(name.size()));
    return true;
  };
  for (int i = 1; i < argc; ++i) {
    if (std::sscanf(argv[i], "--rounds=%d", &settings.rounds) == 1 ||
        std::sscanf(argv[i], "--idle=%d", &settings.idle) == 1 ||
        std::sscanf(argv[i], "--broadcast=%d", &settings.broadcast) == 1 ||
        std::sscanf(argv[i], "--seconds=%lf", &load.seconds) == 1 ||
        std::sscanf(argv[i], "--port=%d", &load.port) == 1 ||
        std::sscanf(argv[i], "--connections=%d", &load.connections) == 1 ||
        std::sscanf(argv[i], "--window=%d", &load.window) == 1 ||
        std::sscanf(argv[i], "--body=%d", &load.body) == 1 ||
        text(argv[i], "--network=", &load.network) || text(argv[i], "--go=", &settings.go)) {
      continue;
    }
    if (i == 1 && argv[i][0] != '-') {
      role = argv[i];
      continue;
    }
    std::fprintf(stderr,
                 "gate_bench: unknown argument %s; known: --rounds=N --seconds=S --idle=N "
                 "--broadcast=N --go=PROGRAM\n",
                 argv[i]);
    return 1;
  }
  if (role == "ours") return Serve(load.network);
  if (role == "epoll") RunBareEcho();
  if (role == "ours-broadcast") return ServeBroadcasts(load.body);
  if (role == "bare-broadcast") RunBareBroadcast(load);
  if (role == "load") load.network == "kcp" ? RunKcpLoad(load) : RunGateLoad(load);
  if (role == "hold") HoldConnections(load);
  if (!role.empty()) return 0;
  settings.seconds = load.seconds;
  settings.rounds = std::max(settings.rounds, 1);
  if (settings.go == "unnamed") settings.go = GoProgram("due", "echo");
  return RunRounds(settings);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::Main(argc, argv); }
