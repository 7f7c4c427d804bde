#include "due/network/client.h"

#include <fmt/format.h>

#include <utility>

#include "core/async.h"
#include "core/clock.h"
#include "core/net/loops.h"
#include "core/net/socket.h"
#include "core/status_macros.h"
#include "due/kcp/kcp.h"
#include "due/network/session_table.h"
#include "due/network/upgrade.h"
#include "due/network/websocket_wire.h"

namespace due {
namespace {

using micro::Clock;
using micro::Context;
using micro::OneShot;
using micro::Task;
using micro::net::Loop;
using micro::net::Loops;
using micro::net::Socket;
using Slot = std::shared_ptr<OneShot<std::shared_ptr<Conn>>>;

// Where a server is.
struct Target {
  std::string address = {};  // host:port
  std::string path = "/";    // of ws
  bool is_secure = false;
};

absl::StatusOr<Target> ParseTarget(const ClientOptions& options) {
  Target target{.is_secure = !options.ca_file.empty() || !options.server_name.empty()};
  std::string_view rest = options.address;
  const size_t scheme = rest.find("://");
  if (options.network != "ws" || scheme == rest.npos) {
    target.address = rest;
    return target;
  }
  const std::string_view name = rest.substr(0, scheme);
  if (name != "ws" && name != "wss") {
    return absl::InvalidArgumentError(
        fmt::format("address is \"{}\", which is no ws:// or wss:// URL", options.address));
  }
  target.is_secure |= name == "wss";
  rest.remove_prefix(scheme + 3);
  const size_t path = std::min(rest.find('/'), rest.size());
  target.address = rest.substr(0, path);
  if (path < rest.size()) target.path = rest.substr(path);
  const size_t colon = target.address.rfind(':');
  if (colon == std::string::npos || target.address.ends_with(']'))
    target.address += target.is_secure ? ":443" : ":80";
  return target;
}

class NetworkClient final : public Client {
 public:
  NetworkClient(const ClientOptions& options, const Packer& packer, Target target,
                std::shared_ptr<const micro::net::Tls> tls, Hooks hooks)
      : settings_(std::make_shared<const SessionSettings>(SessionSettings{
            .framing =
                Framing(packer, options.network == "ws" ? Carrier::kMessages : Carrier::kStream),
            .hooks = std::move(hooks),
            .write_queue_size = options.write_queue_size,
            .stall_timeout = options.stall_timeout,
            .heartbeat_interval = options.heartbeat_interval,
            .sends_heartbeats = true,
            .is_client = true})),
        opening_(std::make_shared<const Opening>(
            Opening{.is_websocket = options.network == "ws",
                    .target = std::move(target),
                    .settings = settings_,
                    .sessions = std::make_shared<SessionTable>(loops_, settings_, INT64_MAX)})),
        tls_(std::move(tls)),
        is_kcp_(options.network == "kcp"),
        kcp_(options.kcp),
        dial_timeout_(options.dial_timeout) {}

  ~NetworkClient() override { micro::BlockOn(sessions().EndAll(Context(), /*force=*/true)); }

  Task<absl::StatusOr<std::shared_ptr<Conn>>> Dial(Context ctx) override {
    Loop& loop = loops_.Next();
    auto slot = std::make_shared<OneShot<std::shared_ptr<Conn>>>();
    const absl::Time deadline = Clock::Real().Now() + dial_timeout_;
    auto opened = [opening = opening_, &loop, slot,
                   deadline](absl::StatusOr<std::unique_ptr<Socket>> socket) {
      if (!socket.ok()) return (void)slot->TrySet(std::move(socket).status());
      Opening::Open(opening, loop, *std::move(socket), deadline, slot);
    };
    if (is_kcp_) {
      DialKcp(loop, opening_->target.address, kcp_, dial_timeout_, std::move(opened));
    } else {
      micro::net::Connect(loop, opening_->target.address, tls_, dial_timeout_, std::move(opened));
    }
    auto conn = co_await micro::Await(ctx, slot);
    co_await micro::Offload([] {});  // off the loop: who goes on may destroy this client
    co_return conn;
  }

  Counts counts() const override { return sessions().counts(); }

  Task<void> Stop(Context ctx) override {
    co_await sessions().EndAll(ctx, /*force=*/false);
    co_await sessions().EndAll(Context(), /*force=*/true);
  }

 private:
  // What becomes of a connection; it lives as long as one is on its way.
  struct Opening {
    // On the loop.
    static void Open(const std::shared_ptr<const Opening>& self, Loop& loop,
                     std::unique_ptr<Socket> socket, absl::Time deadline, const Slot& slot) {
      if (!self->is_websocket) return self->Add(loop, std::move(socket), "", *slot);
      Upgrade::Request(std::move(socket), self->target.address, self->target.path,
                       self->sessions->DeadlinesOf(loop), deadline - Clock::Real().Now(),
                       [self, &loop, slot](absl::StatusOr<Upgrade::Opened> opened) {
                         if (opened.ok())
                           return self->Add(loop, std::move(opened->socket), opened->read, *slot);
                         slot->TrySet(absl::UnavailableError(fmt::format(
                             "cannot connect to ws://{}{}: {}", self->target.address,
                             self->target.path, std::string(opened.status().message()))));
                       });
    }

    void Add(Loop& loop, std::unique_ptr<Socket> socket, std::string_view read,
             OneShot<std::shared_ptr<Conn>>& slot) const {
      const std::shared_ptr<Session> session =
          sessions->Add(loop, std::move(socket), NewWire(), read);
      if (session == nullptr) {
        slot.TrySet(absl::CancelledError("the client was stopped"));
      } else if (!slot.TrySet(session)) {
        session->Close(/*force=*/true);  // nobody waits for it any more
      }
    }

    std::unique_ptr<Wire> NewWire() const {
      if (!is_websocket) return std::make_unique<StreamWire>(settings->framing);
      return std::make_unique<WebSocketWire>(settings->framing, WebSocketWire::kClient);
    }

    const bool is_websocket;
    const Target target;
    const std::shared_ptr<const SessionSettings> settings;
    const std::shared_ptr<SessionTable> sessions;
  };

  SessionTable& sessions() const { return *opening_->sessions; }

  Loops& loops_ = Loops::Default();
  const std::shared_ptr<const SessionSettings> settings_;
  const std::shared_ptr<const Opening> opening_;
  const std::shared_ptr<const micro::net::Tls> tls_;
  const bool is_kcp_;
  const KcpOptions kcp_;
  const absl::Duration dial_timeout_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Client>> Client::New(ClientOptions options, Hooks hooks) {
  RETURN_IF_ERROR(options.Check());
  ASSIGN_OR_RETURN(const Packer packer, Packer::New(options.packet));
  ASSIGN_OR_RETURN(Target target, ParseTarget(options));
  std::shared_ptr<const micro::net::Tls> tls;
  if (target.is_secure) {
    ASSIGN_OR_RETURN(
        tls, micro::net::NewClientTls({.ca = options.ca_file, .server_name = options.server_name}));
  }
  return std::make_unique<NetworkClient>(options, packer, std::move(target), std::move(tls),
                                         std::move(hooks));
}

}  // namespace due
