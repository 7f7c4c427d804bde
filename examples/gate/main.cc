// A game: players greet a node through a gate. Gate, node and players in one process, or each by itself.
//
//   bazel run //examples/gate
//   bazel run //examples/gate -- --role=node --registry=consul --locator=redis      (and gate, client)
#include <cstdio>
#include <cstring>

#include "core/status_macros.h"
#include "due/gate/gate.h"
#include "due/node/node.h"
#include "examples/gate/player.h"

namespace {

using micro::Context;
using micro::Task;

constexpr int32_t kGreet = 1;

// What a player says is a name; the answer has the request's route and seq.
Task<absl::Status> Greet(Context, due::Request& request) {
  co_return request.Respond("Hello " + std::string(request.body()) + ", said node " +
                            request.proxy().nodes().front());
}

int RunNode(int argc, char** argv) {
  due::Cluster cluster;
  due::Node node(cluster);
  node.router().Add(kGreet, Greet);
  auto service = micro::NewService(cluster.AddTo({.name = "game-node"}));
  service->Init(&argc, argv);
  return service->Run();
}

int RunGate(int argc, char** argv) {
  due::Cluster cluster;
  due::Gate gate(cluster);
  auto service = micro::NewService(cluster.AddTo({.name = "game-gate"}));
  service->Init(&argc, argv);
  return service->Run();
}

// Greets, and ends.
int RunClient(int argc, char** argv) {
  due::ClientOptions options;
  std::string name = "John";
  auto service = micro::NewService({
      .name = "player",
      .registry = "memory",
      .after_start = {[&](Context ctx, micro::Service& self) -> Task<absl::Status> {
        CO_RETURN_IF_ERROR(co_await SayHello(ctx, options, kGreet, name));
        self.Shutdown();
        co_return absl::OkStatus();
      }},
      .flags = {{"network", &options.network, "tcp, ws or kcp"},
                {"address", &options.address, "host:port of the gate"},
                {"player", &name, "who greets"}},
  });
  service->Init(&argc, argv);
  return service->Run();
}

// A node, a gate for each network, and a player at each of them in turn.
int RunAll(int argc, char** argv) {
  due::Cluster cluster({.shutdown_max_wait_time = absl::Milliseconds(100)});  // all have greeted
  due::Node node(cluster, {.id = "node-1", .flag_prefix = "node_"});
  node.router().Add(kGreet, Greet);
  const auto at = [](const char* network) {
    return due::GateOptions{.network = {.network = network, .address = "127.0.0.1:0"},
                            .flag_prefix = std::string(network) + "_"};
  };
  due::Gate tcp(cluster, at("tcp")), ws(cluster, at("ws")), kcp(cluster, at("kcp"));
  micro::ServiceOptions options = cluster.AddTo({.name = "game"});
  options.after_start.push_back([&](Context ctx, micro::Service& self) -> Task<absl::Status> {
    for (const due::Gate* gate : {&tcp, &ws, &kcp}) {
      const due::ClientOptions player{.network = gate->network(),
                                      .address = "127.0.0.1:" + std::to_string(gate->port())};
      CO_RETURN_IF_ERROR(co_await SayHello(ctx, player, kGreet, "John"));
    }
    self.Shutdown();
    co_return absl::OkStatus();
  });
  auto service = micro::NewService(std::move(options));
  service->Init(&argc, argv);
  return service->Run();
}

}  // namespace

int main(int argc, char** argv) {
  const struct {
    const char* flag;
    int (*run)(int argc, char** argv);
  } roles[] = {{"--role=all", RunAll},
               {"--role=gate", RunGate},
               {"--role=node", RunNode},
               {"--role=client", RunClient}};
  if (argc < 2 || std::strncmp(argv[1], "--role", 6) != 0) return RunAll(argc, argv);
  for (const auto& role : roles) {
    if (std::strcmp(argv[1], role.flag) != 0) continue;
    argv[1] = argv[0];  // the rest is for the role
    return role.run(argc - 1, argv + 1);
  }
  std::fprintf(stderr, "gate: the first flag is --role=all, gate, node or client, not %s\n",
               argv[1]);
  return 1;
}
