// Nodes that come and go under load. chaos.h tells how.
#include <gmock/gmock.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <deque>

#include "tests/integration/chaos.h"
#include "tests/services/tcp_proxy.h"

namespace micro {
namespace {

INSTANTIATE_TEST_SUITE_P(Wires, ChaosNodes, testing::Values("grpc", "rpc"), WireName);

// A node's stop takes longer than the next one's start: one or two stop at any time.
TEST_P(ChaosNodes, ARollingRestartFailsNoCall) {
  std::deque<std::unique_ptr<SpawnedGreeter>> nodes, stopping;
  for (int i = 0; i < 3; ++i) nodes.push_back(Node());
  const auto load = Calls(300);
  const auto start = std::chrono::steady_clock::now();
  const int restarts = 30 * Size();
  for (int i = 0; i < restarts; ++i) {
    nodes.push_back(Node());
    nodes.front()->Signal(SIGTERM);
    stopping.push_back(std::move(nodes.front()));
    nodes.pop_front();
    if (stopping.size() < 3 && i + 1 < restarts) continue;
    EXPECT_EQ(stopping.front()->Wait(), 0) << stopping.front()->Log();
    stopping.pop_front();
  }
  for (const auto& node : stopping) EXPECT_EQ(node->Wait(), 0) << node->Log();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  const Count count = load->Finish();
  std::printf("%d restarts: %ld calls, %ld failed\n", restarts, count.sent, count.failed);
  PrintFigure(Named("rolling_restart_seconds_each"), took.count() / restarts, "s");
  EXPECT_EQ(count.failed, 0) << restarts << " restarts";
}

TEST_P(ChaosNodes, KillingANodeFailsNoCallThatMayRunTwice) {
  std::vector<std::unique_ptr<SpawnedGreeter>> nodes(3);
  for (auto& node : nodes) node = Node();
  // Where everything is slow, more may be under way on one node than the budget pays for.
  const std::vector<std::string> flags = {"--client_retries=3", "--client_retry=always"};
  const auto unbounded = Calls(250, With(flags, {"--client_retry_budget=1"})),
             budgeted = Calls(250, flags);
  for (int i = 0; i < 2 * Size(); ++i) {
    Wait(0.3);
    auto& victim = nodes[static_cast<size_t>(i) % nodes.size()];
    victim->Kill();
    Wait(0.5);
    victim = Node();
  }
  Wait(0.3);
  const Count all = unbounded->Finish(), most = budgeted->Finish();
  PrintFigure(Named("kills_retried_within_budget"), static_cast<double>(most.failed), "failed");
  EXPECT_EQ(all.failed, 0);
}

TEST_P(ChaosNodes, ANodeThatStandsStillForAWhileFailsNoCall) {
  const auto one = Node(), frozen = Node(), other = Node();
  const auto load = Calls(200, {"--selector=p2c"});
  Wait(1);
  frozen->Signal(SIGSTOP);
  Wait(3);
  frozen->Signal(SIGCONT);
  Wait(1);
  EXPECT_EQ(load->Finish().failed, 0);
}

// Nothing ends the connections to it, and none that is begun is refused: only calls' timeouts tell.
TEST_P(ChaosNodes, ANodeThatVanishesWithoutAWordFailsNoCallThatMayRunTwice) {
  const int port = services::FreePorts(1)[0];
  services::TcpProxy cable(port);
  const auto one = Node(), other = Node();
  const auto gone = Node({"--server_id=gone", "--server_address=127.0.0.1:" + std::to_string(port),
                          "--server_advertise=" + cable.address()});
  const auto calls = [&](const std::vector<std::string>& flags) {
    return Calls(200, With({"--client_connection_timeout=300ms", "--client_retry=always",
                            "--timeline=100ms"},
                           flags));
  };
  // A third of the calls for as long as a timeout may be more than the budget pays for.
  const auto unbounded = calls({"--client_retries=3", "--client_retry_budget=1"}),
             budgeted = calls({"--client_retries=3"}), once = calls({"--client_retries=0"});
  Wait(1);
  cable.Vanish();
  Wait(3);
  const absl::Time mended = absl::Now();
  cable.Mend();
  Wait(4);
  const Count all = unbounded->Finish(), most = budgeted->Finish(), first = once->Finish();
  PrintFigure(Named("half_open_retried"), all.failed, "failed");
  PrintFigure(Named("half_open_retried_within_budget"), most.failed, "failed");
  PrintFigure(Named("half_open_not_retried"), first.failed, "failed");
  for (const Count::Period& period : first.timeline) {
    if (period.began < mended || !period.attempts.contains("helloworld-gone")) continue;
    PrintFigure(Named("half_open_called_again_after"), absl::ToDoubleSeconds(period.began - mended),
                "s");
    break;
  }
  EXPECT_EQ(all.failed, 0);
  EXPECT_GT(first.failed, 0);
  EXPECT_LT(most.failed, first.failed);
  // What was under way, what began until it was left out, and what tried it again.
  EXPECT_LT(first.nodes.at("helloworld-gone").failed, first.sent / 10);
}

TEST_P(ChaosNodes, CallsSucceedAgainWhenAllNodesAreBack) {
  auto one = Node(), other = Node();
  const auto load = Calls(100, {"--client_retries=0", "--timeline=1s"});
  Wait(1);
  one->Kill();
  other->Kill();
  Wait(1.5);
  one = Node();
  other = Node();
  Wait(4.5);
  const Count count = load->Finish();
  EXPECT_GT(count.failed, 0);
  EXPECT_EQ(count.timeline.back().failed, 0);
}

}  // namespace
}  // namespace micro
