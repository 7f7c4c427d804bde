// What a service starts with: handlers, a name, an address, certificates; and how it is said that it
// cannot.
#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>

#include "tests/integration/lifecycle_fixture.h"

namespace micro {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST_F(Lifecycle, RefusesTwoHandlersOfOneEndpoint) {
  auto service = NewGreeter(GreeterOptions(registry_));
  helloworld::RegisterGreeterHandler(*service->server(), std::make_shared<interop::Greeter>());
  EXPECT_THAT(BlockOn(service->Start(Context())),
              StatusIs(absl::StatusCode::kAlreadyExists,
                       AllOf(HasSubstr("\"Greeter."), HasSubstr("is registered twice"))));
  EXPECT_FALSE(discovery_.Lists());
}

TEST_F(Lifecycle, RefusesAHandlerWithoutEndpoints) {
  auto service = NewService(GreeterOptions(registry_));
  service->server()->Handle({.name = "Empty"});
  EXPECT_THAT(BlockOn(service->Start(Context())),
              StatusIs(absl::StatusCode::kInvalidArgument, "handler \"Empty\" has no endpoints"));
}

TEST_F(Lifecycle, NeedsAName) {
  ServiceOptions options = GreeterOptions(registry_);
  options.name = "";
  auto service = NewService(std::move(options));
  EXPECT_THAT(BlockOn(service->Start(Context())),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--server_name")));
}

TEST_F(Lifecycle, RefusesAPortThatIsTaken) {
  RunningGreeter first(GreeterOptions(registry_));
  EXPECT_THAT(StartWithAddress(first.address()),
              StatusIs(absl::StatusCode::kUnavailable,
                       "cannot listen on " + first.address() +
                           " (flag --server_address): Address already in use"));
}

TEST_F(Lifecycle, TakesTheFirstFreePortOfARange) {
  RunningGreeter first(GreeterOptions(registry_));
  const int port = std::stoi(first.address().substr(first.address().find(':') + 1));
  ServiceOptions options = GreeterOptions(registry_);
  options.server.address = first.address() + "-" + std::to_string(std::min(port + 50, 65535));
  RunningGreeter second(std::move(options));
  const int taken = std::stoi(second.address().substr(second.address().find(':') + 1));
  EXPECT_GT(taken, port);
  EXPECT_LE(taken, port + 50);
}

TEST_F(Lifecycle, RefusesARangeWithoutAFreePort) {
  RunningGreeter first(GreeterOptions(registry_));
  const std::string port = first.address().substr(first.address().find(':') + 1);
  EXPECT_THAT(StartWithAddress(first.address() + "-" + port),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("Address already in use")));
}

TEST_F(Lifecycle, RefusesAddressesThatCannotBeRead) {
  for (const std::string address :
       {"nonsense", "127.0.0.1:http", "127.0.0.1:70000", "127.0.0.1:90-80", "::1:80"}) {
    EXPECT_THAT(StartWithAddress(address), StatusIs(absl::StatusCode::kInvalidArgument,
                                                    AllOf(HasSubstr("\"" + address + "\""),
                                                          HasSubstr("(flag --server_address)"))));
  }
}

TEST_F(Lifecycle, RefusesAnAddressOfAnotherMachine) {
  EXPECT_THAT(StartWithAddress("192.0.2.1:0"),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr("cannot listen on 192.0.2.1:0 (flag --server_address)")));
}

// A Start with TLS of these files; what they hold, if anything, is written first.
class LifecycleTls : public Lifecycle {
 protected:
  static std::string File(const std::string& name, const std::string& text) {
    const std::string path = ::testing::TempDir() + "/" + name;
    std::ofstream(path) << text;
    return path;
  }
  absl::Status StartWithTls(const std::string& cert, const std::string& key,
                            const std::string& ca = "") {
    ServiceOptions options = GreeterOptions(registry_);
    options.server.tls_cert = cert;
    options.server.tls_key = key;
    options.server.tls_ca = ca;
    return BlockOn(NewGreeter(std::move(options))->Start(Context()));
  }

  const std::string cert_ =
      File("cert.pem", "-----BEGIN CERTIFICATE-----\nbm90IG9uZQ==\n-----END CERTIFICATE-----\n");
  const std::string key_ =
      File("key.pem", "-----BEGIN PRIVATE KEY-----\nbm90IG9uZQ==\n-----END PRIVATE KEY-----\n");
};

TEST_F(LifecycleTls, RefusesACertificateThatCannotBeRead) {
  EXPECT_THAT(
      StartWithTls("/nowhere/cert.pem", key_),
      StatusIs(
          absl::StatusCode::kInvalidArgument,
          "cannot read /nowhere/cert.pem (flag --server_tls_cert): No such file or directory"));
  EXPECT_THAT(StartWithTls(cert_, "/nowhere/key.pem"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("/nowhere/key.pem (flag --server_tls_key)")));
  EXPECT_THAT(StartWithTls(cert_, key_, "/nowhere/ca.pem"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("/nowhere/ca.pem (flag --server_tls_ca)")));
}

TEST_F(LifecycleTls, RefusesAFileThatHoldsNoCertificate) {
  const std::string text = File("text.pem", "hello");
  EXPECT_THAT(StartWithTls(text, key_),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       text + " (flag --server_tls_cert) holds no PEM CERTIFICATE"));
  EXPECT_THAT(StartWithTls(cert_, cert_),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       cert_ + " (flag --server_tls_key) holds no PEM PRIVATE KEY"));
  const std::string empty = File("empty.pem", "");
  EXPECT_THAT(StartWithTls(empty, key_),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "cannot read " + empty + " (flag --server_tls_cert): it is empty"));
}

TEST_F(LifecycleTls, RefusesACertificateThatIsNone) {
  EXPECT_THAT(StartWithTls(cert_, key_),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr(cert_), HasSubstr("--server_tls_cert"))));
}

TEST_F(LifecycleTls, RefusesHalfAPair) {
  EXPECT_THAT(StartWithTls(cert_, ""),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "--server_tls_cert and --server_tls_key go together: only one is set"));
  EXPECT_THAT(StartWithTls("", "", cert_),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("--server_tls_ca needs --server_tls_cert")));
}

}  // namespace
}  // namespace micro
