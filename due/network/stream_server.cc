#include "due/network/stream_server.h"

#include <fmt/format.h>

#include <atomic>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/async.h"
#include "core/net/loops.h"
#include "core/net/socket.h"
#include "core/status_macros.h"
#include "due/network/session.h"
#include "micro/address.h"

namespace due {
namespace {

using micro::Context;
using micro::OneShot;
using micro::Task;
using micro::net::Listener;
using micro::net::Loop;
using micro::net::Loops;

// The connections of one loop; used there alone.
struct LoopConns {
  explicit LoopConns(Loop& loop) : turn(LoopTurn::New(loop)) {}
  const std::shared_ptr<LoopTurn> turn;
  std::unordered_map<int64_t, std::shared_ptr<Session>> sessions;
};

class TcpServer final : public Server {
 public:
  TcpServer(ServerOptions options, Framing framing, Hooks hooks)
      : options_(std::move(options)),
        settings_(std::make_shared<const SessionSettings>(SessionSettings{
            .framing = framing,
            .hooks = std::move(hooks),
            .write_queue_size = options_.write_queue_size,
            .stall_timeout = options_.stall_timeout,
            .heartbeat_interval = options_.heartbeat_interval,
            .answers_heartbeats = options_.heartbeat_mechanism == HeartbeatMechanism::kResp,
            .sends_heartbeats = options_.heartbeat_mechanism == HeartbeatMechanism::kTick,
            .authorize_timeout = options_.authorize_timeout})) {
    for (size_t i = 0; i < loops_.size(); ++i)
      conns_.push_back(std::make_unique<LoopConns>(loops_[i]));
  }

  ~TcpServer() override { micro::BlockOn(EndAll(Context(), /*force=*/true)); }

  absl::Status Start(const std::string& host, int port,
                     std::shared_ptr<const micro::net::Tls> tls) {
    ASSIGN_OR_RETURN(
        listener_, Listener::Listen(loops_, host, port, std::move(tls), options_.handshake_timeout,
                                    [this](Loop& loop, std::unique_ptr<micro::net::Socket> socket) {
                                      Accept(loop, std::move(socket));
                                    }));
    return absl::OkStatus();
  }

  int port() const override { return listener_->port(); }

  ServerCounts counts() const override {
    ServerCounts counts{.accepted = accepted_, .refused = refused_, .open = open_};
    for (const auto& conns : conns_) {
      counts.packets_in += conns->turn->packets_in.load(std::memory_order_relaxed);
      counts.packets_out += conns->turn->packets_out.load(std::memory_order_relaxed);
    }
    for (size_t i = 0; i < kCauses; ++i) counts.ended[i] = ended_[i];
    return counts;
  }

  Task<void> Stop(Context ctx) override {
    co_await EndAll(ctx, /*force=*/false);
    co_await EndAll(Context(), /*force=*/true);
  }

 private:
  LoopConns& Of(Loop& loop) {
    for (const auto& conns : conns_) {
      if (&conns->turn->loop() == &loop) return *conns;
    }
    std::abort();  // a listener gives connections to the loops that it was given
  }

  void Accept(Loop& loop, std::unique_ptr<micro::net::Socket> socket) {
    if (open_.fetch_add(1) >= options_.max_conn_num) {
      open_.fetch_sub(1);
      ++refused_;
      return;
    }
    ++accepted_;
    LoopConns& conns = Of(loop);
    const int64_t id = ++last_id_;
    const auto session = std::make_shared<Session>(id, std::move(socket), settings_, conns.turn,
                                                   [this, &conns](Session& ended, Cause cause) {
                                                     ++ended_[static_cast<size_t>(cause)];
                                                     conns.sessions.erase(ended.id());
                                                     Forget();
                                                   });
    conns.sessions.emplace(id, session);
    session->Start();
  }

  // Ends all connections, and waits until they are gone or `ctx` ends.
  Task<void> EndAll(Context ctx, bool force) {
    co_await micro::Offload([this] {
      if (listener_ != nullptr) listener_->Close();
    });
    auto all_ended = std::make_shared<OneShot<bool>>();
    {
      micro::MutexLock lock(mutex_);
      all_ended_ = all_ended;
    }
    for (const auto& conns : conns_) {
      co_await conns->turn->loop().Enter();
      std::vector<std::shared_ptr<Session>> sessions;
      for (const auto& [id, session] : conns->sessions) sessions.push_back(session);
      for (const auto& session : sessions) session->Close(force);
    }
    bool none = false;
    {
      micro::MutexLock lock(mutex_);
      none = open_ == 0;
    }
    if (none) all_ended->TrySet(true);
    (void)co_await micro::Await(ctx, all_ended);
  }

  // One connection fewer. Who waits for the last of them may free this server at once, and so learns
  // of it under the lock only.
  void Forget() {
    std::shared_ptr<OneShot<bool>> waiter;
    {
      micro::MutexLock lock(mutex_);
      if (open_.fetch_sub(1) == 1) waiter = all_ended_;
    }
    if (waiter != nullptr) waiter->TrySet(true);
  }

  const ServerOptions options_;
  const std::shared_ptr<const SessionSettings> settings_;
  Loops& loops_ = Loops::Default();
  std::vector<std::unique_ptr<LoopConns>> conns_;
  std::unique_ptr<Listener> listener_;
  std::atomic<int64_t> last_id_ = 0, accepted_ = 0, refused_ = 0, open_ = 0;
  std::array<std::atomic<int64_t>, kCauses> ended_ = {};
  micro::Mutex mutex_;
  std::shared_ptr<OneShot<bool>> all_ended_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> ListenTcp(const ServerOptions& options, Hooks hooks) {
  RETURN_IF_ERROR(options.Check());
  ASSIGN_OR_RETURN(const Packer packer, Packer::New(options.packet));
  ASSIGN_OR_RETURN(const micro::ListenAddress address, micro::ParseListenAddress(options.address));
  std::shared_ptr<const micro::net::Tls> tls;
  if (!options.cert_file.empty()) {
    ASSIGN_OR_RETURN(
        tls, micro::net::NewServerTls({.cert = options.cert_file, .key = options.key_file}));
  }
  auto server =
      std::make_unique<TcpServer>(options, Framing(packer, Carrier::kStream), std::move(hooks));
  RETURN_IF_ERROR(server->Start(address.host, address.first_port, std::move(tls)));
  return server;
}

}  // namespace due
