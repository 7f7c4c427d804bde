// What calls from another process suffer while things go wrong around them: each case has steady
// load, does something to registry or nodes, and counts every call. Each prints what was counted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <thread>
#include <tuple>

#include "core/testing/eventually.h"
#include "core/testing/status_matchers.h"
#include "tests/integration/spawned_greeter.h"
#include "tests/services/service_process.h"

namespace micro {
namespace {

// How much of each: 1 here, more at night (CHAOS_SIZE=30).
int Size() {
  const char* const size = std::getenv("CHAOS_SIZE");
  return size == nullptr ? 1 : std::max(std::atoi(size), 1);
}

void Wait(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

// What a caller's process counted.
struct Count {
  long sent = 0, ok = 0, failed = 0;
  double p50_ms = 0, p99_ms = 0;
  std::string text = {};  // all that it said
};

// A process that calls all the time.
class Load {
 public:
  Load(const std::vector<std::string>& flags, int rate, double seconds) {
    std::string command = "tests/interop/client --log_level=error --times";
    for (const std::string& flag : flags) command += " '" + flag + "'";
    command += " --rate=" + std::to_string(rate) +
               " --repeat=" + std::to_string(static_cast<int>(rate * seconds)) + " 2>&1";
    out_ = popen(command.c_str(), "r");
  }
  ~Load() {
    if (out_ != nullptr) (void)Finish();
  }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  // Waits for its end.
  Count Finish() {
    Count count;
    char piece[4096];
    while (fgets(piece, sizeof(piece), out_) != nullptr) count.text += piece;
    pclose(std::exchange(out_, nullptr));
    const size_t line = count.text.find("sent=");
    EXPECT_NE(line, count.text.npos) << count.text;
    if (line != count.text.npos) {
      std::sscanf(count.text.c_str() + line, "sent=%ld ok=%ld failed=%ld", &count.sent, &count.ok,
                  &count.failed);
    }
    const size_t times = count.text.find("p50_ms=");
    if (times != count.text.npos) {
      std::sscanf(count.text.c_str() + times, "p50_ms=%lf p99_ms=%lf", &count.p50_ms,
                  &count.p99_ms);
    }
    std::printf("%s: %s", testing::UnitTest::GetInstance()->current_test_info()->name(),
                count.text.c_str());
    return count;
  }

 private:
  FILE* out_;
};

std::unique_ptr<services::ServiceProcess> StartRegistry(const std::string& name) {
  auto started = name == "consul" ? services::StartConsul({.durable = true})
                 : name == "etcd" ? services::StartEtcd()
                                  : services::StartNats();
  EXPECT_THAT(started, IsOk());
  return *std::move(started);
}

std::vector<std::string> With(std::vector<std::string> flags,
                              const std::vector<std::string>& more) {
  flags.insert(flags.end(), more.begin(), more.end());
  return flags;
}

// ---- Registries that die ----

class ChaosRegistry
    : public testing::TestWithParam<std::tuple<const char*, const char*, const char*>> {};

TEST_P(ChaosRegistry, AnOutageFailsNoCall) {
  const auto [name, wire, state] = GetParam();
  const auto registry = StartRegistry(name);
  const std::vector<std::string> flags = {"--registry=" + std::string(name),
                                          "--registry_address=" + registry->address(),
                                          "--server=" + std::string(wire)};
  const auto node_flags = With(flags, {"--register_interval=1s"});
  SpawnedGreeter one(node_flags), other(node_flags);
  Load load(flags, 300, 6 * Size());
  for (int i = 0; i < Size(); ++i) {
    Wait(1.5);
    registry->Kill();
    Wait(2);
    if (state == std::string("empty")) registry->Forget();
    ASSERT_THAT(registry->Start(), IsOk());
    Wait(2.5);
  }
  const Count count = load.Finish();
  EXPECT_EQ(count.failed, 0);
  EXPECT_GT(count.ok, 0);
}

INSTANTIATE_TEST_SUITE_P(Each, ChaosRegistry,
                         testing::Combine(testing::Values("consul", "etcd", "nats"),
                                          testing::Values("grpc", "rpc"),
                                          testing::Values("whole", "empty")),
                         [](const auto& param) {
                           return std::string(std::get<0>(param.param)) + "_" +
                                  std::get<1>(param.param) + "_" + std::get<2>(param.param);
                         });

// ---- Nodes that go ----

class ChaosNodes : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    registry_ = StartRegistry("consul");
    flags_ = {"--registry=consul", "--registry_address=" + registry_->address(),
              std::string("--server=") + GetParam()};
  }

  std::unique_ptr<SpawnedGreeter> Node(const std::vector<std::string>& faults = {}) {
    return std::make_unique<SpawnedGreeter>(With(flags_, faults), "tests/integration/chaos_node");
  }
  // A caller, once it can find the service.
  std::unique_ptr<Load> Calls(int rate, double seconds, const std::vector<std::string>& more = {}) {
    return std::make_unique<Load>(With(flags_, more), rate, seconds);
  }

  std::unique_ptr<services::ServiceProcess> registry_;
  std::vector<std::string> flags_;
};

INSTANTIATE_TEST_SUITE_P(Wires, ChaosNodes, testing::Values("grpc", "rpc"),
                         [](const auto& param) { return std::string(param.param); });

TEST_P(ChaosNodes, ARollingRestartFailsNoCall) {
  std::vector<std::unique_ptr<SpawnedGreeter>> nodes(3);
  for (auto& node : nodes) node = Node();
  const int restarts = 15 * Size();
  const auto load = Calls(300, 2 + restarts);
  Wait(0.5);
  for (int i = 0; i < restarts; ++i) {
    auto& oldest = nodes[static_cast<size_t>(i) % nodes.size()];
    auto next = Node();
    oldest->Signal(SIGTERM);
    EXPECT_EQ(oldest->Wait(), 0);
    oldest = std::move(next);
  }
  const Count count = load->Finish();
  EXPECT_EQ(count.failed, 0) << restarts << " restarts";
}

TEST_P(ChaosNodes, KillingANodeFailsNoCallThatMayRunTwice) {
  std::vector<std::unique_ptr<SpawnedGreeter>> nodes(3);
  for (auto& node : nodes) node = Node();
  const auto load = Calls(500, 2 + 2 * Size(), {"--client_retries=3", "--client_retry=always"});
  Wait(0.5);
  for (int i = 0; i < 2 * Size(); ++i) {
    auto& victim = nodes[static_cast<size_t>(i) % nodes.size()];
    victim->Kill();
    Wait(0.5);
    victim = Node();
    Wait(0.3);
  }
  EXPECT_EQ(load->Finish().failed, 0);
}

TEST_P(ChaosNodes, ANodeThatStandsStillForAWhileFailsNoCall) {
  const auto one = Node(), frozen = Node(), other = Node();
  const auto load = Calls(200, 6, {"--selector=p2c"});
  Wait(1);
  frozen->Signal(SIGSTOP);
  Wait(3);
  frozen->Signal(SIGCONT);
  EXPECT_EQ(load->Finish().failed, 0);
}

TEST_P(ChaosNodes, ANodeThatFailsIsLeftOut) {
  const auto one = Node(), other = Node();
  const auto bad = Node({"--faulty", "--fail_percent=30", "--fail_code=500"});
  const auto without = Calls(400, 5, {"--selector_ejection=false", "--client_retries=0"});
  const auto with = Calls(400, 5, {"--client_retries=0"});
  const Count off = without->Finish(), on = with->Finish();
  EXPECT_GT(off.failed, 100);
  EXPECT_LT(on.failed * 2, off.failed);
}

TEST_P(ChaosNodes, ANodeThatIsSlowKeepsNobodyElseWaiting) {
  const auto one = Node(), other = Node();
  const auto slow = Node({"--faulty", "--slow_ms=300"});
  const auto random = Calls(200, 5), p2c = Calls(400, 5, {"--selector=p2c"});
  const Count at_random = random->Finish(), chosen = p2c->Finish();
  EXPECT_EQ(at_random.failed + chosen.failed, 0);
  // A third of the calls, and hardly any.
  EXPECT_GT(at_random.p99_ms, 300);
  EXPECT_LT(chosen.p99_ms, 300);
}

TEST_P(ChaosNodes, CallsSucceedAgainWhenAllNodesAreBack) {
  auto one = Node(), other = Node();
  const auto load = Calls(100, 8, {"--client_retries=0"});
  Wait(1);
  one->Kill();
  other->Kill();
  Wait(1.5);
  one = Node();
  other = Node();
  const Count count = load->Finish();
  EXPECT_GT(count.failed, 0);
  // Two seconds of eight, and as long again to find them.
  EXPECT_GT(count.ok, count.sent / 2);
}

TEST_P(ChaosNodes, RetriesDoNotMakeAStormOfAnOutage) {
  std::vector<std::unique_ptr<SpawnedGreeter>> nodes(3);
  for (auto& node : nodes) node = Node({"--fail_percent=100", "--fail_code=503"});
  const auto load = Calls(400, 8, {"--client_retries=3", "--client_retry=always"});
  Wait(1);
  for (const auto& node : nodes) node->Signal(SIGUSR1);
  Wait(5);
  for (const auto& node : nodes) node->Signal(SIGUSR2);
  const Count count = load->Finish();
  long seen = 0;
  for (const auto& node : nodes) {
    node->Signal(SIGTERM);
    EXPECT_EQ(node->Wait(), 0);
    long calls = 0;
    EXPECT_EQ(std::sscanf(node->Line().c_str(), "calls=%ld", &calls), 1);
    seen += calls;
  }
  std::printf("the nodes saw %ld calls, %.2f of those offered\n", seen,
              static_cast<double>(seen) / static_cast<double>(count.sent));
  EXPECT_LE(seen, count.sent * 6 / 5);
  EXPECT_GE(count.ok, count.sent / 4);
}

}  // namespace
}  // namespace micro
