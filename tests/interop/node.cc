// A node of the game with all routes of the contract. Prints a line when it can be used, and ends on
// SIGTERM with exit code 0.
//
//   bazel run //tests/interop:node -- --id=n1 --registry=consul --locator=redis
#include <unistd.h>

#include <cstdio>

#include "micro/service.h"
#include "tests/interop/game_routes.h"

int main(int argc, char** argv) {
  due::Cluster cluster;
  due::Node node(cluster, {.link = {.address = "127.0.0.1:0"}});
  bool raw = false;
  std::unique_ptr<interop::GameRoutes> routes;
  micro::ServiceOptions options = cluster.AddTo({
      .name = "interop-node",
      .before_start = {[&](micro::Context, micro::Service&) -> micro::Task<absl::Status> {
        routes = std::make_unique<interop::GameRoutes>(node, raw);
        co_return absl::OkStatus();
      }},
      .flags = {{"raw", &raw, "echoes are answered with the bytes that came"}},
  });
  options.after_start.push_back([&](micro::Context, micro::Service&) -> micro::Task<absl::Status> {
    std::printf("ready kind=node id=%s addr=127.0.0.1:%d link=127.0.0.1:%d pid=%d\n",
                node.id().c_str(), node.link_port(), node.link_port(), getpid());
    std::fflush(stdout);
    co_return absl::OkStatus();
  });
  auto service = micro::NewService(std::move(options));
  service->Init(&argc, argv);
  return service->Run();
}
