#include "micro/address.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/testing/status_matchers.h"

namespace micro {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(ListenAddress, IsReadFromHostAndPort) {
  const struct {
    const char *text, *host;
    int first, last;
  } cases[] = {
      {"127.0.0.1:8080", "127.0.0.1", 8080, 8080},
      {"localhost:1", "localhost", 1, 1},
      {":0", "", 0, 0},
      {":65535", "", 65535, 65535},
      {"0.0.0.0:80", "0.0.0.0", 80, 80},
      {"[::1]:80", "::1", 80, 80},
      {"[::]:0", "::", 0, 0},
      {"127.0.0.1:8000-8010", "127.0.0.1", 8000, 8010},
      {":8000-8000", "", 8000, 8000},
      {"[fe80::1]:1-65535", "fe80::1", 1, 65535},
  };
  for (const auto& c : cases) {
    const auto address = ParseListenAddress(c.text);
    ASSERT_THAT(address, IsOk());
    EXPECT_EQ(address->host, c.host) << c.text;
    EXPECT_EQ(address->first_port, c.first) << c.text;
    EXPECT_EQ(address->last_port, c.last) << c.text;
  }
}

TEST(ListenAddress, IsRefusedWithTheTextTheReasonAndTheFlag) {
  const struct {
    const char *text, *why;
  } cases[] = {
      {"", "has no port"},
      {"localhost", "has no port"},
      {"localhost:", "has a port that is not in 0 … 65535"},
      {"localhost:http", "has a port that is not in 0 … 65535"},
      {"localhost:65536", "has a port that is not in 0 … 65535"},
      {"localhost:-1", "has a port that is not in 0 … 65535"},
      {"localhost:80 ", "has a port that is not in 0 … 65535"},
      {"localhost:+80", "has a port that is not in 0 … 65535"},
      {"localhost:80-", "has a port that is not in 0 … 65535"},
      {"localhost:80-x", "has a port that is not in 0 … 65535"},
      {"localhost:80-79", "has an empty port range"},
      {"localhost:0-80", "has an empty port range"},
      {"::1:80", "has an IPv6 host without brackets"},
  };
  for (const auto& c : cases) {
    EXPECT_THAT(ParseListenAddress(c.text),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr(std::string("\"") + c.text + "\" " + c.why),
                               HasSubstr("(flag --server_address)"))));
  }
}

TEST(JoinHostPort, PutsAnIpv6HostInBrackets) {
  EXPECT_EQ(JoinHostPort("127.0.0.1", 80), "127.0.0.1:80");
  EXPECT_EQ(JoinHostPort("greeter.example", 0), "greeter.example:0");
  EXPECT_EQ(JoinHostPort("::1", 80), "[::1]:80");
  EXPECT_EQ(JoinHostPort("", 80), ":80");
}

TEST(AdvertisedHost, IsTheHostThatWasGiven) {
  EXPECT_EQ(AdvertisedHost("192.0.2.7"), "192.0.2.7");
  EXPECT_EQ(AdvertisedHost("greeter.example"), "greeter.example");
  EXPECT_EQ(AdvertisedHost("::1"), "::1");
}

TEST(AdvertisedHost, IsAnAddressOfThisMachineForAllInterfaces) {
  for (const std::string host : {"", "0.0.0.0", "::"}) {
    const std::string advertised = AdvertisedHost(host);
    in6_addr ip;
    EXPECT_TRUE(inet_pton(AF_INET, advertised.c_str(), &ip) == 1 ||
                inet_pton(AF_INET6, advertised.c_str(), &ip) == 1)
        << advertised;
    EXPECT_NE(advertised, "0.0.0.0");
    EXPECT_NE(advertised, "::");
  }
}

}  // namespace
}  // namespace micro
