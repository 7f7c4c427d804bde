// A whole service: it starts, finds itself through the registry, calls itself once, prints the
// greeting and serves until Ctrl-C.
#include <cstdio>

#include "examples/helloworld/helloworld.micro.h"
#include "micro/service.h"

namespace {

class Greeter final : public helloworld::GreeterHandler {
  micro::Task<absl::Status> Hello(const micro::Context&, const helloworld::HelloRequest& request,
                                  helloworld::HelloResponse& response) override {
    response.set_greeting("Hello " + request.name());
    co_return absl::OkStatus();
  }
};

// Calls the service as any other process would: by its name.
micro::Task<absl::Status> GreetOneself(micro::Context ctx, micro::Service& service,
                                       std::string name) {
  helloworld::GreeterService greeter(service.options().name, service.client());
  helloworld::HelloRequest request;
  request.set_name(name);
  absl::StatusOr<helloworld::HelloResponse> response = co_await greeter.Hello(ctx, request);
  if (!response.ok()) co_return response.status();
  std::printf("%s\n", response->greeting().c_str());
  std::fflush(stdout);
  co_return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  std::string name = "John";
  bool once = false;
  auto service = micro::NewService({
      .name = "helloworld",
      .description = "Greets: the smallest whole service.",
      .after_start = {[&](micro::Context ctx,
                          micro::Service& service) -> micro::Task<absl::Status> {
        absl::Status greeted = co_await GreetOneself(ctx, service, name);
        if (once) service.Shutdown();
        co_return greeted;
      }},
      .flags = {{"name", &name, "who is greeted at the start [John]"},
                {"once", &once, "exit after the greeting"}},
  });
  service->Init(&argc, argv);
  helloworld::RegisterGreeterHandler(*service->server(), std::make_shared<Greeter>());
  return service->Run();
}
