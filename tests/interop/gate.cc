// A gate of the game. Prints a line when it can be used, and ends on SIGTERM with exit code 0.
//
//   bazel run //tests/interop:gate -- --id=g1 --network=tcp --listen=127.0.0.1:3553
//       --registry=consul --locator=redis
#include "due/gate/gate.h"

#include <unistd.h>

#include <cstdio>

#include "micro/service.h"

int main(int argc, char** argv) {
  due::Cluster cluster;
  due::Gate gate(cluster,
                 {.network = {.address = "127.0.0.1:3553"}, .link = {.address = "127.0.0.1:0"}});
  micro::ServiceOptions options = cluster.AddTo({.name = "interop-gate"});
  options.after_start.push_back([&](micro::Context, micro::Service&) -> micro::Task<absl::Status> {
    std::printf("ready kind=gate id=%s addr=127.0.0.1:%d link=127.0.0.1:%d pid=%d\n",
                gate.id().c_str(), gate.port(), gate.link_port(), getpid());
    std::fflush(stdout);
    co_return absl::OkStatus();
  });
  auto service = micro::NewService(std::move(options));
  service->Init(&argc, argv);
  return service->Run();
}
