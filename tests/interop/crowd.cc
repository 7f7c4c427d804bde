// Many players of a game at once, for runs under faults: each asks one thing after the other, and is
// there again when its connection has ended. What became of all of it is printed in one line.
//
//   bazel run //tests/interop:crowd -- --players=2000 --address=127.0.0.1:3553,127.0.0.1:3554
#include <signal.h>

#include <cstdio>
#include <deque>

#include "core/async.h"
#include "core/clock.h"
#include "core/status_macros.h"
#include "core/task_scope.h"
#include "due/cluster/kcp_flags.h"
#include "due/cluster/packet_flags.h"
#include "micro/service.h"
#include "tests/interop/crowd_player.h"

namespace {

using interop::Crowd;
using interop::CrowdCounts;
using interop::CrowdPlayer;
using micro::Clock;

struct Settings {
  due::ClientOptions client;
  due::PacketFlags packet;
  due::KcpFlags kcp;
  std::vector<std::string> addresses = {"127.0.0.1:3553"};
  int players = 100;
  double seconds = 20;
  absl::Duration interval = absl::Milliseconds(100), limit = absl::Seconds(1);
  bool flood = false, every_second = false;
};

// Whether SIGTERM or SIGINT came, which are blocked, within that time.
bool IsToEnd(absl::Duration wait) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  const timespec time = absl::ToTimespec(std::max(wait, absl::ZeroDuration()));
  return sigtimedwait(&signals, nullptr, &time) > 0;
}

absl::Status Open(Settings& settings, Crowd& crowd) {
  if (settings.players < 1) return absl::InvalidArgumentError("there are no players (--players)");
  if (settings.interval <= absl::ZeroDuration())
    return absl::InvalidArgumentError("there is no time between requests (--interval)");
  ASSIGN_OR_RETURN(settings.client.packet, settings.packet.ToOptions());
  ASSIGN_OR_RETURN(settings.client.kcp, settings.kcp.ToOptions());
  for (const std::string& address : settings.addresses) {
    settings.client.address = address;
    ASSIGN_OR_RETURN(auto gate, interop::Player::New({.client = settings.client}));
    crowd.gates.push_back(std::move(gate));
  }
  if (crowd.gates.empty()) return absl::InvalidArgumentError("there is no gate (--address)");
  crowd.players = settings.players;
  crowd.interval = settings.interval;
  crowd.limit = settings.limit;
  return absl::OkStatus();
}

// Those who wait for an answer now count as well.
void CountGaps(Crowd& crowd, const std::deque<CrowdPlayer>& players) {
  const absl::Time now = Clock::Real().Now();
  for (const CrowdPlayer& player : players) crowd.counts.Gap(now - player.last_answer());
}

// Until they are all in; false: the program is to end.
bool Enter(std::deque<CrowdPlayer>& players) {
  const auto [ctx, cancel] = WithCancel(micro::Context());
  micro::TaskScope scope;
  for (CrowdPlayer& player : players) Spawn(scope, player.Enter(ctx));
  bool is_to_end = false;
  while (scope.running() > 0 && !is_to_end) is_to_end = IsToEnd(absl::Milliseconds(10));
  cancel();
  scope.Join();
  return !is_to_end;
}

void Play(const Settings& settings, Crowd& crowd, std::deque<CrowdPlayer>& players) {
  const auto [ctx, cancel] = WithCancel(micro::Context());
  micro::TaskScope scope;
  for (CrowdPlayer& player : players)
    Spawn(scope, settings.flood ? player.Flood(ctx) : player.Play(ctx));
  const absl::Time began = Clock::Real().Now(), end = began + absl::Seconds(settings.seconds);
  bool is_to_end = false;
  for (int second = 1; !is_to_end && Clock::Real().Now() < end; ++second) {
    const absl::Time next = std::min(began + absl::Seconds(second), end);
    is_to_end = IsToEnd(next - Clock::Real().Now());
    if (!settings.every_second) continue;
    CountGaps(crowd, players);
    std::printf("second=%d %s\n", second, crowd.counts.LineSince().c_str());
    std::fflush(stdout);
  }
  CountGaps(crowd, players);
  cancel();
  scope.Join();
}

absl::StatusOr<bool> Run(Settings& settings) {
  Crowd crowd;
  RETURN_IF_ERROR(Open(settings, crowd));
  std::deque<CrowdPlayer> players;
  for (int number = 0; number < settings.players; ++number) players.emplace_back(crowd, number);
  if (Enter(players)) {
    std::printf("ready players=%d\n", settings.players);
    std::fflush(stdout);
    Play(settings, crowd, players);
  }
  std::printf("players=%d %s\n", settings.players, crowd.counts.Line().c_str());
  return crowd.counts.Of(CrowdCounts::kWrong) == 0;
}

}  // namespace

int main(int argc, char** argv) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigprocmask(SIG_BLOCK, &signals, nullptr);

  Settings settings;
  micro::ServiceOptions program{
      .name = "crowd", .registry = "memory", .flags = settings.packet.Flags()};
  const std::vector<micro::Flag> kcp = settings.kcp.Flags();
  program.flags.insert(program.flags.end(), kcp.begin(), kcp.end());
  program.flags.insert(
      program.flags.end(),
      {{"network", &settings.client.network, "tcp, ws or kcp"},
       {"address", &settings.addresses, "host:port of each gate, with commas between"},
       {"heartbeat", &settings.client.heartbeat_interval, "between heartbeats; 0s: none"},
       {"players", &settings.players, "how many"},
       {"seconds", &settings.seconds, "how long, once all are in"},
       {"interval", &settings.interval, "between a player's requests"},
       {"limit", &settings.limit, "how long an answer is waited for; then it is lost"},
       {"flood", &settings.flood, "each asks as fast as it can, and waits for no answer"},
       {"every_second", &settings.every_second, "print what became of each second's"}});
  auto flags = micro::NewService(std::move(program));
  flags->Init(&argc, argv);
  const absl::StatusOr<bool> is_right = Run(settings);
  if (is_right.ok()) return *is_right ? 0 : 1;
  std::fprintf(stderr, "crowd: %s\n", std::string(is_right.status().message()).c_str());
  return 1;
}
