// One unary call on its loop: what it waits for ends with it, or with its context, whichever comes
// first.
//
//   UnaryCall call(client, ctx, node.address);
//   auto connection = co_await call.Connect(/*fresh=*/false);
//   const Answer answer = co_await call.Send(*connection, request);
#pragma once

#include <coroutine>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "core/context.h"
#include "core/net/context_watch.h"
#include "micro/rpc/client_connection.h"
#include "micro/rpc/client_error.h"
#include "micro/rpc/client_pool.h"

namespace micro::rpc {

class UnaryCall final : private ConnectionWaiter {
 public:
  using Connection = std::shared_ptr<ClientConnection>;

  // `address` outlives the call.
  UnaryCall(LoopClient& client, const Context& ctx, std::string_view address)
      : client_(client),
        address_(address),
        watch_(client.loop(), client.deadlines(), ctx,
               [this](const absl::Status& why) { OnContextEnd(why); }) {}

  // co_await call.Connect(fresh): a connection; a new one if `fresh`. Its error is the call's.
  auto Connect(bool fresh) {
    struct Awaiter {
      UnaryCall& call;
      const bool fresh;
      Connection idle = nullptr;
      bool await_ready() {
        if (!fresh) idle = call.client_.To(call.address_).TakeIdle();
        return idle != nullptr;
      }
      void await_suspend(std::coroutine_handle<> waiter) {
        call.waiter_ = waiter;
        call.pool_ = &call.client_.To(call.address_);
        call.pool_->Await(call, fresh);
      }
      absl::StatusOr<Connection> await_resume() {
        if (idle != nullptr) return std::move(idle);
        return *std::move(call.connected_);
      }
    };
    return Awaiter{*this, fresh};
  }

  // co_await call.Send(connection, request): the answer.
  auto Send(const Connection& connection, std::string_view request) {
    connection_ = connection.get();
    return connection->Send(request);
  }

 private:
  void OnConnection(absl::StatusOr<Connection> connection) override {
    pool_ = nullptr;
    connected_ = std::move(connection);
    std::exchange(waiter_, nullptr).resume();
  }

  void OnContextEnd(const absl::Status& why) {
    if (pool_ != nullptr) {
      pool_->TakeBack(*this);
      OnConnection(Ended(why));
    } else {
      connection_->Abandon(Ended(why));
    }
  }

  LoopClient& client_;
  const std::string_view address_;
  NodePool* pool_ = nullptr;  // while it waits for a connection
  std::coroutine_handle<> waiter_;
  std::optional<absl::StatusOr<Connection>> connected_;
  ClientConnection* connection_ = nullptr;  // while it waits for an answer
  net::ContextWatch watch_;
};

}  // namespace micro::rpc
