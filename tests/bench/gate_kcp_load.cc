// The load of gate_bench over KCP: our own client, of whose CPU nothing is measured.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "core/async.h"
#include "due/network/client.h"
#include "due/packet/packer.h"
#include "tests/bench/gate_load.h"
#include "tests/bench/meter.h"

namespace bench {

void RunKcpLoad(const GateLoad& load) {
  const due::Packer packer = *due::Packer::New();
  std::atomic<int64_t> begin = INT64_MAX, all = 0;
  std::atomic<bool> is_over = false;
  std::vector<uint32_t> latencies;  // of the one loop that there is on one core
  latencies.reserve(1 << 24);
  const auto ask = [&](due::Conn& conn) {
    std::string body(static_cast<size_t>(load.body), 'x'), packet;
    const int64_t now = Meter::Now();
    std::memcpy(body.data(), &now, sizeof(now));
    (void)packer.Pack({1, 1, body}, packet);
    if (!conn.Push(packet).ok()) std::exit(1);
  };
  auto client = due::Client::New({.network = "kcp",
                                  .address = "127.0.0.1:" + std::to_string(load.port),
                                  .kcp = GateKcp(),
                                  .heartbeat_interval = absl::ZeroDuration()},
                                 {.on_receive =
                                      [&](due::Conn& conn, std::string_view packet) {
                                        const auto message = packer.Unpack(packet);
                                        int64_t start = 0;
                                        if (!message.ok() || message->body.size() < sizeof(start))
                                          std::exit(1);
                                        std::memcpy(&start, message->body.data(), sizeof(start));
                                        const int64_t now = Meter::Now();
                                        if (now >= begin)
                                          latencies.push_back(static_cast<uint32_t>(now - start));
                                        all.fetch_add(1, std::memory_order_relaxed);
                                        if (!is_over) ask(conn);
                                      },
                                  .on_disconnect =
                                      [](due::Conn&, due::Cause cause) {
                                        if (cause == due::Cause::kLocal) return;
                                        std::fprintf(stderr, "a connection was lost\n");
                                        std::exit(1);
                                      }});
  if (!client.ok()) std::exit(1);
  std::vector<std::shared_ptr<due::Conn>> connections;
  for (int i = 0; i < load.connections; ++i) {
    const auto conn = micro::BlockOn((*client)->Dial(micro::Context()));
    if (!conn.ok()) std::exit(1);
    connections.push_back(*conn);
  }
  std::printf("connected\n");
  std::fflush(stdout);
  getchar();  // until the parent has looked at the server
  const int64_t now = Meter::Now();
  begin = now + static_cast<int64_t>(load.seconds * 0.25e9);
  for (const auto& conn : connections) {
    for (int i = 0; i < load.window; ++i) ask(*conn);
  }
  absl::SleepFor(absl::Seconds(load.seconds * 1.25));
  is_over = true;
  const int64_t total = all;
  micro::BlockOn((*client)->Stop(micro::Context()));
  if (latencies.empty()) {
    std::fprintf(stderr, "nothing was measured\n");
    std::exit(1);
  }
  std::sort(latencies.begin(), latencies.end());
  std::printf("measured %zu %f %u %u %lld\n", latencies.size(), load.seconds,
              latencies[latencies.size() / 2], latencies[latencies.size() * 99 / 100],
              static_cast<long long>(total));
  std::fflush(stdout);
}

}  // namespace bench
