#include "registry/consul/consul_address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "core/testing/status_matchers.h"

namespace micro::registry::consul {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

std::string Url(std::string_view text, bool tls = false) {
  const auto address = ParseAddress(text, tls);
  return address.ok() ? address->url() : std::string(address.status().message());
}

TEST(ConsulAddress, MayBeAHostWithOrWithoutSchemeAndPort) {
  EXPECT_EQ(Url("consul"), "http://consul:8500");
  EXPECT_EQ(Url("10.0.0.1:80"), "http://10.0.0.1:80");
  EXPECT_EQ(Url("http://consul"), "http://consul:8500");
  EXPECT_EQ(Url("http://consul:8600/"), "http://consul:8600");
  EXPECT_EQ(Url("https://consul"), "https://consul:8501");
  EXPECT_EQ(Url("https://consul:443"), "https://consul:443");
}

TEST(ConsulAddress, IsAskedOverTlsWhereTheFlagsSaySo) {
  EXPECT_EQ(Url("consul", true), "https://consul:8501");
  EXPECT_EQ(Url("https://consul:1", true), "https://consul:1");
  EXPECT_THAT(ParseAddress("http://consul", true), StatusIs(kInvalid, HasSubstr("TLS")));
}

TEST(ConsulAddress, MayBeIpv6) {
  EXPECT_EQ(Url("[::1]"), "http://[::1]:8500");
  EXPECT_EQ(Url("[::1]:80"), "http://[::1]:80");
  EXPECT_EQ(Url("::1"), "http://[::1]:8500");
  EXPECT_EQ(Url("https://[fd00::1]:80"), "https://[fd00::1]:80");
}

TEST(ConsulAddress, RefusesWhatIsNone) {
  for (const char* text : {"", "http://", ":80", "[]:80", "[::1", "[::1]x:80", "host:", "host:0",
                           "host:65536", "host:80x", "host/path", "http://host/consul",
                           "unix:///run/consul.sock", "user@host", "a b"}) {
    EXPECT_THAT(ParseAddress(text, false),
                StatusIs(kInvalid, AllOf(HasSubstr("--registry_address"), HasSubstr(text))));
  }
}

TEST(ConsulAddress, ComesFromTheEnvironmentWhenNoneIsGiven) {
  const Options none, own{.addresses = {"a", "b:1"}, .token = "own"};
  EXPECT_THAT(*AddressesOf(none), ElementsAre(Address{.host = "127.0.0.1", .port = 8500}));
  EXPECT_EQ(TokenOf(none), "");
  setenv("CONSUL_HTTP_ADDR", "https://consul:1", 1);
  setenv("CONSUL_HTTP_TOKEN", "token", 1);
  EXPECT_THAT(*AddressesOf(none), ElementsAre(Address{.tls = true, .host = "consul", .port = 1}));
  EXPECT_EQ(TokenOf(none), "token");
  EXPECT_THAT(*AddressesOf(own),
              ElementsAre(Address{.host = "a", .port = 8500}, Address{.host = "b", .port = 1}));
  EXPECT_EQ(TokenOf(own), "own");
  unsetenv("CONSUL_HTTP_ADDR");
  unsetenv("CONSUL_HTTP_TOKEN");
}

TEST(ConsulAddress, NamesAreEscapedInUrls) {
  EXPECT_EQ(Escape("greeter-1.0_a~b"), "greeter-1.0_a~b");
  EXPECT_EQ(Escape("a/b c?d&e#f%g+\xc3\xb6:"), "a%2Fb%20c%3Fd%26e%23f%25g%2B%C3%B6%3A");
}

TEST(ConsulAddress, SomeNamesCannotBeAskedFor) {
  for (const char* name : {"greeter", "a/b", "...", "a..b", ".a"}) EXPECT_TRUE(FitsPath(name));
  for (const char* name : {"", ".", "..", "a//b", "/a", "a/", "a/../b"})
    EXPECT_FALSE(FitsPath(name)) << name;
}

}  // namespace
}  // namespace micro::registry::consul
