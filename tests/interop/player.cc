// A client of the game's servers: sends packets and prints what comes, or checks what a server does.
//
//   bazel run //tests/interop:player -- --address=127.0.0.1:3553 --send='1:1:hello;2:2:again'
//   bazel run //tests/interop:player -- --address=127.0.0.1:3553 --check=echo
#include <fmt/format.h>

#include <atomic>
#include <charconv>
#include <cstdio>
#include <map>
#include <thread>

#include "core/async.h"
#include "core/mutex.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "due/cluster/kcp_flags.h"
#include "due/cluster/packet_flags.h"
#include "micro/service.h"
#include "tests/interop/echo_checks.h"
#include "tests/interop/game_checks.h"

namespace {

using interop::Link;
using interop::Player;
using interop::PlayerCheck;
using interop::PlayerOptions;
using interop::Received;
using micro::Context;
using micro::Task;

struct Settings {
  PlayerOptions options;
  due::PacketFlags packet;
  due::KcpFlags kcp;
  std::string check, only, send, expect;
};

// ROUTE:SEQ:TEXT;…
absl::StatusOr<std::vector<Received>> ReadMessages(std::string_view flag, std::string_view list) {
  std::vector<Received> messages;
  for (const std::string& text : micro::SplitList(list, ';')) {
    Received message;
    const char* const end = text.data() + text.size();
    const auto route = std::from_chars(text.data(), end, message.route);
    const bool has_seq = route.ec == std::errc() && route.ptr < end && *route.ptr == ':';
    const auto seq = std::from_chars(has_seq ? route.ptr + 1 : end, end, message.seq);
    if (!has_seq || seq.ec != std::errc() || seq.ptr == end || *seq.ptr != ':') {
      return absl::InvalidArgumentError(
          fmt::format("{}: \"{}\" is not ROUTE:SEQ:TEXT", flag, text));
    }
    message.body.assign(seq.ptr + 1, end);
    messages.push_back(std::move(message));
  }
  return messages;
}

// Sends all, and prints as many answers, or as many as are expected: those, in their order.
Task<absl::Status> Send(Context ctx, const Player& player, std::vector<Received> messages,
                        std::vector<Received> expected) {
  CO_ASSIGN_OR_RETURN(const Link link, co_await player.Dial(ctx));
  for (const Received& message : messages)
    CO_RETURN_IF_ERROR(link.Send({message.route, message.seq, message.body}));
  const size_t count = expected.empty() ? messages.size() : expected.size();
  absl::Status status;
  for (size_t i = 0; i < count; ++i) {
    CO_ASSIGN_OR_RETURN(const Received got, co_await link.Receive(ctx));
    std::printf("route=%d seq=%d %s\n", got.route, got.seq, got.body.c_str());
    std::fflush(stdout);
    if (i < expected.size() && (got.route != expected[i].route || got.seq != expected[i].seq ||
                                got.body != expected[i].body)) {
      status.Update(
          absl::InternalError(fmt::format("answer {} is not route={} seq={} {}", i + 1,
                                          expected[i].route, expected[i].seq, expected[i].body)));
    }
  }
  co_return status;
}

struct Suite {
  const std::vector<PlayerCheck>& checks;
  size_t at_once;  // of them
};

// The checks of a game mostly wait for what is not to come.
absl::StatusOr<Suite> SuiteFor(std::string_view server) {
  if (server == "echo") return Suite{interop::EchoChecks(), 1};
  if (server == "game") return Suite{interop::GameChecks(), 8};
  return absl::InvalidArgumentError(
      fmt::format("check is \"{}\", not echo or game (flag --check)", server));
}

// With a player of its own, which ends here and not on a loop's thread.
absl::Status RunCheck(const PlayerCheck& check, const PlayerOptions& options) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Player> player, Player::New(options));
  return micro::BlockOn(check.run(Context(), *player));
}

// Prints the results in the order of the checks.
class Results {
 public:
  explicit Results(std::vector<PlayerCheck> checks) : checks_(std::move(checks)) {}

  // A check that nobody has begun; null: there is none.
  const PlayerCheck* Begin() {
    const size_t next = begun_.fetch_add(1);
    return next < checks_.size() ? &checks_[next] : nullptr;
  }

  void End(const PlayerCheck& check, absl::Status status) {
    micro::MutexLock lock(mutex_);
    passed_ &= status.ok();
    ended_[&check] = std::move(status);
    for (; printed_ < checks_.size(); ++printed_) {
      const auto found = ended_.find(&checks_[printed_]);
      if (found == ended_.end()) break;
      Print(checks_[printed_].name, found->second);
    }
  }

  bool passed() const {
    micro::MutexLock lock(mutex_);
    return passed_;
  }

 private:
  static void Print(const std::string& name, const absl::Status& status) {
    if (status.ok()) {
      std::printf("PASS %s\n", name.c_str());
    } else {
      std::printf("FAIL %s: %s\n", name.c_str(), std::string(status.message()).c_str());
    }
    std::fflush(stdout);
  }

  const std::vector<PlayerCheck> checks_;
  std::atomic<size_t> begun_ = 0;
  mutable micro::Mutex mutex_;
  std::map<const PlayerCheck*, absl::Status> ended_ ABSL_GUARDED_BY(mutex_);
  size_t printed_ ABSL_GUARDED_BY(mutex_) = 0;
  bool passed_ ABSL_GUARDED_BY(mutex_) = true;
};

absl::StatusOr<bool> RunChecks(const Settings& settings) {
  ASSIGN_OR_RETURN(const Suite suite, SuiteFor(settings.check));
  std::vector<PlayerCheck> chosen;
  for (const PlayerCheck& check : suite.checks) {
    if (!settings.only.empty() && check.name != settings.only) continue;
    if (check.wanted == nullptr || check.wanted(settings.options)) chosen.push_back(check);
  }
  Results results(std::move(chosen));
  std::vector<std::jthread> threads;
  for (size_t i = 0; i < suite.at_once; ++i) {
    threads.emplace_back([&] {
      while (const PlayerCheck* const check = results.Begin())
        results.End(*check, RunCheck(*check, settings.options));
    });
  }
  threads.clear();
  return results.passed();
}

absl::StatusOr<bool> Run(Settings& settings) {
  ASSIGN_OR_RETURN(settings.options.client.packet, settings.packet.ToOptions());
  ASSIGN_OR_RETURN(settings.options.client.kcp, settings.kcp.ToOptions());
  if (!settings.check.empty()) return RunChecks(settings);
  ASSIGN_OR_RETURN(std::vector<Received> messages, ReadMessages("--send", settings.send));
  ASSIGN_OR_RETURN(std::vector<Received> expected, ReadMessages("--expect", settings.expect));
  ASSIGN_OR_RETURN(const std::unique_ptr<Player> player, Player::New(settings.options));
  RETURN_IF_ERROR(
      micro::BlockOn(Send(Context(), *player, std::move(messages), std::move(expected))));
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  PlayerOptions& options = settings.options;
  due::ClientOptions& client = options.client;
  micro::ServiceOptions program{
      .name = "player", .registry = "memory", .flags = settings.packet.Flags()};
  const std::vector<micro::Flag> kcp = settings.kcp.Flags();
  program.flags.insert(program.flags.end(), kcp.begin(), kcp.end());
  program.flags.insert(
      program.flags.end(),
      {{"network", &client.network, "tcp, ws or kcp"},
       {"address", &client.address, "host:port of the server"},
       {"tls_ca", &client.ca_file, "PEM file; TLS with this authority"},
       {"tls_server_name", &client.server_name, "that the certificate bears; empty: the host"},
       {"heartbeat", &client.heartbeat_interval, "between heartbeats; 0s: none"},
       {"check", &settings.check,
        "what the server is: echo, or game: a gate before nodes with the contract's routes; its "
        "checks are run"},
       {"only", &settings.only, "the one check that is run"},
       {"packets", &options.packets, "checks: to be sent with some on their way"},
       {"connections", &options.connections, "checks: at once"},
       {"cap", &options.cap, "checks: what a packet may hold behind its size; 0: any"},
       {"shift", &options.shift, "checks: that the echo adds to route and seq of each answer"},
       {"other_address", &options.other_address, "game: host:port of a second gate"},
       {"nodes", &options.nodes, "game: how many there are"},
       {"due_gate", &options.due_gate, "game: the gates are due's own, with its known defects"},
       {"due_node", &options.due_node, "game: the nodes are due's own, with its known defects"},
       {"send", &settings.send, "ROUTE:SEQ:TEXT;…"},
       {"expect", &settings.expect, "the answers: ROUTE:SEQ:TEXT;…"}});
  auto flags = micro::NewService(std::move(program));
  flags->Init(&argc, argv);
  const absl::StatusOr<bool> passed = Run(settings);
  if (passed.ok()) return *passed ? 0 : 1;
  std::fprintf(stderr, "player: %s\n", std::string(passed.status().message()).c_str());
  return 1;
}
