#include "due/link/server.h"

#include <fmt/format.h>

#include <atomic>
#include <utility>
#include <vector>

#include "core/async.h"
#include "core/mutex.h"
#include "core/net/socket.h"
#include "core/status_macros.h"
#include "due/link/connection.h"
#include "micro/address.h"

namespace due {
namespace {

using micro::Context;
using micro::OneShot;
using micro::Task;
using micro::net::Listener;
using micro::net::Loop;
using micro::net::Loops;
using micro::net::Socket;

// What a server and its connections share.
class Accepted final : public std::enable_shared_from_this<Accepted> {
 public:
  Accepted(Loops& loops, const LinkServerOptions& options, LinkHandler& handler)
      : options_(std::make_shared<const LinkServerOptions>(options)), handler_(handler) {
    for (size_t i = 0; i < loops.size(); ++i)
      on_loops_.push_back(micro::net::Turn::New<LinkServerLoop>(loops[i]));
  }

  // On the loop.
  void Add(const Loop& loop, std::unique_ptr<Socket> socket) {
    for (const std::shared_ptr<LinkServerLoop>& here : on_loops_) {
      if (&here->loop() == &loop) return AddTo(here, std::move(socket));
    }
  }

  // Ends the connections, and takes no more; waits until they are gone or `ctx` ends.
  Task<void> EndAll(Context ctx, bool force) {
    auto all_gone = std::make_shared<OneShot<bool>>();
    {
      micro::MutexLock lock(mutex_);
      all_gone_ = all_gone;
    }
    for (const std::shared_ptr<LinkServerLoop>& here : on_loops_) {
      co_await here->loop().Enter();
      here->is_closed = true;
      const std::vector<std::shared_ptr<LinkConnection>> connections(here->connections.begin(),
                                                                     here->connections.end());
      for (const auto& connection : connections) connection->End(force);
    }
    bool none = false;
    {
      micro::MutexLock lock(mutex_);
      none = open_ == 0;
    }
    if (none) all_gone->TrySet(true);
    (void)co_await micro::Await(ctx, all_gone);
    // Who asked may now free what the loops are needed for.
    co_await micro::Offload([] {});
  }

  LinkServerCounts counts() const {
    LinkServerCounts counts{.accepted = accepted_, .refused = refused_, .open = open_};
    for (const std::shared_ptr<LinkServerLoop>& here : on_loops_) {
      counts.probes += here->probes;
      counts.frames_in += here->frames_in;
      counts.heartbeats += here->heartbeats;
      counts.answers += here->answers;
      counts.late += here->late;
      counts.orphaned += here->orphaned;
      counts.unanswered += here->unanswered;
      counts.unknown += here->unknown;
      counts.malformed += here->malformed;
      for (size_t i = 0; i < kLinkEnds; ++i) counts.ended[i] += here->ended[i];
    }
    return counts;
  }

 private:
  void AddTo(const std::shared_ptr<LinkServerLoop>& here, std::unique_ptr<Socket> socket) {
    if (here->is_closed) return;
    if (open_.fetch_add(1) >= options_->max_connections) {
      open_.fetch_sub(1);
      ++refused_;
      return;
    }
    ++accepted_;
    const auto connection =
        std::make_shared<LinkConnection>(std::move(socket), here, options_, handler_,
                                         [accepted = shared_from_this()] { accepted->Gone(); });
    here->connections.insert(connection);
    connection->Start();
  }

  void Gone() {
    std::shared_ptr<OneShot<bool>> waiter;
    {
      micro::MutexLock lock(mutex_);
      if (open_.fetch_sub(1) == 1) waiter = all_gone_;
    }
    if (waiter != nullptr) waiter->TrySet(true);
  }

  const std::shared_ptr<const LinkServerOptions> options_;
  LinkHandler& handler_;
  std::vector<std::shared_ptr<LinkServerLoop>> on_loops_;
  std::atomic<int64_t> accepted_ = 0, refused_ = 0, open_ = 0;
  micro::Mutex mutex_;
  std::shared_ptr<OneShot<bool>> all_gone_ ABSL_GUARDED_BY(mutex_);
};

class TcpLinkServer final : public LinkServer {
 public:
  explicit TcpLinkServer(std::shared_ptr<Accepted> accepted) : accepted_(std::move(accepted)) {}
  ~TcpLinkServer() override { micro::BlockOn(EndAll(Context(), /*force=*/true)); }

  absl::Status Start(Loops& loops, const std::string& text) {
    ASSIGN_OR_RETURN(const micro::ListenAddress address, micro::ParseListenAddress(text));
    ASSIGN_OR_RETURN(
        listener_,
        Listener::Listen(loops, address.host, address.first_port, nullptr, absl::InfiniteDuration(),
                         [accepted = accepted_](Loop& loop, std::unique_ptr<Socket> socket) {
                           accepted->Add(loop, std::move(socket));
                         }));
    port_ = listener_->port();
    return absl::OkStatus();
  }

  int port() const override { return port_; }
  LinkServerCounts counts() const override { return accepted_->counts(); }

  Task<void> Stop(Context ctx) override {
    co_await EndAll(ctx, /*force=*/false);
    co_await EndAll(Context(), /*force=*/true);
  }

 private:
  Task<void> EndAll(Context ctx, bool force) {
    co_await micro::Offload([this] {
      if (listener_ != nullptr) listener_->Close();
    });
    co_await accepted_->EndAll(ctx, force);
  }

  const std::shared_ptr<Accepted> accepted_;
  std::unique_ptr<Listener> listener_;
  int port_ = 0;
};

}  // namespace

absl::Status LinkServerOptions::Check() const {
  const auto bad = [](std::string_view option, std::string_view why) {
    return absl::InvalidArgumentError(fmt::format("{} {}", option, why));
  };
  if (frame_bytes < 64) return bad("frame_bytes", "is below 64");
  if (max_connections < 1) return bad("max_connections", "is below 1");
  if (max_unanswered < 1) return bad("max_unanswered", "is below 1");
  if (write_queue_bytes < 1) return bad("write_queue_bytes", "is below 1");
  if (stall_timeout <= absl::ZeroDuration()) return bad("stall_timeout", "is not above zero");
  if (silence < absl::ZeroDuration()) return bad("silence", "is negative");
  if (answer_within <= absl::ZeroDuration()) return bad("answer_within", "is not above zero");
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<LinkServer>> LinkServer::Listen(LinkServerOptions options,
                                                               LinkHandler& handler, Loops& loops) {
  RETURN_IF_ERROR(options.Check());
  auto server =
      std::make_unique<TcpLinkServer>(std::make_shared<Accepted>(loops, options, handler));
  RETURN_IF_ERROR(server->Start(loops, options.address));
  return server;
}

}  // namespace due
