#include "due/network/server.h"

#include <fmt/format.h>

#include <list>
#include <utility>
#include <vector>

#include "core/async.h"
#include "core/log.h"
#include "core/net/loops.h"
#include "core/net/socket.h"
#include "core/status_macros.h"
#include "due/kcp/kcp.h"
#include "due/network/session_table.h"
#include "due/network/upgrade.h"
#include "due/network/websocket_wire.h"
#include "micro/address.h"

namespace due {
namespace {

using micro::Context;
using micro::Task;
using micro::net::Listener;
using micro::net::Loop;
using micro::net::Loops;
using micro::net::Socket;

constexpr size_t kMostUpgrades = 1000;  // at once on a loop

// What a server and the handlers on its loops share.
class Accepting final : public std::enable_shared_from_this<Accepting> {
 public:
  Accepting(const ServerOptions& options, const Packer& packer, Hooks hooks)
      : is_websocket_(options.network == "ws"),
        handshake_timeout_(options.handshake_timeout),
        rules_(std::make_shared<const UpgradeRules>(UpgradeRules{
            .path = options.path, .origins = options.origins, .on_upgrade = hooks.on_upgrade})),
        settings_(std::make_shared<const SessionSettings>(SessionSettings{
            .framing = Framing(packer, is_websocket_ ? Carrier::kMessages : Carrier::kStream),
            .hooks = std::move(hooks),
            .write_queue_size = options.write_queue_size,
            .packet_rate = options.packet_rate,
            .stall_timeout = options.stall_timeout,
            .heartbeat_interval = options.heartbeat_interval,
            .answers_heartbeats = options.heartbeat_mechanism == HeartbeatMechanism::kResp,
            .sends_heartbeats = options.heartbeat_mechanism == HeartbeatMechanism::kTick,
            .authorize_timeout = options.authorize_timeout})),
        // KCP's listener counts by itself.
        sessions_(std::make_shared<SessionTable>(
            loops_, settings_, options.network == "kcp" ? INT64_MAX : options.max_conn_num,
            options.first_id)) {}

  Loops& loops() { return loops_; }
  const Packer& packer() const { return settings_->framing.packer(); }
  SessionTable& sessions() { return *sessions_; }
  int64_t unopened() const { return unopened_; }

  // On the loop: a connection has come.
  void Accept(Loop& loop, std::unique_ptr<Socket> socket) {
    if (!is_websocket_) return Open(loop, std::move(socket), "");
    Upgrades& here = UpgradesOf(loop);
    if (here.size() == kMostUpgrades) {  // the slowest makes room
      ++unopened_;
      here.front()->Cancel();
      here.pop_front();
    }
    const auto place = here.emplace(here.end());
    *place = Upgrade::Accept(
        std::move(socket), rules_, sessions_->DeadlinesOf(loop), handshake_timeout_,
        [self = shared_from_this(), &loop, place](absl::StatusOr<Upgrade::Opened> opened) {
          self->UpgradesOf(loop).erase(place);
          if (opened.ok()) return self->Open(loop, std::move(opened->socket), opened->read);
          ++self->unopened_;
          micro::log::Debug("a connection was refused", {{"error", opened.status()}});
        });
  }

  // Ends the handshakes that run; none begins any more.
  Task<void> EndUpgrades() {
    for (size_t i = 0; i < loops_.size(); ++i) {
      co_await loops_[i].Enter();
      for (const std::shared_ptr<Upgrade>& upgrade : std::exchange(upgrades_[i], {}))
        upgrade->Cancel();
    }
  }

  // The bytes that carry a packet to any of the clients.
  std::shared_ptr<const std::string> Encode(std::string_view packet) {
    auto bytes = std::make_shared<std::string>();
    NewWire()->Put(packet, *bytes);
    return bytes;
  }

 private:
  using Upgrades = std::list<std::shared_ptr<Upgrade>>;  // the oldest first

  Upgrades& UpgradesOf(const Loop& loop) {
    size_t index = 0;
    while (&loops_[index] != &loop) ++index;
    return upgrades_[index];
  }

  std::unique_ptr<Wire> NewWire() const {
    if (!is_websocket_) return std::make_unique<StreamWire>(settings_->framing);
    return std::make_unique<WebSocketWire>(settings_->framing, WebSocketWire::kServer);
  }

  void Open(Loop& loop, std::unique_ptr<Socket> socket, std::string_view read) {
    sessions_->Add(loop, std::move(socket), NewWire(), read);
  }

  Loops& loops_ = Loops::Default();
  const bool is_websocket_;
  const absl::Duration handshake_timeout_;
  const std::shared_ptr<const UpgradeRules> rules_;
  const std::shared_ptr<const SessionSettings> settings_;
  const std::shared_ptr<SessionTable> sessions_;
  std::atomic<int64_t> unopened_ = 0;
  std::vector<Upgrades> upgrades_{loops_.size()};  // each for its loop
};

class NetworkServer final : public Server {
 public:
  explicit NetworkServer(std::shared_ptr<Accepting> accepting) : accepting_(std::move(accepting)) {}

  ~NetworkServer() override { micro::BlockOn(EndAll(Context(), /*force=*/true)); }

  absl::Status Start(const ServerOptions& options) {
    ASSIGN_OR_RETURN(const micro::ListenAddress address,
                     micro::ParseListenAddress(options.address));
    const auto accept = [accepting = accepting_](Loop& loop, std::unique_ptr<Socket> socket) {
      accepting->Accept(loop, std::move(socket));
    };
    if (options.network == "kcp") {
      ASSIGN_OR_RETURN(kcp_listener_,
                       KcpListener::Listen(accepting_->loops(), address.host, address.first_port,
                                           options.kcp, options.max_conn_num, accept));
      return absl::OkStatus();
    }
    std::shared_ptr<const micro::net::Tls> tls;
    if (!options.cert_file.empty()) {
      ASSIGN_OR_RETURN(
          tls, micro::net::NewServerTls({.cert = options.cert_file, .key = options.key_file}));
    }
    ASSIGN_OR_RETURN(listener_,
                     Listener::Listen(accepting_->loops(), address.host, address.first_port,
                                      std::move(tls), options.handshake_timeout, accept));
    return absl::OkStatus();
  }

  int port() const override {
    return listener_ != nullptr ? listener_->port() : kcp_listener_->port();
  }

  Counts counts() const override {
    Counts counts = accepting_->sessions().counts();
    counts.unopened = accepting_->unopened();
    if (kcp_listener_ != nullptr) {
      const KcpCounts kcp = kcp_listener_->counts();
      counts.refused += kcp.dropped[static_cast<size_t>(KcpDrop::kRefused)];
    }
    counts.broadcasts = broadcasts_;
    return counts;
  }

  absl::Status Broadcast(std::string_view packet,
                         std::function<bool(const Conn&)> is_meant) override {
    RETURN_IF_ERROR(CheckPacket(accepting_->packer(), packet));
    ++broadcasts_;
    accepting_->sessions().Broadcast(accepting_->Encode(packet), std::move(is_meant));
    return absl::OkStatus();
  }

  Task<void> Stop(Context ctx) override {
    co_await EndAll(ctx, /*force=*/false);
    co_await EndAll(Context(), /*force=*/true);
  }

 private:
  Task<void> EndAll(Context ctx, bool force) {
    co_await micro::Offload([this] {
      if (listener_ != nullptr) listener_->Close();
      if (kcp_listener_ != nullptr) kcp_listener_->Close();
    });
    co_await accepting_->EndUpgrades();
    co_await accepting_->sessions().EndAll(ctx, force);
  }

  const std::shared_ptr<Accepting> accepting_;
  std::unique_ptr<Listener> listener_;  // or the other
  std::unique_ptr<KcpListener> kcp_listener_;
  std::atomic<int64_t> broadcasts_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Listen(ServerOptions options, Hooks hooks) {
  RETURN_IF_ERROR(options.Check());
  ASSIGN_OR_RETURN(const Packer packer, Packer::New(options.packet));
  auto server = std::make_unique<NetworkServer>(
      std::make_shared<Accepting>(options, packer, std::move(hooks)));
  RETURN_IF_ERROR(server->Start(options));
  return server;
}

}  // namespace due
