#include "tests/integration/chaos.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <thread>
#include <utility>

#include "core/testing/status_matchers.h"

namespace micro {
namespace {

constexpr size_t kPrintedNodes = 12;  // the rest of a long night's is left out

// "KEY=VALUE KEY=VALUE …", in this order.
std::vector<std::pair<std::string, double>> Pairs(std::istringstream& words) {
  std::vector<std::pair<std::string, double>> pairs;
  for (std::string word; words >> word;) {
    const size_t equals = word.find('=');
    if (equals == word.npos) break;
    pairs.emplace_back(word.substr(0, equals), std::atof(word.c_str() + equals + 1));
  }
  return pairs;
}

Count::Node ReadNode(std::istringstream& words) {
  Count::Node node;
  for (const auto& [key, value] : Pairs(words)) {
    if (key == "ok") node.ok = static_cast<long>(value);
    if (key == "failed") node.failed = static_cast<long>(value);
    if (key == "p50_ms") node.p50_ms = value;
    if (key == "p99_ms") node.p99_ms = value;
  }
  return node;
}

// "at=SECONDS ok=N failed=N NODE=N …"
Count::Period ReadPeriod(std::istringstream& words) {
  Count::Period period;
  for (const auto& [key, value] : Pairs(words)) {
    if (key == "at") {
      period.began = absl::UnixEpoch() + absl::Seconds(value);
    } else if (key == "ok") {
      period.ok = static_cast<long>(value);
    } else if (key == "failed") {
      period.failed = static_cast<long>(value);
    } else {
      period.attempts[key] = static_cast<long>(value);
    }
  }
  return period;
}

void Read(const std::string& line, Count& count) {
  std::istringstream words(line);
  if (line.starts_with("sent=")) {
    std::sscanf(line.c_str(), "sent=%ld ok=%ld failed=%ld", &count.sent, &count.ok, &count.failed);
  } else if (line.starts_with("p50_ms=")) {
    std::sscanf(line.c_str(), "p50_ms=%lf p99_ms=%lf", &count.p50_ms, &count.p99_ms);
  } else if (line.starts_with("node ")) {
    std::string word, id;
    words >> word >> id;
    count.nodes[id] = ReadNode(words);
  } else if (line.starts_with("at=")) {
    count.timeline.push_back(ReadPeriod(words));
  }
}

}  // namespace

int Size() {
  const char* const size = std::getenv("CHAOS_SIZE");
  return size == nullptr ? 1 : std::max(std::atoi(size), 1);
}

void Wait(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

void PrintFigure(std::string_view name, double value, std::string_view unit) {
  std::printf("figure %.*s %.3f %.*s\n", static_cast<int>(name.size()), name.data(), value,
              static_cast<int>(unit.size()), unit.data());
}

std::vector<std::string> With(std::vector<std::string> flags,
                              const std::vector<std::string>& more) {
  flags.insert(flags.end(), more.begin(), more.end());
  return flags;
}

std::unique_ptr<services::ServiceProcess> StartRegistry(const std::string& name) {
  auto started = name == "consul" ? services::StartConsul({.durable = true})
                 : name == "etcd" ? services::StartEtcd()
                                  : services::StartNats();
  EXPECT_THAT(started, IsOk());
  return *std::move(started);
}

Load::Load(const std::vector<std::string>& flags, int rate)
    : caller_(With({"tests/interop/client", "--log_level=error", "--times", "--repeat=1000000000",
                    "--rate=" + std::to_string(rate)},
                   flags)) {
  EXPECT_EQ(caller_.Line(), "calling") << caller_.Log();
}

Count Load::Finish() {
  caller_.Signal(SIGTERM);
  Count count;
  const char* const test = testing::UnitTest::GetInstance()->current_test_info()->name();
  for (std::string line; !(line = caller_.Line()).empty();) {
    Read(line, count);
    const bool is_one_more = line.starts_with("at=") ||
                             (line.starts_with("node ") && count.nodes.size() > kPrintedNodes);
    if (!is_one_more) std::printf("%s: %s\n", test, line.c_str());
  }
  caller_.Wait();
  count.log = caller_.Log();
  std::printf("%s", count.log.c_str());
  EXPECT_GT(count.sent, 0);
  return count;
}

void ChaosNodes::SetUp() {
  registry_ = StartRegistry("consul");
  flags_ = {"--registry=consul", "--registry_address=" + registry_->address(),
            std::string("--server=") + GetParam()};
}

std::unique_ptr<SpawnedGreeter> ChaosNodes::Node(const std::vector<std::string>& flags) const {
  return std::make_unique<SpawnedGreeter>(With(flags_, flags), "tests/integration/chaos_node");
}

std::unique_ptr<Load> ChaosNodes::Calls(int rate, const std::vector<std::string>& flags) const {
  return std::make_unique<Load>(With(flags_, flags), rate);
}

}  // namespace micro
