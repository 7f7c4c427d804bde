#include "tests/bench/gate_cluster.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "core/async.h"
#include "due/gate/gate.h"
#include "due/node/node.h"
#include "tests/bench/gate_load.h"
#include "tests/bench/gate_run.h"
#include "tests/bench/loopback.h"
#include "tests/services/service_process.h"

namespace bench {
namespace {

constexpr int32_t kRoute = 1;  // of the load's packets

int Run(due::Cluster& cluster, const std::string& consul, const std::function<int()>& port) {
  const absl::Status status =
      micro::BlockOn(cluster.Start(micro::Context(), "consul", {.addresses = {consul}}));
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
    return 1;
  }
  std::printf("ready addr=127.0.0.1:%d\n", port());
  std::fflush(stdout);
  pause();
  return 0;
}

due::ClusterOptions OptionsOf(const std::string& redis) {
  return {.locator = "redis", .locator_options = {.addresses = {redis}}};
}

// Waits until a packet through gate and node comes back: routes take their time to spread.
bool Answers(int port) {
  const int fd = Connect(port);
  const std::string packet("\0\0\0\x0d\0\0\1\0\1--------", 17);
  bool answered = false;
  for (int i = 0; i < 300 && !answered; ++i) {
    Send(fd, packet);
    pollfd wanted = {.fd = fd, .events = POLLIN, .revents = 0};
    answered = poll(&wanted, 1, 100) > 0;
  }
  close(fd);
  return answered;
}

// A gate and its node.
struct System {
  Peer node, gate;
};

System StartSystem(const std::string& name, const ClusterSettings& settings,
                   const std::string& consul, const std::string& redis) {
  const Cores& cores = PinnedTo();
  if (name == "epoll") {
    Peer node = Start(cores.load, Self(), {"bare-node"});
    const std::string port = fmt::format("--port={}", node.port);
    return {std::move(node), Start(cores.server, Self(), {"bare-gate", port})};
  }
  if (name == "ours") {
    const std::vector<std::string> where = {"--consul=" + consul, "--redis=" + redis};
    return {Start(cores.load, Self(), {"our-node", where[0], where[1]}),
            Start(cores.server, Self(), {"our-gate", where[0], where[1]})};
  }
  const auto go = [&](const std::string& core, const std::string& program,
                      std::vector<std::string> more) {
    more.insert(more.begin(), settings.go_folder + program);
    more.insert(more.begin(),
                {"-c", "exec \"$0\" \"$@\" 2>/dev/null"});  // each end is a line there
    more.insert(more.end(), {"--registry_address=" + consul, "--locator_address=" + redis});
    return Start(core, "/bin/sh", more);
  };
  return {go(cores.load, "node", {"--id=bench-node", "--raw"}),
          go(cores.server, "gate",
             {"--id=bench-gate", "--network=tcp", "--listen=127.0.0.1:0", "--heartbeat=0s"})};
}

}  // namespace

int ServeOurGate(const std::string& consul, const std::string& redis) {
  due::Cluster cluster(OptionsOf(redis));
  due::Gate gate(cluster, {.network = {.address = "127.0.0.1:0",
                                       .max_conn_num = 100000,
                                       .heartbeat_interval = absl::ZeroDuration()},
                           .link = {.address = "127.0.0.1:0"}});
  return Run(cluster, consul, [&] { return gate.port(); });
}

int ServeOurNode(const std::string& consul, const std::string& redis) {
  due::Cluster cluster(OptionsOf(redis));
  due::Node node(cluster, {.link = {.address = "127.0.0.1:0"}});
  node.router().Add(kRoute, [](micro::Context, due::Request& request) -> micro::Task<absl::Status> {
    co_return request.Respond(request.body());
  });
  return Run(cluster, consul, [&] { return node.link_port(); });
}

int RunClusters(const ClusterSettings& settings) {
  std::vector<std::string> names = {"epoll", "ours"};
  if (!settings.go_folder.empty()) names.push_back("due");
  // Each pair has a cluster of its own.
  std::vector<std::unique_ptr<micro::services::ServiceProcess>> servers;
  std::map<std::string, System> systems;
  for (const std::string& name : names) {
    std::string consul, redis;
    if (name != "epoll") {
      for (auto start : {+[] { return micro::services::StartConsul(); },
                         +[] { return micro::services::StartRedis(); }}) {
        auto started = start();
        if (!started.ok()) {
          std::fprintf(stderr, "%s\n", std::string(started.status().message()).c_str());
          return 1;
        }
        (consul.empty() ? consul : redis) = (*started)->address();
        servers.push_back(*std::move(started));
      }
    }
    systems.emplace(name, StartSystem(name, settings, consul, redis));
    if (!Answers(systems.at(name).gate.port)) {
      std::fprintf(stderr, "gate_bench: the node of \"%s\" answers nothing\n", name.c_str());
      return 1;
    }
  }
  std::printf("%-14s %-10s %10s %9s %9s %9s  (CPU of gate and node)\n", "through both", "cluster",
              "messages/s", "p50 us", "p99 us", "CPU us");
  for (const Shape& shape : {Shape{"64B.w1", 50, 1, 64}, Shape{"64B.w16", 50, 16, 64},
                             Shape{"1KiB.w16", 50, 16, 1024}, Shape{"1000conn.w1", 1000, 1, 64}}) {
    Samples samples;
    for (int round = 0; round < settings.rounds; ++round) {
      std::vector<std::string> order = names;
      if (round % 2 == 1) std::reverse(order.begin(), order.end());
      for (const std::string& name : order) {
        const System& system = systems.at(name);
        samples[name].push_back(Measure({&system.gate.child, &system.node.child}, system.gate.port,
                                        "tcp", shape, settings.seconds));
      }
    }
    Print("cluster", shape, samples, {{"ours", "epoll", true}, {"due", "ours", true}});
  }
  return 0;
}

}  // namespace bench
