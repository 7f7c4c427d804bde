// The server wire "rpc": go-micro's default, calls as messages of HTTP/1.1 (docs/wire/rpc.md).
#include "micro/rpc/rpc_server.h"

#include <fmt/format.h>

#include <utility>

#include "core/async.h"
#include "core/net/socket.h"
#include "core/plugin_table.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "micro/rpc/connection.h"
#include "micro/rpc/tls.h"

namespace micro::rpc {
namespace {

class RpcServerWire final : public ServerWire {
 public:
  RpcServerWire(const ServerOptions& options, const ServerLimits& limits, net::Loops& loops)
      : options_(options), limits_(limits), loops_(loops) {}

  ~RpcServerWire() override {
    if (listener_ != nullptr) BlockOn(Stop(absl::ZeroDuration()));
  }

  std::string_view name() const override { return "mucp"; }
  std::string_view protocol() const override { return "mucp"; }
  std::string_view transport() const override { return "http"; }

  absl::StatusOr<int> Start(const std::string& host, int port,
                            std::vector<ServedEndpoint> endpoints) override {
    ASSIGN_OR_RETURN(std::shared_ptr<const net::Tls> tls, ServerTlsOf(options_));
    const HttpLimits http{.body_bytes = static_cast<size_t>(options_.max_recv_message_size)};
    auto state =
        std::make_shared<ServerState>(options_.name, std::move(endpoints), limits_, http,
                                      static_cast<size_t>(options_.max_send_message_size), loops_);
    auto listener =
        net::Listener::Listen(loops_, host, port, std::move(tls), limits_.message_timeout,
                              [state](net::Loop& loop, std::unique_ptr<net::Socket> socket) {
                                if (state->Admit())
                                  Connection::Start(state, state->On(loop), std::move(socket));
                              });
    if (!listener.ok()) {
      return absl::Status(
          listener.status().code(),
          ToAbsl(fmt::format("{} (flag --server_address)", ToStd(listener.status().message()))));
    }
    state_ = std::move(state);
    listener_ = *std::move(listener);
    return listener_->port();
  }

  void Leave() override {
    if (state_ != nullptr) state_->leaving = true;
  }

  Task<void> Stop(absl::Duration grace) override {
    if (listener_ == nullptr) co_return;
    Leave();
    co_await Offload([this] { listener_.reset(); });  // it waits for the loops
    Each(&Connection::Drain);
    state_->Leave();
    if ((co_await state_->drained.Pop(WithTimeout(Context(), grace))).ok()) co_return;
    Each(&Connection::Cancel);
    const Context once_more = WithTimeout(Context(), options_.cancel_timeout);
    if ((co_await state_->drained.Pop(once_more)).ok()) co_return;
    Each(&Connection::Close);
  }

 private:
  void Each(void (Connection::*method)()) {
    for (const std::unique_ptr<OnLoop>& on : state_->on_loops)
      on->loop().Post([state = state_, on = on.get(), method] { on->ForEach(method); });
  }

  const ServerOptions options_;
  const ServerLimits limits_;
  net::Loops& loops_;
  std::shared_ptr<ServerState> state_;
  std::unique_ptr<net::Listener> listener_;
};

MICRO_PLUGIN(ServerWire, "rpc", [](const ServerOptions& options) { return NewRpcServer(options); });

}  // namespace

std::unique_ptr<ServerWire> NewRpcServer(const ServerOptions& options, const ServerLimits& limits,
                                         net::Loops& loops) {
  return std::make_unique<RpcServerWire>(options, limits, loops);
}

}  // namespace micro::rpc
