// The game's edge for minutes: thousands of clients that send bursts of packets of all sizes and leave
// at random, in order or in the middle of things, each replaced by a new one. Every answer is checked:
// that none is lost, that they come in the order of their questions, that none is another client's. Prints
// the counts and the server's memory now and then; exit code 1 where something was wrong.
//
//   bazel run -c opt //tests/bench:gate_soak [-- --network=tcp --connections=5000 --seconds=600]
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "core/async.h"
#include "core/random.h"
#include "due/network/client.h"
#include "due/network/server.h"
#include "due/packet/packer.h"
#include "tests/bench/child.h"
#include "tests/bench/figure.h"

namespace bench {
namespace {

constexpr int kMostInFlight = 64;
constexpr absl::Duration kPatience = absl::Seconds(30);  // for the answers of one that leaves

int Serve(const std::string& network) {
  auto server = due::Server::Listen(
      {.network = network, .address = "127.0.0.1:0", .max_conn_num = 100000},
      {.on_receive = [](due::Conn& conn, std::string_view packet) { (void)conn.Push(packet); }});
  if (!server.ok()) {
    std::fprintf(stderr, "%s\n", std::string(server.status().message()).c_str());
    return 1;
  }
  std::printf("ready port=%d\n", (*server)->port());
  std::fflush(stdout);
  pause();
  return 0;
}

// What is wrong, of all players.
struct Faults {
  std::atomic<int64_t> lost = 0, wrong = 0, broken = 0;
};

// One connection. Sends on the driver's thread, hears on its loop.
struct Player {
  uint64_t name = 0;  // in each of its packets
  std::shared_ptr<due::Conn> conn = nullptr;
  std::atomic<uint32_t> sent = 0, heard = 0;
  std::atomic<bool> is_leaving = false;
  absl::Time left = absl::InfiniteFuture();  // when it has said all
};

constexpr char kPlayer[] = "player";

class Soak {
 public:
  Soak(std::string network, int port, int connections)
      : connections_(connections),
        client_(
            due::Client::New({.network = std::move(network),
                              .address = fmt::format("127.0.0.1:{}", port),
                              .dial_timeout = absl::Seconds(20)},
                             {.on_receive = [this](due::Conn& conn,
                                                   std::string_view packet) { Hear(conn, packet); },
                              .on_disconnect =
                                  [this](due::Conn& conn, due::Cause cause) {
                                    if (cause != due::Cause::kLocal) Break(conn);
                                  }})
                .value()) {}

  ~Soak() { client_.reset(); }

  // Until then; prints now and then. The server's memory, in KiB: after a fifth, and at the end.
  std::pair<double, double> Run(absl::Duration duration, const Child& server) {
    const absl::Time begin = absl::Now(), end = begin + duration;
    absl::Time report = begin + duration / 5;
    double early = 0;
    for (int i = 0; i < connections_; ++i) Replace(players_.emplace_back());
    while (absl::Now() < end) {
      const absl::Time tick = absl::Now();
      for (int i = 0; i < connections_ / 50; ++i)
        Act(players_[micro::RandomBelow(players_.size())]);
      if (tick > report) {
        report += duration / 10;
        const double memory = server.ResidentKiB();
        if (early == 0) early = memory;
        Report(absl::ToInt64Seconds(tick - begin), memory);
      }
      absl::SleepFor(tick + absl::Milliseconds(20) - absl::Now());
    }
    for (auto& player : players_) Leave(*player);
    for (auto& player : players_) Await(player);
    return {early, server.ResidentKiB()};
  }

  const Faults& faults() const { return faults_; }
  int64_t heard() const { return heard_; }
  int64_t opened() const { return client_->counts().accepted; }

 private:
  using Place = std::shared_ptr<Player>;

  void Replace(Place& place) {
    auto conn = micro::BlockOn(client_->Dial(micro::Context()));
    if (!conn.ok()) {
      std::fprintf(stderr, "gate_soak: %s\n", std::string(conn.status().message()).c_str());
      std::exit(1);
    }
    place = std::make_shared<Player>();
    place->name = ++names_;
    place->conn = *std::move(conn);
    place->conn->attr().Set(kPlayer, place);
  }

  // What a player does next.
  void Act(Place& place) {
    if (place->is_leaving) {
      if (place->heard == place->sent || absl::Now() > place->left + kPatience) Await(place, true);
      return;
    }
    const uint64_t choice = micro::RandomBelow(1000);
    if (choice < 4) return Leave(*place);
    if (choice < 6) {  // in the middle of things
      place->is_leaving = true;
      place->conn->attr().Del(kPlayer);
      place->conn->Close(/*force=*/true);
      return Replace(place);
    }
    for (uint64_t burst = 1 + micro::RandomBelow(8); burst > 0; --burst) Send(*place);
  }

  void Send(Player& player) {
    if (player.sent - player.heard >= kMostInFlight) return;
    const bool is_large = micro::RandomBelow(20) == 0;
    std::string body(12 + micro::RandomBelow(is_large ? 4900 : 200), 'x');
    const uint32_t number = player.sent;
    std::memcpy(body.data(), &player.name, 8);
    std::memcpy(body.data() + 8, &number, 4);
    std::string packet;
    (void)packer_.Pack({7, 0, body}, packet);
    player.sent = number + 1;
    if (!player.conn->Push(packet).ok()) player.sent = number;  // it is broken, which is counted
  }

  // It says nothing more, and ends once all was answered.
  static void Leave(Player& player) {
    if (player.is_leaving.exchange(true)) return;
    player.left = absl::Now();
  }

  void Await(Place& place, bool is_replaced = false) {
    while (place->heard != place->sent && place->conn->state() == due::Conn::kOpened &&
           absl::Now() < place->left + kPatience)
      absl::SleepFor(absl::Milliseconds(1));
    faults_.lost += place->sent - place->heard;
    place->conn->attr().Del(kPlayer);
    place->conn->Close(/*force=*/false);
    if (is_replaced) Replace(place);
  }

  void Hear(due::Conn& conn, std::string_view packet) {
    const std::any kept = conn.attr().Get(kPlayer);
    if (!kept.has_value()) return;  // it left in the middle of things
    Player& player = *std::any_cast<const Place&>(kept);
    const auto message = packer_.Unpack(packet);
    uint64_t name = 0;
    uint32_t number = 0;
    if (message.ok() && message->body.size() >= 12) {
      std::memcpy(&name, message->body.data(), 8);
      std::memcpy(&number, message->body.data() + 8, 4);
    }
    if (name != player.name || number != player.heard) ++faults_.wrong;
    ++player.heard;
    heard_.fetch_add(1, std::memory_order_relaxed);
  }

  void Break(due::Conn& conn) {
    if (conn.attr().Get(kPlayer).has_value()) ++faults_.broken;
  }

  void Report(int64_t seconds, double memory) const {
    std::printf(
        "%4llds %10lld answers, %8lld connections opened, %lld lost, %lld wrong, %lld "
        "broken, server %.1f MiB\n",
        static_cast<long long>(seconds), static_cast<long long>(heard_),
        static_cast<long long>(opened()), static_cast<long long>(faults_.lost),
        static_cast<long long>(faults_.wrong), static_cast<long long>(faults_.broken),
        memory / 1024);
    std::fflush(stdout);
  }

  const int connections_;
  const due::Packer packer_ = *due::Packer::New();
  Faults faults_;
  std::atomic<int64_t> heard_ = 0;
  uint64_t names_ = 0;
  std::vector<Place> players_;
  std::unique_ptr<due::Client> client_;
};

int Main(int argc, char** argv) {
  std::string network = "tcp";
  int connections = 5000;
  double seconds = 600;
  bool is_server = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (std::sscanf(argv[i], "--connections=%d", &connections) == 1 ||
        std::sscanf(argv[i], "--seconds=%lf", &seconds) == 1) {
      continue;
    }
    if (argument == "server") {
      is_server = true;
    } else if (argument.starts_with("--network=")) {
      network = argument.substr(argument.find('=') + 1);
    } else {
      std::fprintf(stderr,
                   "gate_soak: unknown argument %s; known: --network=tcp|ws|kcp --connections=N "
                   "--seconds=S\n",
                   argv[i]);
      return 1;
    }
  }
  if (is_server) return Serve(network);
  Child server("", {"server", "--network=" + network});
  const int port = std::atoi(server.LineAfter("ready").c_str() + sizeof("port=") - 1);
  Soak soak(network, port, connections);
  const auto [early, late] = soak.Run(absl::Seconds(seconds), server);
  const Faults& faults = soak.faults();
  std::printf(
      "%s, %d connections, %.0f s: %lld answers, %lld connections opened; %lld lost, %lld "
      "wrong or out of order, %lld broken; server's memory %.1f MiB after a fifth, %.1f at "
      "the end\n",
      network.c_str(), connections, seconds, static_cast<long long>(soak.heard()),
      static_cast<long long>(soak.opened()), static_cast<long long>(faults.lost),
      static_cast<long long>(faults.wrong), static_cast<long long>(faults.broken), early / 1024,
      late / 1024);
  PrintFigure("soak." + network + ".answers", static_cast<double>(soak.heard()), "messages");
  PrintFigure("soak." + network + ".lost", static_cast<double>(faults.lost), "messages");
  PrintFigure("soak." + network + ".wrong", static_cast<double>(faults.wrong), "messages");
  PrintFigure("soak." + network + ".memory_early", early, "KiB");
  PrintFigure("soak." + network + ".memory_late", late, "KiB");
  return faults.lost + faults.wrong + faults.broken == 0 && soak.heard() > 0 ? 0 : 1;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::Main(argc, argv); }
