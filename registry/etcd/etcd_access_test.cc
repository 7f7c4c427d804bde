// Who may ask the registry "etcd": users with passwords, and TLS.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "core/testing/certificates.h"
#include "registry/etcd/etcd_test_words.h"

namespace micro::registry {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr absl::StatusCode kUnauthenticated = absl::StatusCode::kUnauthenticated;
constexpr absl::StatusCode kUnavailable = absl::StatusCode::kUnavailable;

class EtcdUsers : public testing::Test {
 protected:
  EtcdUsers() : etcd_(NewEtcd({.arguments = {"--auth-token-ttl=2"}})) {}

  // root may do all, ann what is below /team/a/.
  void EnableUsers() {
    Etcdctl(etcd_->address(), "user add root:secret");
    Etcdctl(etcd_->address(), "user grant-role root root");
    Etcdctl(etcd_->address(), "user add ann:word");
    Etcdctl(etcd_->address(), "role add team");
    Etcdctl(etcd_->address(), "role grant-permission --prefix=true team readwrite /team/a/");
    Etcdctl(etcd_->address(), "user grant-role ann team");
    Etcdctl(etcd_->address(), "auth enable");
  }

  Options As(const std::string& user, const std::string& password,
             const std::string& prefix = "") const {
    return {
        .addresses = {etcd_->address()}, .username = user, .password = password, .prefix = prefix};
  }

  // Everything that a registry does.
  void ExpectWorks(Registry& registry, const std::string& name) {
    const auto watcher = Watch(registry, name);
    ASSERT_NE(watcher, nullptr);
    ASSERT_THAT(Register(registry, Record(name), absl::Seconds(2)), IsOk());
    EXPECT_EQ(Next(*watcher), Said("create", Record(name)));
    EXPECT_THAT(Get(registry, name), IsOkAndHolds(ElementsAre(Record(name))));
    EXPECT_THAT(Deregister(registry, Record(name)), IsOk());
    EXPECT_EQ(Next(*watcher), Said("delete", Record(name)));
  }

  const std::unique_ptr<services::ServiceProcess> etcd_;
};

TEST_F(EtcdUsers, TheRightUserIsLetIn) {
  EnableUsers();
  ExpectWorks(*OpenEtcd(As("root", "secret")), "rooted");
  ExpectWorks(*OpenEtcd(As("ann", "word", "/team/a")), "anns");
}

TEST_F(EtcdUsers, AWrongPasswordAWrongUserAndNoneAreRefusedByTheirFlags) {
  EnableUsers();
  const auto refused = [&](const std::string& who) {
    return StatusIs(kUnauthenticated,
                    AllOf(HasSubstr(who), HasSubstr("--registry_username, --registry_password"),
                          HasSubstr(etcd_->address())));
  };
  const struct {
    Options options;
    std::string who;
  } kStrangers[] = {{As("root", "wrong"), "user \"root\""},
                    {As("nobody", "secret"), "user \"nobody\""},
                    {As("", ""), "who has no user"}};
  for (const auto& [options, who] : kStrangers) {
    const auto registry = OpenEtcd(options);
    EXPECT_THAT(Register(*registry, Record("strange"), absl::Seconds(60)), refused(who));
    EXPECT_THAT(Deregister(*registry, Record("strange")), refused(who));
    EXPECT_THAT(Get(*registry, "strange"), refused(who));
    EXPECT_THAT(BlockOn(registry->ListServices(Context())), refused(who));
    EXPECT_THAT(BlockOn(registry->Watch(Context(), {})), refused(who));
  }
}

TEST_F(EtcdUsers, WhatAUserHasNoRightToIsDenied) {
  EnableUsers();
  const auto registry = OpenEtcd(As("ann", "word"));
  const auto denied = StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("permission denied"));
  EXPECT_THAT(Register(*registry, Record("beyond"), absl::Seconds(60)), denied);
  EXPECT_THAT(Get(*registry, "beyond"), denied);
  EXPECT_THAT(BlockOn(registry->Watch(Context(), {})), denied);
}

TEST_F(EtcdUsers, TheEnvironmentNamesTheUserAsForGoMicro) {
  EnableUsers();
  setenv("ETCD_USERNAME", "root", 1);
  setenv("ETCD_PASSWORD", "secret", 1);
  const auto registry = OpenEtcd(As("", "")), other = OpenEtcd(As("ann", "word"));
  unsetenv("ETCD_USERNAME");
  unsetenv("ETCD_PASSWORD");
  ExpectWorks(*registry, "environment");
  EXPECT_THAT(Get(*other, "environment"), StatusIs(absl::StatusCode::kPermissionDenied))
      << "options come first";
}

TEST_F(EtcdUsers, AUserIsNoMistakeWhereNoneIsAskedForYet) {
  const auto registry = OpenEtcd(As("root", "secret"));
  ExpectWorks(*registry, "before");
  ASSERT_THAT(Register(*registry, Record("over"), absl::Seconds(2)), IsOk());
  const auto watcher = Watch(*registry, "over");
  EnableUsers();
  ExpectWorks(*registry, "after");
  ASSERT_THAT(Deregister(*registry, Record("over")), IsOk());
  EXPECT_EQ(Next(*watcher), Said("delete", Record("over")));
}

TEST_F(EtcdUsers, TokensThatEtcdNoLongerTakesAreGotAnew) {
  EnableUsers();
  const auto registry = OpenEtcd(As("root", "secret"));
  const auto watcher = Watch(*registry, "expired");
  ASSERT_THAT(Register(*registry, Record("expired"), absl::Seconds(6)), IsOk());
  EXPECT_EQ(Next(*watcher), Said("create", Record("expired")));
  // Longer than a token lives that is not used, and than the TTL.
  EXPECT_THAT(Next(*watcher, absl::Seconds(9)), HasSubstr("DEADLINE_EXCEEDED"));
  EXPECT_THAT(Get(*registry, "expired"), IsOk());
  ExpectWorks(*registry, "expired-too");
  // A restart forgets all tokens.
  etcd_->Kill();
  ASSERT_THAT(etcd_->Start(), IsOk());
  EXPECT_TRUE(Eventually([&] { return Get(*registry, "expired").ok(); }));
  ExpectWorks(*registry, "expired-again");
  ASSERT_THAT(Deregister(*registry, Record("expired")), IsOk());
  EXPECT_EQ(Next(*watcher), Said("delete", Record("expired")));
}

// One authority that etcd and its clients trust, and another.
class EtcdTls : public testing::Test {
 protected:
  EtcdTls()
      : authority_("authority"),
        stranger_("stranger"),
        server_(authority_.Sign("etcd", "DNS:etcd.test,IP:127.0.0.1")),
        client_(authority_.Sign("client", "DNS:client.test")),
        other_(stranger_.Sign("client", "DNS:client.test")) {}

  absl::Status Ask(const Options& options) {
    const auto registry = OpenEtcd(options);
    const absl::StatusOr<std::vector<Service>> found = Get(*registry, "secure");
    if (!found.ok() && !absl::IsNotFound(found.status())) return found.status();
    const auto watcher = Watch(*registry, "secure");
    EXPECT_THAT(Register(*registry, Record("secure"), absl::Seconds(60)), IsOk());
    EXPECT_EQ(Next(*watcher), Said("create", Record("secure")));
    return Deregister(*registry, Record("secure"));
  }

  const CertificateAuthority authority_, stranger_;
  const Certificate server_, client_, other_;
};

TEST_F(EtcdTls, IsTrustedByItsAuthorityAlone) {
  const auto etcd = NewEtcd({.cert_file = server_.cert, .key_file = server_.key});
  EXPECT_THAT(Ask({.addresses = {etcd->address()}, .tls_ca = authority_.cert()}), IsOk());
  EXPECT_THAT(Ask({.addresses = {"https://" + etcd->address()}, .tls_ca = authority_.cert()}),
              IsOk());
  for (const Options& options :
       {Options{.addresses = {etcd->address()}, .tls_ca = stranger_.cert()},
        Options{.addresses = {etcd->address()}, .tls = true},  // the system's authorities
        Options{.addresses = {"https://" + etcd->address()}},  // so here
        Options{.addresses = {etcd->address()}},               // in plain text
        Options{.addresses = {"http://" + etcd->address()}}}) {
    EXPECT_THAT(Ask(options), StatusIs(kUnavailable, HasSubstr("--registry_address")));
  }
}

TEST_F(EtcdTls, TheNameOnTheCertificateCounts) {
  const auto etcd = NewEtcd({.cert_file = server_.cert, .key_file = server_.key});
  EXPECT_THAT(Ask({.addresses = {etcd->address()},
                   .tls_ca = authority_.cert(),
                   .tls_server_name = "etcd.test"}),
              IsOk());
  EXPECT_THAT(Ask({.addresses = {etcd->address()},
                   .tls_ca = authority_.cert(),
                   .tls_server_name = "other.test"}),
              StatusIs(kUnavailable));
}

TEST_F(EtcdTls, MayAskForAClientsCertificate) {
  const auto etcd = NewEtcd(
      {.cert_file = server_.cert, .key_file = server_.key, .trusted_ca_file = authority_.cert()});
  EXPECT_THAT(Ask({.addresses = {etcd->address()},
                   .tls_ca = authority_.cert(),
                   .tls_cert = client_.cert,
                   .tls_key = client_.key}),
              IsOk());
  EXPECT_THAT(Ask({.addresses = {etcd->address()}, .tls_ca = authority_.cert()}),
              StatusIs(kUnavailable));
  EXPECT_THAT(Ask({.addresses = {etcd->address()},
                   .tls_ca = authority_.cert(),
                   .tls_cert = other_.cert,
                   .tls_key = other_.key}),
              StatusIs(kUnavailable));
}

}  // namespace
}  // namespace micro::registry
