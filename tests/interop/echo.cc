// Answers every packet of a game's clients with itself, without gate and node. Prints a line when it
// can be used, and ends on SIGTERM with exit code 0.
//
//   bazel run //tests/interop:echo -- --network=tcp --listen=127.0.0.1:3553
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "core/async.h"
#include "core/status_macros.h"
#include "due/network/server.h"
#include "micro/service.h"

namespace {

constexpr absl::Duration kGrace = absl::Seconds(5);

struct Settings {
  std::string network = "tcp", listen = "127.0.0.1:3553";
  std::string byte_order = "big", dialect = "v2.1";
  int route_bytes = 2, seq_bytes = 2, buffer_bytes = 5000, max_conn_num = 20000;
  bool heartbeat_time = false;
  absl::Duration heartbeat = absl::Seconds(10);
};

absl::StatusOr<due::ServerOptions> OptionsOf(const Settings& settings) {
  due::ServerOptions options{.network = settings.network,
                             .address = settings.listen,
                             .max_conn_num = settings.max_conn_num,
                             .heartbeat_interval = settings.heartbeat};
  ASSIGN_OR_RETURN(options.packet.byte_order, due::ParseByteOrder(settings.byte_order));
  ASSIGN_OR_RETURN(options.packet.dialect, due::ParseDialect(settings.dialect));
  options.packet.route_bytes = settings.route_bytes;
  options.packet.seq_bytes = settings.seq_bytes;
  if (settings.buffer_bytes < 0) {
    return absl::InvalidArgumentError("buffer_bytes is negative (flag --buffer_bytes)");
  }
  options.packet.buffer_bytes = static_cast<size_t>(settings.buffer_bytes);
  options.packet.heartbeat_time = settings.heartbeat_time;
  return options;
}

// The signals that end it, which no thread that begins after this takes.
sigset_t BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

absl::Status Run(const Settings& settings, const sigset_t& signals) {
  ASSIGN_OR_RETURN(const due::ServerOptions options, OptionsOf(settings));
  due::Hooks hooks;
  // What cannot be queued has nowhere to go: its connection has just ended.
  hooks.on_receive = [](due::Conn& conn, std::string_view packet) { (void)conn.Push(packet); };
  ASSIGN_OR_RETURN(const auto server, due::Server::Listen(options, std::move(hooks)));
  const std::string host = settings.listen.substr(0, settings.listen.rfind(':'));
  std::printf("ready kind=echo addr=%s:%d network=%s pid=%d\n", host.c_str(), server->port(),
              settings.network.c_str(), getpid());
  std::fflush(stdout);
  int signal = 0;
  sigwait(&signals, &signal);
  micro::BlockOn(server->Stop(micro::WithTimeout(micro::Context(), kGrace)));
  const due::Counts counts = server->counts();
  std::printf("accepted=%lld refused=%lld packets_in=%lld packets_out=%lld\n",
              static_cast<long long>(counts.accepted), static_cast<long long>(counts.refused),
              static_cast<long long>(counts.packets_in),
              static_cast<long long>(counts.packets_out));
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  const sigset_t signals = BlockSignals();
  Settings settings;
  auto flags = micro::NewService(
      {.name = "echo",
       .registry = "memory",
       .flags = {{"network", &settings.network, "tcp"},
                 {"listen", &settings.listen, "host:port; port 0: a free one"},
                 {"byte_order", &settings.byte_order, "big or little"},
                 {"route_bytes", &settings.route_bytes, "1, 2 or 4"},
                 {"seq_bytes", &settings.seq_bytes, "0, 1, 2 or 4"},
                 {"buffer_bytes", &settings.buffer_bytes, "of a message that is sent, at most"},
                 {"heartbeat_time", &settings.heartbeat_time, "heartbeats tell the time"},
                 {"heartbeat", &settings.heartbeat, "between heartbeats; 0s: none are wanted"},
                 {"dialect", &settings.dialect, "v2.1 or v2.0"},
                 {"max_conn_num", &settings.max_conn_num, "connections at once"}}});
  flags->Init(&argc, argv);
  const absl::Status status = Run(settings, signals);
  if (status.ok()) return 0;
  std::fprintf(stderr, "echo: %s\n", std::string(status.message()).c_str());
  return 1;
}
