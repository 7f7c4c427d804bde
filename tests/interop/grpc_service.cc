// The server of the public gRPC interop suite, with the flags of grpc-go's: prints one line when it
// serves, and ends on SIGTERM.
#include <cstdio>

#include "micro/service.h"
#include "tests/interop/grpc_test_service.h"

namespace {

using micro::Task;

Task<absl::Status> PrintReady(micro::Context, micro::Service& service) {
  std::printf("ready addr=%s\n", service.server()->record().nodes[0].address.c_str());
  std::fflush(stdout);
  co_return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  int port = 10000;
  bool tls = false;
  std::string cert, key;
  auto program = micro::NewService({.name = "grpc-interop",
                                    .description = "The server of the public gRPC interop suite.",
                                    .registry = "memory",
                                    .after_start = {PrintReady},
                                    .flags = {{"port", &port, "to listen on [10000]"},
                                              {"use_tls", &tls, "serve over TLS"},
                                              {"tls_cert_file", &cert, "PEM file: certificate"},
                                              {"tls_key_file", &key, "PEM file: its key"}}});
  program->Init(&argc, argv);

  // The suite's flags say what options of the SDK say by other names.
  micro::ServiceOptions options = program->options();
  options.server.address = ":" + std::to_string(port);
  if (tls) {
    options.server.tls_cert = cert;
    options.server.tls_key = key;
  }
  auto service = micro::NewService(std::move(options));
  grpc::testing::RegisterTestServiceHandler(*service->server(),
                                            std::make_shared<interop::GrpcTestService>());
  return service->Run();
}
