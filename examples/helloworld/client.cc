// Another process: finds the service by its name and calls it once.
#include <cstdio>

#include "core/errors.h"
#include "examples/helloworld/helloworld.micro.h"
#include "micro/service.h"

int main(int argc, char** argv) {
  std::string name = "John";
  std::string target = "helloworld";
  auto service = micro::NewService({
      .name = "helloworld-client",
      .description = "Calls the service helloworld once and prints its greeting.",
      .flags = {{"name", &name, "who is greeted [John]"},
                {"service", &target, "the service that is called [helloworld]"}},
  });
  service->Init(&argc, argv);

  helloworld::GreeterService greeter(target, service->client());
  helloworld::HelloRequest request;
  request.set_name(name);
  const absl::StatusOr<helloworld::HelloResponse> response =
      micro::BlockOn(greeter.Hello(micro::Context(), request));
  if (!response.ok()) {
    std::fprintf(stderr, "%s\n", micro::errors::ToText(response.status()).c_str());
    return 1;
  }
  std::printf("%s\n", response->greeting().c_str());
  return 0;
}
