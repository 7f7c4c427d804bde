// The client of the public gRPC interop suite, with the flags of grpc-go's: runs one case, and exits
// 0 where it saw what it must, else 1 with what it saw.
#include <cstdio>

#include "micro/address.h"
#include "micro/service.h"
#include "tests/interop/grpc_cases.h"

int main(int argc, char** argv) {
  std::string host = "localhost", host_override, test_case = "large_unary", ca;
  int port = 10000;
  bool tls = false, test_ca = false;
  auto program = micro::NewService(
      {.name = "grpc-interop-client",
       .description = "Runs one case of the public gRPC interop suite.",
       .registry = "memory",
       .flags = {{"server_host", &host, "of the server [localhost]"},
                 {"server_port", &port, "of the server [10000]"},
                 {"server_host_override", &host_override, "name in the server's certificate"},
                 {"test_case", &test_case, "which one [large_unary]"},
                 {"use_tls", &tls, "call over TLS"},
                 {"use_test_ca", &test_ca, "trust --ca_file in place of the system's authorities"},
                 {"ca_file", &ca, "PEM file: the authority to trust"}}});
  program->Init(&argc, argv);

  // The suite's flags say what options of the SDK say by other names.
  micro::ServiceOptions options = program->options();
  if (tls) {
    options.client.tls = true;
    options.client.tls_server_name = host_override;
    if (test_ca) options.client.tls_ca = ca;
  }
  auto service = micro::NewService(std::move(options));
  const absl::Status status = micro::BlockOn(
      interop::RunGrpcCase(test_case, service->client(), micro::JoinHostPort(host, port)));
  std::printf("%s: %s\n", test_case.c_str(),
              status.ok() ? "as it must be" : std::string(status.message()).c_str());
  return status.ok() ? 0 : 1;
}
