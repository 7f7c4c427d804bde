// Traffic rules that are edited while calls run, and a canary that fails. chaos.h tells how.
#include <gmock/gmock.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <fstream>

#include "tests/integration/chaos.h"

namespace micro {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class ChaosTraffic : public ChaosNodes {
 protected:
  const std::string file_ = testing::TempDir() + "/rules.yaml";

  // The rules, and where these weights of versions 1.0.0 and 2.0.0 stand. When they were written.
  absl::Time Rule(const std::string& first, const std::string& second) const {
    std::ofstream(file_) << "services:\n"
                            "  helloworld:\n"
                            "    rules:\n"
                            "      - name: canary\n"
                            "        route:\n"
                            "          - {version: 1.0.0, weight: "
                         << first
                         << "}\n"
                            "          - {version: 2.0.0, weight: "
                         << second << "}\n";
    return absl::Now();
  }

  std::unique_ptr<Load> Routed(const std::vector<std::string>& flags = {}) const {
    return Calls(300, With({"--traffic_rules=" + file_, "--timeline=100ms"}, flags));
  }
  std::unique_ptr<SpawnedGreeter> Canary(const std::vector<std::string>& flags = {}) const {
    return Node(With({"--server_id=canary", "--server_version=2.0.0"}, flags));
  }
};

constexpr char kCanary[] = "helloworld-canary";

// Of the attempts between two moments, those on the canary.
double CanarysShare(const Count& count, absl::Time from, absl::Time to) {
  double canary = 0, all = 0;
  for (const Count::Period& period : count.timeline) {
    if (period.began < from || period.began >= to) continue;
    for (const auto& [node, attempts] : period.attempts) {
      all += static_cast<double>(attempts);
      if (node == kCanary) canary += static_cast<double>(attempts);
    }
  }
  EXPECT_GT(all, 0);
  return canary / all;
}

INSTANTIATE_TEST_SUITE_P(Wires, ChaosTraffic, testing::Values("grpc", "rpc"), WireName);

TEST_P(ChaosTraffic, ABadCanaryFailsNoCallOnceTheRulesLeaveItOut) {
  const auto one = Node(), two = Node(), three = Node();
  const auto canary = Canary({"--faulty", "--fail_percent=100", "--fail_code=500"});
  Rule("90", "10");
  const auto without = Routed({"--client_retries=0", "--selector_ejection=false"});
  const auto with = Routed({"--client_retries=0"});
  const absl::Time calling = absl::Now();
  Wait(4);
  const absl::Time edited = Rule("100", "0");
  Wait(2);
  const Count off = without->Finish(), on = with->Finish();
  absl::Time seen = edited;
  for (const Count::Period& period : off.timeline) {
    if (period.attempts.contains(kCanary))
      seen = std::max(seen, period.began + absl::Milliseconds(100));
  }
  PrintFigure(Named("bad_canary_share"), 100 * CanarysShare(off, calling, edited), "%");
  PrintFigure(Named("bad_canary_failed"), static_cast<double>(off.failed), "of_1200");
  PrintFigure(Named("bad_canary_failed_with_ejection"), static_cast<double>(on.failed), "of_1200");
  PrintFigure(Named("edit_of_rules_seen_after"), absl::ToDoubleSeconds(seen - edited), "s");
  EXPECT_EQ(off.failed, off.nodes.at(kCanary).failed);
  EXPECT_GT(off.failed, 40);
  EXPECT_EQ(off.timeline.back().failed, 0);
  EXPECT_FALSE(off.timeline.back().attempts.contains(kCanary));
  // Left out, its part of the calls goes to the other version.
  EXPECT_GE(on.failed, 5);
  EXPECT_LT(on.failed * 2, off.failed);
}

TEST_P(ChaosTraffic, ACanaryThatIsWellAgainGetsItsShareAgain) {
  const auto one = Node(), two = Node(), three = Node();
  const auto canary = Canary({"--faulty", "--fail_percent=100", "--fail_code=500"});
  Rule("70", "30");
  const auto load = Routed({"--client_retries=0"});
  Wait(2);
  canary->Signal(SIGUSR2);
  Wait(6);
  const Count count = load->Finish();
  const absl::Time end = count.timeline.back().began;
  const double share = CanarysShare(count, end - absl::Seconds(3), end);
  PrintFigure(Named("canary_well_again_share"), 100 * share, "%");
  EXPECT_GE(count.failed, 5);
  EXPECT_GT(share, 0.2);
  EXPECT_LT(share, 0.4);
}

TEST_P(ChaosTraffic, WrongRulesFailNoCallAndTheLastGoodOnesStay) {
  const auto one = Node(), canary = Canary();
  Rule("70", "30");
  const auto load = Routed();
  Wait(1);
  const absl::Time broken = Rule("70", "much");
  Wait(2.5);
  const absl::Time mended = Rule("30", "70");
  Wait(3);
  const Count count = load->Finish();
  const absl::Time end = count.timeline.back().began;
  const double wrong = CanarysShare(count, broken, mended),
               last = CanarysShare(count, end - absl::Seconds(2), end);
  PrintFigure(Named("wrong_rules_share_of_30"), 100 * wrong, "%");
  PrintFigure(Named("good_rules_share_of_70"), 100 * last, "%");
  EXPECT_EQ(count.failed, 0);
  EXPECT_GT(wrong, 0.2);
  EXPECT_LT(wrong, 0.4);
  EXPECT_GT(last, 0.6);
  EXPECT_LT(last, 0.8);
  const std::string error = file_ + ":7: services.helloworld.rules[0].route[1].weight: expected";
  EXPECT_THAT(count.log, HasSubstr(error));
  EXPECT_THAT(count.log.substr(count.log.find(error) + error.size()), Not(HasSubstr(file_)));
}

}  // namespace
}  // namespace micro
