#include "core/nats/nats_address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "core/testing/status_matchers.h"

namespace micro::nats {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

TEST(NatsAddress, ReadsHostsAndPorts) {
  EXPECT_THAT(ParseAddress("10.0.0.7:4333"),
              IsOkAndHolds(Address{.host = "10.0.0.7", .port = 4333}));
  EXPECT_THAT(ParseAddress("nats://example.com:1/"),
              IsOkAndHolds(Address{"example.com", 1, false}));
  EXPECT_THAT(ParseAddress("tls://example.com"), IsOkAndHolds(Address{"example.com", 4222, true}));
  EXPECT_THAT(ParseAddress("[::1]:4333"), IsOkAndHolds(Address{.host = "::1", .port = 4333}));
  EXPECT_EQ(ParseAddress("nats://[fe80::1]")->text(), "[fe80::1]:4222");
}

TEST(NatsAddress, RefusesAllElse) {
  for (const char* text : {"", ":4222", "nats://", "http://a:1", "a:", "a:b", "a:0", "a:65536",
                           "a:1x", "a:1:2", "[::1", "[::1]4222", "a b:1", "a/b:1", "a,b:1"}) {
    EXPECT_THAT(ParseAddress(text),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is not host:port")))
        << text;
  }
}

TEST(NatsAddress, KeepsASecretOutOfItsMessage) {
  EXPECT_THAT(ParseAddress("nats://ann:hush@example.com"),
              StatusIs(absl::StatusCode::kInvalidArgument, Not(HasSubstr("hush"))));
}

TEST(NatsAddress, ComeFromTheEnvironmentWhenNoneIsGiven) {
  unsetenv("MICRO_NATS_ADDRESS");
  EXPECT_THAT(ParseAddresses({}), IsOkAndHolds(ElementsAre(Address{.host = "127.0.0.1"})));
  setenv("MICRO_NATS_ADDRESS", "nats://one:1, two:2", 1);
  EXPECT_THAT(ParseAddresses({}), IsOkAndHolds(ElementsAre(Address{.host = "one", .port = 1},
                                                           Address{.host = "two", .port = 2})));
  EXPECT_THAT(ParseAddresses({"three"}), IsOkAndHolds(ElementsAre(Address{.host = "three"})));
  unsetenv("MICRO_NATS_ADDRESS");
}

}  // namespace
}  // namespace micro::nats
