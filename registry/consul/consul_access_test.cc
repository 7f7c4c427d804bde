// Who may ask an agent: tokens, and TLS with and without a certificate of our own.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "core/testing/certificates.h"
#include "core/testing/eventually.h"
#include "core/testing/status_matchers.h"
#include "registry/consul/consul_registry.h"
#include "registry/consul/raw_consul.h"

namespace micro::registry::consul {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr absl::StatusCode kUnavailable = absl::StatusCode::kUnavailable;
constexpr char kToken[] = "11111111-2222-3333-4444-555555555555";

absl::Status Register(Registry& registry) {
  return BlockOn(registry.Register(Context(), Record("greeter"), {.ttl = absl::Seconds(60)}));
}

absl::StatusOr<std::vector<Service>> Get(Registry& registry) {
  return BlockOn(registry.GetService(Context(), "greeter"));
}

TEST(ConsulToken, OpensAnAgentThatDeniesAllElse) {
  const auto agent = services::StartConsul(
      {.configuration = {fmt::format("primary_datacenter=\"dc1\" acl={{enabled=true "
                                     "default_policy=\"deny\" tokens={{master=\"{0}\" "
                                     "agent=\"{0}\"}}}}",
                                     kToken)}});
  ASSERT_THAT(agent, IsOk());
  const auto open = [&](const std::string& token) {
    return NewConsulRegistry({.addresses = {(*agent)->address()}, .token = token}).value();
  };
  const auto denied = StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("--registry_token"));

  const auto right = open(kToken);
  // The token is made by the leader, a moment after it was chosen.
  ASSERT_TRUE(Eventually([&] { return Register(*right).ok(); }));
  ASSERT_TRUE(Eventually([&] { return Get(*right).ok(); }));
  EXPECT_THAT(BlockOn(right->Watch(Context(), {})), IsOk());

  const auto wrong = open("99999999-2222-3333-4444-555555555555");
  EXPECT_THAT(Register(*wrong), denied);
  EXPECT_THAT(BlockOn(wrong->Deregister(Context(), Record("greeter"))), denied);
  EXPECT_THAT(Get(*wrong), denied);
  EXPECT_THAT(BlockOn(wrong->ListServices(Context())), denied);
  EXPECT_THAT(BlockOn(wrong->Watch(Context(), {})), denied);

  // Consul shows nothing to who has none.
  const auto missing = open("");
  EXPECT_THAT(Register(*missing), denied);
  EXPECT_THAT(Get(*missing), StatusIs(absl::StatusCode::kNotFound));

  setenv("CONSUL_HTTP_TOKEN", kToken, 1);
  EXPECT_THAT(Get(*open("")), IsOk());
  unsetenv("CONSUL_HTTP_TOKEN");
  EXPECT_THAT(BlockOn(right->Deregister(Context(), Record("greeter"))), IsOk());
}

// An agent that is asked over TLS, and the authority that knows it.
class ConsulTls : public testing::Test {
 protected:
  void Start(bool asks_for_certificates) {
    port_ = services::FreePorts(1).at(0);
    const Certificate server =
        authority_.Sign("consul", "DNS:consul.test,DNS:localhost,IP:127.0.0.1");
    auto agent = services::StartConsul(
        {.configuration = {fmt::format("ports={{https={}}} ca_file=\"{}\" cert_file=\"{}\" "
                                       "key_file=\"{}\" verify_incoming_https={}",
                                       port_, authority_.cert(), server.cert, server.key,
                                       asks_for_certificates)}});
    ASSERT_THAT(agent, IsOk());
    agent_ = *std::move(agent);
  }

  std::string address() const { return fmt::format("127.0.0.1:{}", port_); }

  // What a registration over TLS comes to.
  absl::Status RegisterWith(Options options) const {
    if (options.addresses.empty()) options.addresses = {address()};
    auto registry = NewConsulRegistry(options);
    if (!registry.ok()) return registry.status();
    absl::Status status = Register(**registry);
    if (status.ok()) EXPECT_THAT(BlockOn((*registry)->Watch(Context(), {})), IsOk());
    return status;
  }

  const CertificateAuthority authority_{"consul-authority"}, stranger_{"consul-stranger"};
  std::unique_ptr<services::ServiceProcess> agent_;
  int port_ = 0;
};

TEST_F(ConsulTls, TheAgentMustBeKnownToTheAuthority) {
  Start(/*asks_for_certificates=*/false);
  EXPECT_THAT(RegisterWith({.tls_ca = authority_.cert()}), IsOk());
  EXPECT_TRUE(RawHas(*agent_, "greeter-1"));
  EXPECT_THAT(RegisterWith({.addresses = {"https://" + address()}, .tls_ca = authority_.cert()}),
              IsOk());
  EXPECT_THAT(RegisterWith(
                  {.addresses = {fmt::format("localhost:{}", port_)}, .tls_ca = authority_.cert()}),
              IsOk());
  const auto refused = StatusIs(kUnavailable, AllOf(HasSubstr("SSL"), HasSubstr(address())));
  EXPECT_THAT(RegisterWith({.tls = true}), refused);
  EXPECT_THAT(RegisterWith({.addresses = {"https://" + address()}}), refused);
  EXPECT_THAT(RegisterWith({.tls_ca = stranger_.cert()}), refused);
  EXPECT_THAT(RegisterWith({}), testing::Not(IsOk()));
}

TEST_F(ConsulTls, TheAgentMustBearTheNameThatIsAskedFor) {
  Start(/*asks_for_certificates=*/false);
  EXPECT_THAT(RegisterWith({.tls_ca = authority_.cert(), .tls_server_name = "consul.test"}),
              IsOk());
  EXPECT_THAT(RegisterWith({.tls_ca = authority_.cert(), .tls_server_name = "other.test"}),
              StatusIs(kUnavailable, HasSubstr("SSL")));
}

TEST_F(ConsulTls, AnAgentMayAskForACertificate) {
  Start(/*asks_for_certificates=*/true);
  const Certificate own = authority_.Sign("greeter", "DNS:greeter.test"),
                    strange = stranger_.Sign("greeter", "DNS:greeter.test");
  EXPECT_THAT(RegisterWith({.tls_ca = authority_.cert(), .tls_cert = own.cert, .tls_key = own.key}),
              IsOk());
  EXPECT_TRUE(RawHas(*agent_, "greeter-1"));
  EXPECT_THAT(RegisterWith({.tls_ca = authority_.cert()}), StatusIs(kUnavailable));
  EXPECT_THAT(
      RegisterWith({.tls_ca = authority_.cert(), .tls_cert = strange.cert, .tls_key = strange.key}),
      StatusIs(kUnavailable));
}

TEST(ConsulTlsFiles, ThatCannotBeUsedAreNamedWithTheirFlag) {
  const CertificateAuthority authority("consul-files");
  const Certificate own = authority.Sign("own", "DNS:own.test"),
                    other = authority.Sign("other", "DNS:other.test");
  const auto refused = [](const std::string& file, const std::string& flag) {
    return StatusIs(absl::StatusCode::kInvalidArgument, AllOf(HasSubstr(file), HasSubstr(flag)));
  };
  EXPECT_THAT(NewConsulRegistry({.tls_ca = "/nonexistent"}),
              refused("/nonexistent", "--registry_tls_ca"));
  EXPECT_THAT(NewConsulRegistry({.tls_ca = own.key}), refused(own.key, "--registry_tls_ca"));
  EXPECT_THAT(NewConsulRegistry({.tls_cert = "/nonexistent", .tls_key = own.key}),
              refused("/nonexistent", "--registry_tls_cert"));
  EXPECT_THAT(NewConsulRegistry({.tls_cert = own.cert, .tls_key = "/nonexistent"}),
              refused("/nonexistent", "--registry_tls_key"));
  EXPECT_THAT(NewConsulRegistry({.tls_cert = own.cert, .tls_key = other.key}),
              refused("mismatch", "--registry_tls_key"));
  EXPECT_THAT(NewConsulRegistry({.tls_cert = own.cert}), refused("key", "--registry_tls_key"));
  EXPECT_THAT(NewConsulRegistry({.tls_cert = own.cert, .tls_key = own.key}), IsOk());
}

}  // namespace
}  // namespace micro::registry::consul
