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
#include "due/cluster/kcp_flags.h"
#include "due/cluster/packet_flags.h"
#include "due/network/server.h"
#include "due/packet/packer.h"
#include "micro/service.h"
#include "tests/interop/shifted.h"

namespace {

constexpr absl::Duration kGrace = absl::Seconds(5);

struct Settings {
  std::string network = "tcp", listen = "127.0.0.1:3553", tls_cert, tls_key;
  int max_conn_num = 20000, shift = 0;
  absl::Duration heartbeat = absl::Seconds(10);
  due::PacketFlags packet;
  due::KcpFlags kcp;
};

// The signals that end it, which no thread that begins after this takes.
sigset_t BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

// What cannot be read is not answered, nor what cannot be queued: its connection has just ended.
std::function<void(due::Conn&, std::string_view)> Answerer(const due::Packer& packer, int shift) {
  if (shift == 0) return [](due::Conn& conn, std::string_view packet) { (void)conn.Push(packet); };
  return [packer, shift](due::Conn& conn, std::string_view packet) {
    absl::StatusOr<due::Message> message = packer.Unpack(packet);
    if (!message.ok()) return;
    message->route = interop::Shifted(message->route, shift);
    message->seq = interop::Shifted(message->seq, shift);
    std::string answer;
    if (packer.Pack(*message, answer).ok()) (void)conn.Push(answer);
  };
}

absl::Status Run(const Settings& settings, const sigset_t& signals) {
  due::ServerOptions options{.network = settings.network,
                             .address = settings.listen,
                             .cert_file = settings.tls_cert,
                             .key_file = settings.tls_key,
                             .max_conn_num = settings.max_conn_num,
                             .heartbeat_interval = settings.heartbeat};
  ASSIGN_OR_RETURN(options.packet, settings.packet.ToOptions());
  ASSIGN_OR_RETURN(options.kcp, settings.kcp.ToOptions());
  ASSIGN_OR_RETURN(const due::Packer packer, due::Packer::New(options.packet));
  due::Hooks hooks;
  hooks.on_receive = Answerer(packer, settings.shift);
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
  micro::ServiceOptions program{
      .name = "echo", .registry = "memory", .flags = settings.packet.Flags()};
  const std::vector<micro::Flag> kcp = settings.kcp.Flags();
  program.flags.insert(program.flags.end(), kcp.begin(), kcp.end());
  program.flags.insert(
      program.flags.end(),
      {{"network", &settings.network, "tcp, ws or kcp"},
       {"listen", &settings.listen, "host:port; port 0: a free one"},
       {"tls_cert", &settings.tls_cert, "PEM file; with --tls_key: TLS"},
       {"tls_key", &settings.tls_key, "PEM file"},
       {"heartbeat", &settings.heartbeat, "between heartbeats; 0s: none are wanted"},
       {"max_conn_num", &settings.max_conn_num, "connections at once"},
       {"shift", &settings.shift, "added to route and seq of each answer"}});
  auto flags = micro::NewService(std::move(program));
  flags->Init(&argc, argv);
  const absl::Status status = Run(settings, signals);
  if (status.ok()) return 0;
  std::fprintf(stderr, "echo: %s\n", std::string(status.message()).c_str());
  return 1;
}
