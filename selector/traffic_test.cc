#include "selector/traffic.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "core/testing/status_matchers.h"

namespace micro::selector {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kFile[] = R"(# All there is.
services:
  greeter:
    rules:
      - name: testers
        match: {X-Canary: "true", X-User: {prefix: test-}, X-Team: {present: true}, X-Bot: {present: false}}
        route: {version: 2.0.0}
      - endpoint: Greeter.Hello
        by: X-User
        route:
          - {version: 1.0.0, weight: 90}
          - {version: 2.0.0, weight: 10}
  other: {}
)";

Metadata Of(const std::map<std::string, std::string>& pairs) {
  Metadata metadata;
  for (const auto& [key, value] : pairs) metadata.Set(key, value);
  return metadata;
}

TEST(Traffic, ReadsAllThatMayStandInAFile) {
  const auto rules = ParseTraffic(kFile, "traffic.yaml");
  ASSERT_THAT(rules, IsOk());
  ASSERT_EQ(rules->services.size(), 1u);
  const std::vector<TrafficRule>& greeter = rules->services.at("greeter");
  ASSERT_EQ(greeter.size(), 2u);
  EXPECT_EQ(greeter[0].name, "testers");
  ASSERT_EQ(greeter[0].routes.size(), 1u);
  EXPECT_EQ(greeter[0].routes[0].version, "2.0.0");
  EXPECT_EQ(greeter[1].name, "rule 2");
  EXPECT_EQ(greeter[1].routes.at(0).weight, 90);
  EXPECT_EQ(greeter[1].routes.at(1).version, "2.0.0");
}

TEST(Traffic, AppliesWhereAllMatchesHold) {
  const auto rules = ParseTraffic(kFile, "traffic.yaml");
  const TrafficRule& testers = rules->services.at("greeter")[0];
  const std::map<std::string, std::string> all = {
      {"x-canary", "true"}, {"X-User", "test-ann"}, {"X-Team", "red"}};
  const Metadata whole = Of(all);
  EXPECT_TRUE(testers.Applies("Greeter.Any", &whole));
  for (const auto& [key, value] : all) {
    auto less = all;
    less.erase(key);
    const Metadata part = Of(less);
    EXPECT_FALSE(testers.Applies("Greeter.Any", &part)) << key;
  }
  for (const auto& [key, value] : std::map<std::string, std::string>{
           {"X-Canary", "false"}, {"X-User", "ann"}, {"X-Bot", "yes"}}) {
    auto other = all;
    other.erase("x-canary");
    other["X-Canary"] = "true";
    other[key] = value;
    const Metadata changed = Of(other);
    EXPECT_FALSE(testers.Applies("Greeter.Any", &changed)) << key;
  }
  EXPECT_FALSE(testers.Applies("Greeter.Any", nullptr));
}

TEST(Traffic, SaysWhenARuleApplies) {
  const auto rules = ParseTraffic(kFile, "traffic.yaml");
  EXPECT_EQ(rules->services.at("greeter")[0].When(),
            "X-Canary is true, X-User begins with test-, X-Team is there, X-Bot is not there");
  EXPECT_EQ(rules->services.at("greeter")[1].When(), "endpoint Greeter.Hello");
}

TEST(Traffic, AppliesToTheEndpointThatItNames) {
  const auto rules = ParseTraffic(kFile, "traffic.yaml");
  const TrafficRule& rule = rules->services.at("greeter")[1];
  EXPECT_TRUE(rule.Applies("Greeter.Hello", nullptr));
  EXPECT_FALSE(rule.Applies("Greeter.Bye", nullptr));
}

TEST(Traffic, GivesTheSameUserTheSameLot) {
  const auto rules = ParseTraffic(kFile, "traffic.yaml");
  const TrafficRule& rule = rules->services.at("greeter")[1];
  int low = 0;
  for (int i = 0; i < 1000; ++i) {
    const Metadata user = Of({{"X-User", "user-" + std::to_string(i)}});
    const double lot = rule.LotOf(&user);
    EXPECT_EQ(rule.LotOf(&user), lot);
    EXPECT_TRUE(lot >= 0 && lot < 1) << lot;
    low += lot < 0.1 ? 1 : 0;
  }
  EXPECT_NEAR(low, 100, 50);
}

TEST(Traffic, AnEmptyFileHasNoRules) {
  for (const char* text : {"", "# none\n", "services:\n  {}\n", "{}"}) {
    const auto rules = ParseTraffic(text, "traffic.yaml");
    ASSERT_THAT(rules, IsOk()) << text;
    EXPECT_TRUE(rules->services.empty()) << text;
  }
}

TEST(Traffic, SaysWhereAFileIsWrong) {
  const auto error = [](const std::string& text) {
    const absl::Status status = ParseTraffic(text, "traffic.yaml").status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << text;
    return std::string(status.message());
  };
  const std::string rule = "services:\n  greeter:\n    rules:\n      - route:\n";
  EXPECT_EQ(error(rule + "          - {version: 1.0.0, weight: many}\n"),
            "traffic.yaml:5: services.greeter.rules[0].route[0].weight: expected a number from 0 "
            "to 1000000");
  for (const char* weight : {"-1", "1e7", "nan", "inf", "1x", "[1]"}) {
    EXPECT_THAT(error(rule + "          - {version: 1.0.0, weight: " + weight + "}\n"),
                HasSubstr("route[0].weight: expected a number"))
        << weight;
  }
  EXPECT_THAT(error(rule + "          - {weight: 1}\n"),
              HasSubstr(":5: services.greeter.rules[0]"
                        ".route[0]: expected a version"));
  EXPECT_THAT(error(rule + "          - {version: 1.0.0, weight: 0}\n"),
              HasSubstr("expected a weight above 0"));
  EXPECT_THAT(error(rule + "          []\n"), HasSubstr("rules[0].route: expected"));
  EXPECT_EQ(error("services:\n  greeter:\n    rules:\n      - match: {A: b}\n"),
            "traffic.yaml:4: services.greeter.rules[0]: expected a route");
  EXPECT_EQ(error("services:\n  greeter:\n    rule: []\n"),
            "traffic.yaml:3: services.greeter.rule: expected one of the keys rules");
  EXPECT_THAT(error("services: [greeter]\n"),
              StartsWith("traffic.yaml:1: services: expected keys and values"));
  EXPECT_THAT(error("services:\n  greeter:\n    rules: {}\n"), HasSubstr("expected a list"));
  EXPECT_THAT(error("services:\n  greeter:\n    rules:\n    - match: {A: {like: b}}\n      route: "
                    "{version: v}\n"),
              HasSubstr("match.A.like: expected one of the keys exact, prefix, present"));
  EXPECT_THAT(error("services:\n  greeter: [\n"), HasSubstr("is no YAML"));
  EXPECT_THAT(error("services:\n\tgreeter: 1\n"), StartsWith("traffic.yaml:2: is no YAML"));
  EXPECT_THAT(error("just text"), HasSubstr("expected keys and values"));
}

TEST(Traffic, BoundsWhatAFileMayHold) {
  EXPECT_THAT(ParseTraffic(std::string(2 << 20, '#'), "traffic.yaml").status().message(),
              HasSubstr("larger than 1 MiB"));
  EXPECT_THAT(ParseTraffic(std::string(100'000, '['), "traffic.yaml"),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ParseTraffic(std::string(100'000, '{'), "traffic.yaml"),
              StatusIs(absl::StatusCode::kInvalidArgument));
  std::string rules = "services:\n  greeter:\n    rules:\n";
  for (int i = 0; i < 1001; ++i) rules += "    - route: {version: v}\n";
  EXPECT_THAT(ParseTraffic(rules, "traffic.yaml"), StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace micro::selector
