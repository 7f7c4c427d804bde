// The game's edge beside what is below it: an echo of due's packets by our server, by a bare epoll
// loop, and by Go on due's own packet package, each pinned to one core, the load to the other; rounds
// interleaved in one run. Prints messages/s, p50, p99 and the server's CPU µs per message, ratios, and
// the memory of idle connections. Then the same through a gate and a node: ours, due's own, and a bare
// pair. Each number also as `figure NAME VALUE UNIT`.
//
//   bazel run -c opt //tests/bench:gate_bench [-- --rounds=5 --seconds=1 --idle=15000 --broadcast=10000
//       --only=edge|cluster --go=PROGRAM]
//
// PROGRAM is `echo` of tests/interop/due, with `gate` and `node` beside it; "" leaves Go out. Under
// `bazel run` they are built where it is not named.
#include <fmt/format.h>
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
#include "tests/bench/gate_cluster.h"
#include "tests/bench/gate_load.h"
#include "tests/bench/gate_run.h"

namespace bench {
namespace {

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
    peers.emplace(name, Start(PinnedTo().server, Self(),
                              {name + "-broadcast", fmt::format("--connections={}", connections)}));
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
  std::string go = "unnamed", only;
  int rounds = 5, idle = 15000, broadcast = 10000;
  double seconds = 1;
};

// Of a server's name: epoll, ws, go-ws …
std::string NetworkOf(const std::string& name) {
  return name == "epoll" ? "tcp" : name.substr(name.rfind('-') + 1);
}

void RunRounds(const Settings& settings) {
  const auto start = [&](const std::string& name) {
    const std::string network = NetworkOf(name);
    if (name == "epoll") return Start(PinnedTo().server, Self(), {name});
    if (name == network) return Start(PinnedTo().server, Self(), {"ours", "--network=" + network});
    return Start(PinnedTo().server, settings.go,
                 {"--network=" + network, "--listen=127.0.0.1:0", "--heartbeat=0s",
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
        samples[name].push_back(Measure({&peers.at(name).child}, peers.at(name).port,
                                        NetworkOf(name), shape, settings.seconds));
      }
    }
    Print("gate", shape, samples,
          {{"tcp", "epoll"},
           {"ws", "tcp"},
           {"kcp", "tcp"},
           {"go-tcp", "tcp"},
           {"go-ws", "ws"},
           {"go-kcp", "kcp"}});
  }
  peers.clear();
  for (const std::string& name : names) {
    if (settings.idle == 0 || name == "epoll" || name.ends_with("kcp")) continue;
    const Peer fresh = start(name);
    MeasureMemory(name, fresh, NetworkOf(name), settings.idle);
  }
  if (settings.broadcast > 0) MeasureBroadcasts(settings.broadcast, settings.rounds);
}

int Main(int argc, char** argv) {
  Settings settings;
  GateLoad load;
  std::string role, consul, redis;
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
        text(argv[i], "--network=", &load.network) || text(argv[i], "--go=", &settings.go) ||
        text(argv[i], "--only=", &settings.only) || text(argv[i], "--consul=", &consul) ||
        text(argv[i], "--redis=", &redis)) {
      continue;
    }
    if (i == 1 && argv[i][0] != '-') {
      role = argv[i];
      continue;
    }
    std::fprintf(stderr,
                 "gate_bench: unknown argument %s; known: --rounds=N --seconds=S --idle=N "
                 "--broadcast=N --only=edge|cluster --go=PROGRAM\n",
                 argv[i]);
    return 1;
  }
  if (role == "ours") return Serve(load.network);
  if (role == "our-gate") return ServeOurGate(consul, redis);
  if (role == "our-node") return ServeOurNode(consul, redis);
  if (role == "bare-gate") RunBareGate(load.port);
  if (role == "bare-node") RunBareNode();
  if (role == "epoll") RunBareEcho();
  if (role == "ours-broadcast") return ServeBroadcasts(load.body);
  if (role == "bare-broadcast") RunBareBroadcast(load);
  if (role == "load") load.network == "kcp" ? RunKcpLoad(load) : RunGateLoad(load);
  if (role == "hold") HoldConnections(load);
  if (!role.empty()) return 0;
  settings.seconds = load.seconds;
  settings.rounds = std::max(settings.rounds, 1);
  if (settings.go == "unnamed") settings.go = GoProgram("due", "echo");
  if (settings.only != "cluster") RunRounds(settings);
  if (settings.only == "edge") return 0;
  return RunClusters({.go_folder = settings.go.substr(0, settings.go.find_last_of('/') + 1),
                      .rounds = settings.rounds,
                      .seconds = settings.seconds});
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::Main(argc, argv); }
