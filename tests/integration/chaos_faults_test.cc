// Nodes that answer late or with errors, under load. chaos.h tells how.
#include <gmock/gmock.h>

#include <algorithm>
#include <csignal>
#include <cstdio>

#include "tests/integration/chaos.h"

namespace micro {
namespace {

INSTANTIATE_TEST_SUITE_P(Wires, ChaosNodes, testing::Values("grpc", "rpc"), WireName);

TEST_P(ChaosNodes, ANodeThatFailsIsLeftOut) {
  const auto one = Node(), other = Node();
  const auto bad = Node({"--faulty", "--fail_percent=30", "--fail_code=500"});
  const auto without = Calls(400, {"--selector_ejection=false", "--client_retries=0"});
  const auto with = Calls(400, {"--client_retries=0"});
  Wait(5);
  const Count off = without->Finish(), on = with->Finish();
  EXPECT_GT(off.failed, 100);
  EXPECT_LT(on.failed * 2, off.failed);
}

TEST_P(ChaosNodes, RetriesDoNotMakeAStormOfAnOutage) {
  std::vector<std::unique_ptr<SpawnedGreeter>> nodes(3);
  for (auto& node : nodes) node = Node({"--fail_percent=100", "--fail_code=503"});
  const auto load = Calls(400, {"--client_retries=3", "--client_retry=always", "--timeline=100ms"});
  Wait(1);
  for (const auto& node : nodes) node->Signal(SIGUSR1);
  Wait(5);
  const absl::Time over = absl::Now();
  for (const auto& node : nodes) node->Signal(SIGUSR2);
  Wait(3);
  const Count count = load->Finish();
  long seen = 0;
  for (const auto& node : nodes) {
    node->Signal(SIGTERM);
    EXPECT_EQ(node->Wait(), 0);
    long calls = 0;
    EXPECT_EQ(std::sscanf(node->Line().c_str(), "calls=%ld", &calls), 1);
    seen += calls;
  }
  absl::Time recovered = over;
  for (const Count::Period& period : count.timeline) {
    if (period.failed > 0) recovered = std::max(over, period.began + absl::Milliseconds(100));
  }
  PrintFigure(Named("storm_load_on_nodes"),
              static_cast<double>(seen) / static_cast<double>(count.sent), "of_offered");
  PrintFigure(Named("storm_recovery"), absl::ToDoubleSeconds(recovered - over), "s");
  EXPECT_GT(count.failed, 0);
  EXPECT_LE(seen, count.sent * 6 / 5);
  EXPECT_EQ(count.timeline.back().failed, 0);
}

}  // namespace
}  // namespace micro
