#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "core/testing/certificates.h"
#include "due/locate/redis/redis_test_words.h"

namespace due {
namespace {

using absl::StatusCode;
using micro::IsOk;
using micro::StatusIs;
using testing::HasSubstr;

TEST(RedisTls, SpeaksTlsWithItsOwnCertificate) {
  const micro::CertificateAuthority authority("redis-ca"), stranger("other-ca");
  const micro::Certificate server = authority.Sign("redis", "IP:127.0.0.1");
  const micro::Certificate own = authority.Sign("gate", "DNS:gate");
  const auto redis = NewRedis(
      {.cert_file = server.cert, .key_file = server.key, .trusted_ca_file = authority.cert()});
  LocatorOptions options = {.addresses = {redis->address()},
                            .ca_file = authority.cert(),
                            .cert_file = own.cert,
                            .key_file = own.key};
  const auto locator = OpenRedis(options);
  const auto watcher = BlockOn(locator->Watch({}, {}));
  ASSERT_THAT(watcher.status(), IsOk());
  EXPECT_THAT(BlockOn(locator->BindGate({}, 1, std::string(100'000, 'g'))), IsOk());
  EXPECT_EQ(BlockOn(locator->LocateGate({}, 1))->size(), 100'000u);
  options.ca_file = stranger.cert();
  EXPECT_THAT(BlockOn(OpenRedis(options)->LocateGate({}, 1)).status(),
              StatusIs(StatusCode::kUnavailable, HasSubstr(redis->address())));
  EXPECT_THAT(BlockOn(OpenRedis({.addresses = {redis->address()}})->LocateGate({}, 1)).status(),
              StatusIs(StatusCode::kUnavailable, HasSubstr(redis->address())));
}

}  // namespace
}  // namespace due
