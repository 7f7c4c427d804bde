#include "selector/report_text.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace micro::selector {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'795'247'441);

TEST(ReportText, TellsOfServiceNodesAndRulesInALineEach) {
  const Report report{.service = "helloworld",
                      .strategy = "p2c",
                      .age = absl::Milliseconds(1234),
                      .nodes = {{.id = "a",
                                 .address = "10.0.0.1:80",
                                 .version = "1.0.0",
                                 .locality = "eu/a",
                                 .weight = 2.5,
                                 .in_flight = 3,
                                 .calls = 12,
                                 .latency = absl::Nanoseconds(12'345'678),
                                 .state = "usable"},
                                {.id = "b",
                                 .address = "10.0.0.2:80",
                                 .version = "2.0.0",
                                 .state = "ejected",
                                 .ejection = Ejection{.since = kNow - absl::Seconds(67),
                                                      .until = kNow + absl::Seconds(8),
                                                      .why = "5 failures in a row",
                                                      .times = 3}},
                                {.id = "c",
                                 .address = "10.0.0.3:80",
                                 .state = "on trial",
                                 .ejection = Ejection{.since = kNow - absl::Seconds(4),
                                                      .until = kNow - absl::Seconds(1),
                                                      .why = "refused",
                                                      .times = 1}}},
                      .rules = {{.name = "testers",
                                 .when = "X-Canary is true",
                                 .routes = {{.version = "2.0.0", .weight = 1, .nodes = 1}}},
                                {.name = "canary",
                                 .routes = {{.version = "1.0.0", .weight = 90, .nodes = 2},
                                            {.version = "2.0.0", .weight = 10, .nodes = 0}}}}};
  EXPECT_EQ(ToText(report, kNow),
            "service helloworld: strategy p2c, 3 nodes, confirmed 1.2s ago, registry ok\n"
            "node a 10.0.0.1:80 version=1.0.0 locality=eu/a weight=2.5 in_flight=3 calls=12 "
            "latency=12.3ms usable\n"
            "node b 10.0.0.2:80 version=2.0.0 locality=- weight=1 in_flight=0 calls=0 latency=- "
            "ejected 1m7s ago (3 times in a row), tried again in 8s: 5 failures in a row\n"
            "node c 10.0.0.3:80 version=- locality=- weight=1 in_flight=0 calls=0 latency=- "
            "on trial, ejected 4s ago, the next call tries it: refused\n"
            "rule testers, when X-Canary is true: version 2.0.0 weight 1 (1 node)\n"
            "rule canary, always: version 1.0.0 weight 90 (2 nodes), version 2.0.0 weight 10 (0 "
            "nodes)\n");
}

TEST(ReportText, SaysWhyTheRegistryDoesNotAnswer) {
  const Report report{.service = "helloworld",
                      .strategy = "random",
                      .age = absl::Minutes(3),
                      .registry_status = absl::UnavailableError("refused")};
  EXPECT_EQ(ToText(report, kNow),
            "service helloworld: strategy random, 0 nodes, confirmed 3m ago, the registry does not "
            "answer: refused\n");
}

TEST(ReportText, KeepsOnALineWhatWantsToLeaveIt) {
  const Report report{.service = "s", .strategy = "random", .nodes = {{.id = "a\nnode b\x1b[2J"}}};
  const std::string text = ToText(report, kNow);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
  EXPECT_NE(text.find("a\\u000anode b\\u001b[2J"), std::string::npos) << text;
}

}  // namespace
}  // namespace micro::selector
