// What a node that answers 300 ms late does to the calls of the other nodes, and to all, compared
// with a caller of the same nodes at the same time that has no slow one. chaos.h tells how.
#include <gmock/gmock.h>

#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "tests/integration/chaos.h"

namespace micro {
namespace {

INSTANTIATE_TEST_SUITE_P(Wires, ChaosNodes, testing::Values("grpc", "rpc"), WireName);

constexpr char kSlow[] = "helloworld-slow";

struct Row {
  std::string name;
  std::vector<std::string> flags;
};

// An attempt that takes longer fails, so that the slow node is one that fails; so may others be on
// a machine that has more to do.
const std::vector<std::string> kImpatient = {"--client_connection_timeout=150ms",
                                             "--client_retries=2", "--client_retry=always",
                                             "--client_retry_budget=1"};

const std::vector<Row> kRows = {
    {"random", {}},
    {"random_no_ejection", {"--selector_ejection=false"}},
    {"p2c", {"--selector=p2c"}},
    {"p2c_no_ejection", {"--selector=p2c", "--selector_ejection=false"}},
    {"random_timeout", kImpatient},
    {"random_timeout_no_ejection", With(kImpatient, {"--selector_ejection=false"})},
};

// Of the attempts on the nodes that are not slow.
double OthersP99(const Count& count) {
  double sum = 0, attempts = 0;
  for (const auto& [id, node] : count.nodes) {
    if (id == kSlow) continue;
    sum += node.p99_ms * static_cast<double>(node.ok);
    attempts += static_cast<double>(node.ok);
  }
  return sum / attempts;
}

// Of all attempts, those on the slow node.
double SlowsShare(const Count& count) {
  double all = 0, slow = 0;
  for (const auto& [id, node] : count.nodes) {
    const double attempts = static_cast<double>(node.ok + node.failed);
    all += attempts;
    if (id == kSlow) slow = attempts;
  }
  return slow / all;
}

TEST_P(ChaosNodes, ANodeThatIsSlowIsNoMatterToTheOthersCalls) {
  const std::string rules = testing::TempDir() + "/rules.yaml";
  std::ofstream(rules) << "services: {helloworld: {rules: [{route: {version: 1.0.0}}]}}";
  const auto one = Node(), other = Node();
  const auto slow =
      Node({"--server_id=slow", "--server_version=2.0.0", "--faulty", "--slow_ms=300"});
  std::map<std::string, double> share;
  for (const Row& row : kRows) {
    const auto load = Calls(300, row.flags);
    const auto without = Calls(200, With(row.flags, {"--traffic_rules=" + rules}));
    Wait(1.5 * Size());
    const Count count = load->Finish(), spared = without->Finish();
    if (row.flags.empty() || row.flags[0] != kImpatient[0]) {
      EXPECT_EQ(count.failed + spared.failed, 0) << row.name;
    }
    EXPECT_FALSE(spared.nodes.contains(kSlow));
    share[row.name] = SlowsShare(count);
    const std::string name = Named("slow_node_" + row.name);
    PrintFigure(name + "_others_p99", OthersP99(count), "ms");
    PrintFigure(name + "_others_p99_without_it", OthersP99(spared), "ms");
    PrintFigure(name + "_all_p99", count.p99_ms, "ms");
    PrintFigure(name + "_share", 100 * share[row.name], "%");
  }
  EXPECT_LT(share["p2c"], share["random"] / 2);
  EXPECT_LT(share["p2c_no_ejection"], share["random_no_ejection"] / 2);
  EXPECT_LT(share["random_timeout"], share["random_timeout_no_ejection"]);
}

}  // namespace
}  // namespace micro
