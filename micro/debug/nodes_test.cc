#include "micro/debug/nodes.h"

#include <gtest/gtest.h>

#include "selector/report_text.h"

namespace micro {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'795'247'441);

selector::Report Full() {
  return {.service = "helloworld",
          .strategy = "p2c",
          .age = absl::Milliseconds(1500),
          .registry_status = absl::UnavailableError("refused"),
          .nodes = {{.id = "a",
                     .address = "10.0.0.1:80",
                     .version = "1.0.0",
                     .locality = "eu/a",
                     .weight = 2.5,
                     .in_flight = 3,
                     .calls = 12,
                     .latency = absl::Milliseconds(7),
                     .state = "usable"},
                    {.id = "b",
                     .address = "10.0.0.2:80",
                     .state = "ejected",
                     .ejection = selector::Ejection{.since = kNow - absl::Seconds(7),
                                                    .until = kNow + absl::Seconds(8),
                                                    .why = "5 failures in a row",
                                                    .times = 3}}},
          .rules = {{.name = "canary",
                     .when = "endpoint Greeter.Hello",
                     .routes = {{.version = "1.0.0", .weight = 9, .nodes = 1}}}}};
}

TEST(NodesMessage, TellsAllOfAReportOnAClockOfItsOwn) {
  const absl::Time there = kNow + absl::Hours(5);
  EXPECT_EQ(ToText(FromMessage(ToMessage(Full(), kNow), there), there), ToText(Full(), kNow));
}

TEST(NodesMessage, HoldsNothingButUtf8) {
  selector::Report report = Full();
  report.nodes[0].id = "a\xff";
  report.registry_status = absl::UnavailableError("\xff");
  const debug::NodesResponse message = ToMessage(report, kNow);
  EXPECT_EQ(message.nodes(0).id(), "a\xef\xbf\xbd");
  EXPECT_EQ(message.registry_error(), "\xef\xbf\xbd");
}

TEST(NodesMessage, IsReadWithTimesThatNobodyMeant) {
  debug::NodesResponse message = ToMessage(Full(), kNow);
  message.mutable_nodes(1)->mutable_ejection()->set_since(INT64_MIN);
  message.mutable_nodes(1)->mutable_ejection()->set_until(INT64_MAX);
  message.set_age(INT64_MIN);
  EXPECT_FALSE(ToText(FromMessage(message, kNow), kNow).empty());
}

}  // namespace
}  // namespace micro
