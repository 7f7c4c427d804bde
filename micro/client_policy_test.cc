// Which policy is found for a call. What the client makes of it is tested in
// tests/integration/policy_test.cc.
#include "micro/client_policy.h"

#include <gtest/gtest.h>

namespace micro {
namespace {

TEST(ClientPolicies, SayNothingOfServicesThatNobodySpokeOf) {
  EXPECT_EQ(ClientPolicies().Of("greeter", "Greeter.Hello"), nullptr);
  const ClientPolicies others({{"weather", {.calls = {.retries = 1}}}});
  EXPECT_EQ(others.Of("greeter", "Greeter.Hello"), nullptr);
}

TEST(ClientPolicies, PutTheEndpointsBeforeItsServices) {
  const ClientPolicies policies(
      {{"greeter",
        {.calls = {.request_timeout = absl::Seconds(1), .retries = 1},
         .endpoints = {{"Greeter.Hello", {.retries = 2, .hedge_after = absl::Milliseconds(3)}}}}}});
  const auto hello = policies.Of("greeter", "Greeter.Hello");
  EXPECT_EQ(hello->retries, 2);
  EXPECT_EQ(hello->hedge_after, absl::Milliseconds(3));
  EXPECT_EQ(hello->request_timeout, absl::Seconds(1));
  EXPECT_EQ(hello->connection_timeout, std::nullopt);
  const auto other = policies.Of("greeter", "Greeter.Sleep");
  EXPECT_EQ(other->retries, 1);
  EXPECT_EQ(other->hedge_after, std::nullopt);
}

TEST(ClientPolicies, CompleteEveryFieldOfAnEndpoint) {
  const CallPolicy all = {.request_timeout = absl::Seconds(1),
                          .connection_timeout = absl::Seconds(2),
                          .stream_timeout = absl::Seconds(3),
                          .retries = 4,
                          .hedge_after = absl::Seconds(5),
                          .max_hedges = 6,
                          .backoff = [](const Request&, int) { return absl::Seconds(7); },
                          .retry = [](const Request&, int, const absl::Status&) { return true; }};
  const ClientPolicies policies(
      {{"greeter", {.calls = all, .endpoints = {{"Greeter.Hello", {}}}}}});
  const auto hello = policies.Of("greeter", "Greeter.Hello");
  EXPECT_EQ(hello->request_timeout, all.request_timeout);
  EXPECT_EQ(hello->connection_timeout, all.connection_timeout);
  EXPECT_EQ(hello->stream_timeout, all.stream_timeout);
  EXPECT_EQ(hello->retries, all.retries);
  EXPECT_EQ(hello->hedge_after, all.hedge_after);
  EXPECT_EQ(hello->max_hedges, all.max_hedges);
  EXPECT_EQ(hello->backoff({}, 0), absl::Seconds(7));
  EXPECT_TRUE(hello->retry({}, 0, absl::OkStatus()));
}

TEST(ClientPolicies, AreReplacedWholeWhileWhoHasOneKeepsIt) {
  ClientPolicies policies({{"greeter", {.calls = {.retries = 1}}}});
  const auto before = policies.Of("greeter", "Greeter.Hello");
  policies.Replace({{"weather", {.calls = {.retries = 2}}}});
  EXPECT_EQ(before->retries, 1);
  EXPECT_EQ(policies.Of("greeter", "Greeter.Hello"), nullptr);
  EXPECT_EQ(policies.Of("weather", "Weather.Ask")->retries, 2);
}

}  // namespace
}  // namespace micro
