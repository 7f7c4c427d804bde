#include "tests/interop/crowd_process.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>

#include "absl/time/clock.h"
#include "core/random.h"
#include "core/testing/status_matchers.h"

namespace interop {
namespace {

namespace services = micro::services;

constexpr int kPlayers = 200;
constexpr int kPatience = 60;  // seconds

// A free port that no connection is made from: who dials it while nobody listens must not find
// itself, and who listens again must find it free.
int FreeListenPort() {
  while (true) {
    const int port = 10'000 + static_cast<int>(micro::RandomBelow(20'000));
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool is_free = bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
    close(fd);
    if (is_free) return port;
  }
}

std::string FreeAddress() { return fmt::format("127.0.0.1:{}", FreeListenPort()); }

// "KEY=NUMBER KEY=NUMBER …"
CrowdProcess::Counts ReadCounts(const std::string& line) {
  CrowdProcess::Counts counts;
  std::istringstream words(line);
  for (std::string word; words >> word;) {
    const size_t equals = word.find('=');
    if (equals != word.npos) counts[word.substr(0, equals)] = std::atoll(&word[equals + 1]);
  }
  return counts;
}

// Players on the gates, in turn.
std::vector<std::string> CrowdWords(const std::vector<const GameMember*>& gates,
                                    const std::vector<std::string>& flags) {
  std::string addresses;
  for (const GameMember* gate : gates)
    addresses += (addresses.empty() ? "" : ",") + gate->address();
  std::vector<std::string> words = {
      "tests/interop/crowd", "--address=" + addresses, fmt::format("--players={}", kPlayers),
      "--interval=200ms",    "--seconds=3600",         "--every_second"};
  words.insert(words.end(), flags.begin(), flags.end());
  return words;
}

}  // namespace

GameServers::GameServers(bool is_durable) {
  auto started_consul = services::StartConsul({.durable = is_durable});
  auto started_redis = services::StartRedis({.durable = is_durable});
  EXPECT_THAT(started_consul, micro::IsOk());
  EXPECT_THAT(started_redis, micro::IsOk());
  consul = *std::move(started_consul);
  redis = *std::move(started_redis);
}

std::vector<std::string> GameServers::Flags() const {
  return {"--registry=consul", "--registry_address=" + consul->address(), "--locator=redis",
          "--locator_address=" + redis->address()};
}

// ---- A member ----

GameMember::GameMember(const GameServers& servers, const std::string& kind, const std::string& id,
                       const std::vector<std::string>& flags)
    : words_{"tests/interop/" + kind, "--id=" + id, "--shutdown_max_wait_time=500ms"},
      id_(id),
      link_(FreeAddress()) {
  words_.push_back("--link=" + link_);
  if (kind == "gate") {
    address_ = FreeAddress();
    words_.push_back("--listen=" + address_);
  }
  for (const std::string& flag : servers.Flags()) words_.push_back(flag);
  words_.insert(words_.end(), flags.begin(), flags.end());
  Start();
}

void GameMember::Start() {
  program_.emplace(words_);
  const std::string line = program_->Line();
  EXPECT_TRUE(line.starts_with("ready kind=")) << line << program_->Log();
  const size_t pid = line.find("pid=");
  pid_ = pid == line.npos ? 0 : std::atoi(line.c_str() + pid + 4);
}

int GameMember::Stop() {
  program_->Signal(SIGTERM);
  const int code = program_->Wait();
  if (code != 0) std::fprintf(stderr, "%s:\n%s", id_.c_str(), Log().c_str());
  return code;
}

void GameMember::Kill() { program_->Kill(); }

std::string GameMember::Proc(std::string_view file) const {
  std::ifstream stream(fmt::format("/proc/{}/{}", pid_, file));
  return std::string{std::istreambuf_iterator<char>(stream), {}};
}

bool GameMember::IsRunning() const {
  const std::string status = Proc("status");
  return !status.empty() && status.find("State:\tZ") == status.npos;
}

int64_t GameMember::ResidentKiB() const {
  const std::string status = Proc("status");
  const size_t resident = status.find("VmRSS:");
  return resident == status.npos ? 0 : std::atoll(status.c_str() + resident + 6);
}

// ---- The crowd ----

CrowdProcess::CrowdProcess(const std::vector<const GameMember*>& gates,
                           const std::vector<std::string>& flags)
    : program_(CrowdWords(gates, flags)) {
  const std::string line = program_.Line();
  EXPECT_TRUE(line.starts_with("ready players=")) << line << program_.Log();
  began_ = absl::Now();
  players_ = std::atoi(line.c_str() + std::min(line.size(), line.find('=') + 1));
}

// The one that has begun; the first is 1.
int CrowdProcess::SecondNow() const {
  return static_cast<int>(absl::ToInt64Seconds(absl::Now() - began_)) + 1;
}

CrowdProcess::Counts CrowdProcess::ReadSecond(int second) {
  while (true) {
    const std::string line = program_.Line();
    if (line.empty()) return {};
    Counts counts = ReadCounts(line);
    if (counts["second"] >= second) return counts;
  }
}

CrowdProcess::Counts CrowdProcess::NextSecond() { return ReadSecond(SecondNow() + 1); }

bool CrowdProcess::IsWellAgain(std::string_view after) {
  const int first = SecondNow() + 1;
  for (int second = first; second < first + kPatience; ++second) {
    Counts now = ReadSecond(second);
    const bool is_well = now["answered"] > 0 && now["lost_echo"] == 0 &&
                         now["lost_stateful"] == 0 && now["logins_again"] == 0 &&
                         now["longest_gap_ms"] < 1000;
    if (!is_well) continue;
    std::printf("%.*s: well %d s after the first second\n", static_cast<int>(after.size()),
                after.data(), second - first);
    return true;
  }
  return false;
}

CrowdProcess::Counts CrowdProcess::Finish() {
  program_.Signal(SIGTERM);
  std::string line;
  do {
    line = program_.Line();
  } while (!line.empty() && !line.starts_with("players="));
  EXPECT_EQ(program_.Wait(), 0) << program_.Log();
  std::printf("%s\n", line.c_str());
  return ReadCounts(line);
}

}  // namespace interop
