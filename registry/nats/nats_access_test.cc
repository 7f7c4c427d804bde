// Who may use a NATS server, and whom it is taken for: users, tokens and certificates.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "core/testing/certificates.h"
#include "core/testing/eventually.h"
#include "registry/testing/blocking.h"
#include "tests/services/service_process.h"

namespace micro::registry {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

using Server = std::unique_ptr<services::ServiceProcess>;

Server StartServer(std::vector<std::string> arguments) {
  return services::StartNats({.arguments = std::move(arguments)}).value();
}

// What comes of a registration and a lookup.
absl::Status Use(const Server& server, Options options) {
  if (options.addresses.empty()) options.addresses = {server->address()};
  const auto registry = Open("nats", options);
  if (absl::Status status = Register(*registry, Record("greeter")); !status.ok()) return status;
  return GetUntil(*registry, "greeter", true).status();
}

auto Unavailable(const std::string& why) {
  return StatusIs(absl::StatusCode::kUnavailable, HasSubstr(why));
}

// What says that the credentials were refused, and where they come from, without saying what they are.
auto Refused() {
  return StatusIs(absl::StatusCode::kUnavailable,
                  AllOf(HasSubstr("Authorization Violation"), HasSubstr("--registry_username"),
                        HasSubstr("--registry_token"), Not(HasSubstr("wrong"))));
}

TEST(NatsAccess, IsByUserAndPassword) {
  const Server server = StartServer({"--user", "ann", "--pass", "secret"});
  EXPECT_THAT(Use(server, {.username = "ann", .password = "secret"}), IsOk());
  EXPECT_THAT(Use(server, {.username = "ann", .password = "wrong"}), Refused());
  EXPECT_THAT(Use(server, {.username = "wrong", .password = "secret"}), Refused());
  EXPECT_THAT(Use(server, {.token = "wrong"}), Refused());
  EXPECT_THAT(Use(server, {}), Refused());
}

TEST(NatsAccess, IsByToken) {
  const Server server = StartServer({"--auth", "secret"});
  EXPECT_THAT(Use(server, {.token = "secret"}), IsOk());
  EXPECT_THAT(Use(server, {.token = "wrong"}), Refused());
  EXPECT_THAT(Use(server, {}), Refused());
}

TEST(NatsAccess, IsTriedAgainWhenItWasRefused) {
  const std::string configuration = testing::TempDir() + "/token.conf";
  std::ofstream(configuration) << "authorization { token: other }";
  const Server server = StartServer({"--config", configuration});
  const auto registry = Open("nats", {.addresses = {server->address()}, .token = "secret"});
  EXPECT_THAT(Get(*registry, "greeter"), Refused());
  server->Kill();
  std::ofstream(configuration) << "authorization { token: secret }";
  ASSERT_THAT(server->Start(), IsOk());
  EXPECT_TRUE(Eventually([&] { return Register(*registry, Record("greeter")).ok(); }));
}

struct Certificates {
  CertificateAuthority authority{"authority"}, stranger{"stranger"};
  Certificate server = authority.Sign("server", "DNS:nats.test,IP:127.0.0.1");
  Certificate misnamed = authority.Sign("misnamed", "DNS:nats.test");
  Certificate caller = authority.Sign("caller", "DNS:caller.test");
  Certificate strangers_caller = stranger.Sign("caller", "DNS:caller.test");
};
const Certificates& Made() {
  static const Certificates& made = *new Certificates;
  return made;
}

std::vector<std::string> Tls(const Certificate& certificate) {
  return {"--tls", "--tlscert", certificate.cert, "--tlskey", certificate.key};
}

TEST(NatsAccess, IsOverTls) {
  const Server server = StartServer(Tls(Made().server));
  EXPECT_THAT(Use(server, {.tls_ca = Made().authority.cert()}), IsOk());
  EXPECT_THAT(
      Use(server, {.addresses = {"tls://" + server->address()}, .tls_ca = Made().authority.cert()}),
      IsOk());
  EXPECT_THAT(Use(server, {.tls_ca = Made().authority.cert(), .tls_server_name = "nats.test"}),
              IsOk());
}

TEST(NatsAccess, IsRefusedToAServerThatIsNotTrusted) {
  const Server server = StartServer(Tls(Made().server));
  const std::string untrusted = "SSL handshake error";
  EXPECT_THAT(Use(server, {.tls = true}), Unavailable(untrusted));
  EXPECT_THAT(Use(server, {}), Unavailable(untrusted));
  EXPECT_THAT(Use(server, {.tls_ca = Made().stranger.cert()}), Unavailable(untrusted));
  EXPECT_THAT(Use(server, {.tls_ca = Made().authority.cert(), .tls_server_name = "other.test"}),
              Unavailable("other.test"));
  const Server misnamed = StartServer(Tls(Made().misnamed));
  EXPECT_THAT(Use(misnamed, {.tls_ca = Made().authority.cert()}), Unavailable(untrusted));
}

TEST(NatsAccess, OverTlsIsNotGivenUpForAServerWithout) {
  const Server server = StartServer({});
  EXPECT_THAT(Use(server, {.tls = true}), Unavailable("Secure"));
}

TEST(NatsAccess, MayNeedACertificate) {
  std::vector<std::string> arguments = Tls(Made().server);
  for (const std::string& more :
       {std::string("--tlsverify"), std::string("--tlscacert"), Made().authority.cert()}) {
    arguments.push_back(more);
  }
  const Server server = StartServer(arguments);
  Options options{.tls_ca = Made().authority.cert()};
  EXPECT_THAT(Use(server, options), StatusIs(absl::StatusCode::kUnavailable));
  options.tls_cert = Made().strangers_caller.cert;
  options.tls_key = Made().strangers_caller.key;
  EXPECT_THAT(Use(server, options), StatusIs(absl::StatusCode::kUnavailable));
  options.tls_cert = Made().caller.cert;
  options.tls_key = Made().caller.key;
  EXPECT_THAT(Use(server, options), IsOk());
}

TEST(NatsAccess, NeedsFilesThatCanBeUsed) {
  const auto refuses = [](const Options& options, const std::string& flag) {
    EXPECT_THAT(PluginTable<Registry>::Create("nats", options),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(flag)));
  };
  refuses({.tls_ca = "/nowhere/ca.pem"}, "--registry_tls_ca");
  refuses({.tls_cert = Made().caller.cert}, "--registry_tls_key");
  refuses({.tls_cert = Made().caller.cert, .tls_key = "/nowhere/key.pem"}, "--registry_tls_key");
  refuses({.tls_cert = Made().caller.cert, .tls_key = Made().server.key}, "--registry_tls_key");
}

}  // namespace
}  // namespace micro::registry
