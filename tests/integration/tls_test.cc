// Calls over TLS: who trusts whom, and how it is said where one does not.
#include <gmock/gmock.h>

#include "core/async.h"
#include "core/status_macros.h"
#include "core/testing/certificates.h"
#include "tests/integration/greeter_services.h"

namespace micro {
namespace {

using ::testing::HasSubstr;

class Tls : public ::testing::TestWithParam<const char*> {
 protected:
  // Certificates cost time to make, and no test changes them.
  struct Certificates {
    CertificateAuthority authority{"authority"}, stranger{"stranger"};
    Certificate server = authority.Sign("server", "DNS:greeter.test,IP:127.0.0.1");
    Certificate caller = authority.Sign("caller", "DNS:caller.test");
    Certificate strangers_caller = stranger.Sign("caller", "DNS:caller.test");
  };
  static const Certificates& Made() {
    static const Certificates& made = *new Certificates;
    return made;
  }

  ServiceOptions PlainOptions() const {
    ServiceOptions options = GreeterOptions(registry_);
    options.server.wire = GetParam();
    return options;
  }
  ServiceOptions TlsOptions() const {
    ServiceOptions options = PlainOptions();
    options.server.tls_cert = Made().server.cert;
    options.server.tls_key = Made().server.key;
    return options;
  }
  ServiceOptions MutualTlsOptions() const {
    ServiceOptions options = TlsOptions();
    options.server.tls_ca = Made().authority.cert();
    return options;
  }

  absl::Status Hello(ClientOptions client) const {
    client.retries = 0;
    auto caller = NewCaller(registry_, std::move(client));
    helloworld::GreeterService greeter("helloworld", caller->client());
    return BlockOn(greeter.Hello(Context(), Named("x"))).status();
  }

  const registry::Options registry_ = OwnRegistry();
};

TEST_P(Tls, AnswersACallerThatTrustsItsAuthority) {
  RunningGreeter server(TlsOptions());
  EXPECT_THAT(Hello({.tls_ca = Made().authority.cert()}), IsOk());
}

TEST_P(Tls, CarriesStreams) {
  RunningGreeter server(TlsOptions());
  auto caller = NewCaller(registry_, {.tls_ca = Made().authority.cert()});
  helloworld::GreeterService greeter("helloworld", caller->client());
  const auto sum = [&]() -> Task<absl::StatusOr<int64_t>> {
    CO_ASSIGN_OR_RETURN(auto stream, co_await greeter.Sum(Context()));
    for (int i = 1; i <= 10; ++i) {
      helloworld::SumRequest request;
      request.set_n(i);
      request.set_last(i == 10);
      CO_RETURN_IF_ERROR(co_await stream.Send(request));
    }
    CO_ASSIGN_OR_RETURN(const helloworld::SumResponse response, co_await stream.CloseAndRecv());
    co_return response.total();
  };
  EXPECT_THAT(BlockOn(sum()), IsOkAndHolds(55));
}

TEST_P(Tls, IsRefusedByACallerThatTrustsAnotherAuthority) {
  RunningGreeter server(TlsOptions());
  EXPECT_THAT(
      Hello({.tls_ca = Made().stranger.cert()}),
      StatusIs(absl::StatusCode::kUnavailable, HasSubstr("connection error: " + server.address())));
}

TEST_P(Tls, IsRefusedByACallerThatTrustsTheSystemsAuthorities) {
  RunningGreeter server(TlsOptions());
  EXPECT_THAT(Hello({.tls = true}),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("connection error")));
}

TEST_P(Tls, IsRefusedUnderANameThatItsCertificateDoesNotBear) {
  RunningGreeter server(TlsOptions());
  EXPECT_THAT(Hello({.tls_ca = Made().authority.cert(), .tls_server_name = "other.test"}),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("connection error")));
}

TEST_P(Tls, IsTakenUnderAnyNameThatItsCertificateBears) {
  RunningGreeter server(TlsOptions());
  EXPECT_THAT(Hello({.tls_ca = Made().authority.cert(), .tls_server_name = "greeter.test"}),
              IsOk());
}

TEST_P(Tls, RefusesACallerInPlainText) {
  RunningGreeter server(TlsOptions());
  EXPECT_THAT(Hello({}), StatusIs(absl::StatusCode::kUnavailable, HasSubstr(server.address())));
}

TEST_P(Tls, DoesNotReachAServerInPlainText) {
  RunningGreeter server(PlainOptions());
  EXPECT_THAT(Hello({.tls_ca = Made().authority.cert()}),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("connection error")));
}

TEST_P(Tls, ServesOnAfterThoseItRefused) {
  RunningGreeter server(TlsOptions());
  EXPECT_THAT(Hello({}), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(Hello({.tls_ca = Made().stranger.cert()}), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(Hello({.tls_ca = Made().authority.cert()}), IsOk());
}

TEST_P(Tls, MutuallyAnswersACallerWithACertificateOfItsAuthority) {
  RunningGreeter server(MutualTlsOptions());
  EXPECT_THAT(Hello({.tls_ca = Made().authority.cert(),
                     .tls_cert = Made().caller.cert,
                     .tls_key = Made().caller.key}),
              IsOk());
}

TEST_P(Tls, MutuallyRefusesACallerWithoutACertificate) {
  RunningGreeter server(MutualTlsOptions());
  EXPECT_THAT(Hello({.tls_ca = Made().authority.cert()}),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr(server.address())));
}

TEST_P(Tls, MutuallyRefusesACallerWithACertificateOfAnotherAuthority) {
  RunningGreeter server(MutualTlsOptions());
  EXPECT_THAT(Hello({.tls_ca = Made().authority.cert(),
                     .tls_cert = Made().strangers_caller.cert,
                     .tls_key = Made().strangers_caller.key}),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr(server.address())));
}

TEST_P(Tls, ACallersFilesThatCannotBeReadAreNamed) {
  const auto init = [&](std::vector<std::string> arguments) {
    return NewService({.name = "caller", .client = {.wire = GetParam()}, .registry = "memory"})
        ->Init(std::move(arguments));
  };
  EXPECT_THAT(
      init({"--client_tls_ca=/nowhere/ca.pem"}),
      StatusIs(absl::StatusCode::kInvalidArgument,
               "cannot read /nowhere/ca.pem (flag --client_tls_ca): No such file or directory"));
  EXPECT_THAT(init({"--client_tls_cert=" + Made().caller.cert}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "--client_tls_cert and --client_tls_key go together: only one is set"));
  EXPECT_THAT(init({"--client_tls_ca=" + Made().caller.key}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("(flag --client_tls_ca) holds no PEM CERTIFICATE")));
}

INSTANTIATE_TEST_SUITE_P(Wires, Tls, ::testing::Values("grpc", "rpc"),
                         [](const auto& wire) { return wire.param; });

}  // namespace
}  // namespace micro
