// The cases of the public gRPC interop suite, our caller against our service. tests/interop/run.sh
// grpc runs both against grpc-go's.
#include <gmock/gmock.h>

#include <set>

#include "core/testing/certificates.h"
#include "tests/integration/greeter_services.h"
#include "tests/interop/grpc_cases.h"
#include "tests/interop/grpc_test_service.h"

namespace micro {
namespace {

using ::testing::HasSubstr;

// Runs a case on a service with these options.
absl::Status RunCase(std::string_view name, ServerOptions server, ClientOptions client) {
  server.address = "127.0.0.1:0";
  auto service = NewService({.name = "grpc-interop",
                             .server = std::move(server),
                             .client = std::move(client),
                             .registry = "memory",
                             .registry_options = OwnRegistry(),
                             .handle_signals = false});
  grpc::testing::RegisterTestServiceHandler(*service->server(),
                                            std::make_shared<interop::GrpcTestService>());
  const absl::Status started = BlockOn(service->Start(Context()));
  if (!started.ok()) return started;
  const absl::Status seen = BlockOn(interop::RunGrpcCase(
      std::string(name), service->client(), service->server()->record().nodes[0].address));
  EXPECT_THAT(BlockOn(service->Stop(Context())), IsOk());
  return seen;
}

class GrpcInterop : public ::testing::TestWithParam<std::string_view> {};

TEST_P(GrpcInterop, SeesWhatItMustInPlainText) { EXPECT_THAT(RunCase(GetParam(), {}, {}), IsOk()); }

TEST_P(GrpcInterop, SeesWhatItMustOverTls) {
  static const CertificateAuthority& authority = *new CertificateAuthority("authority");
  static const Certificate& own = *new Certificate(authority.Sign("server", "DNS:interop.test"));
  EXPECT_THAT(RunCase(GetParam(), {.tls_cert = own.cert, .tls_key = own.key},
                      {.tls_ca = authority.cert(), .tls_server_name = "interop.test"}),
              IsOk());
}

INSTANTIATE_TEST_SUITE_P(Cases, GrpcInterop, ::testing::ValuesIn(interop::GrpcCases()),
                         [](const auto& info) { return std::string(info.param); });

TEST(GrpcInteropCases, FailAgainstAServerWithoutTheService) {
  // Right there, or a matter of who is faster.
  const std::set<std::string_view> others = {"timeout_on_sleeping_server", "cancel_after_begin",
                                             "unimplemented_method", "unimplemented_service"};
  const registry::Options registry = OwnRegistry();
  RunningGreeter server(GreeterOptions(registry));
  auto caller = NewCaller(registry);
  for (const std::string_view name : interop::GrpcCases()) {
    if (others.contains(name)) continue;
    const absl::Status seen =
        BlockOn(interop::RunGrpcCase(std::string(name), caller->client(), server.address()));
    EXPECT_FALSE(seen.ok()) << name;
  }
}

TEST(GrpcInteropCases, AreListedWhereOneIsUnknown) {
  auto caller = NewCaller(OwnRegistry());
  EXPECT_THAT(BlockOn(interop::RunGrpcCase("zonk", caller->client(), "127.0.0.1:1")),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("there are: empty_unary, ")));
}

}  // namespace
}  // namespace micro
