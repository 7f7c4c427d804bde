// The service of the interop contract: prints one line when it can be found, and ends on SIGTERM.
#include "micro/service.h"

#include <unistd.h>

#include <cstdio>

#include "tests/interop/greeter.h"

namespace {

using micro::Context;
using micro::Task;

void PrintReady(const micro::Service& service, const micro::registry::Service& record) {
  const micro::registry::Node& node = record.nodes[0];
  std::printf("ready name=%s node=%s addr=%s wire=%s registry=%s pid=%d\n", record.name.c_str(),
              node.id.c_str(), node.address.c_str(), node.metadata.at("server").c_str(),
              service.options().registry.c_str(), getpid());
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  auto service = micro::NewService(
      {.name = "helloworld",
       .version = "1.0.0",
       .description = "The service of the interop contract.",
       .after_start = {[](Context, micro::Service& service) -> Task<absl::Status> {
         PrintReady(service, service.server()->record());
         co_return absl::OkStatus();
       }}});
  service->Init(&argc, argv);
  helloworld::RegisterGreeterHandler(*service->server(), std::make_shared<interop::Greeter>());
  return service->Run();
}
