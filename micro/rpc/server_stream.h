// One stream on a server: a handler's side, and the messages that come for it.
//
// The connection calls on its loop's thread. The handler may call from any; Send and Recv go on on
// the loop.
#pragma once

#include <coroutine>
#include <deque>
#include <memory>
#include <stop_token>
#include <string>

#include "core/clock.h"
#include "micro/rpc/body.h"
#include "micro/rpc/connection.h"
#include "micro/rpc/incoming.h"
#include "micro/wire.h"

namespace micro::rpc {

class ServerStream final : public RawStream, public std::enable_shared_from_this<ServerStream> {
 public:
  ServerStream(Connection& connection, const ServedEndpoint& endpoint, BodyFormat format,
               Incoming incoming);
  ~ServerStream() override;

  // Runs the handler.
  void Start();

  // ---- The connection's side. ----
  std::string_view id() const { return id_; }
  bool IsFull() const;
  void Push(std::string_view body);
  // The peer sends no more: an empty `error` is its end, any other an error.
  void EndReceiving(std::string_view error);
  // Nothing goes any more: who waits, and who comes, gets `status`; Abort cancels the context, too.
  void Break(absl::Status status);
  void Abort(absl::Status status);
  void WakeSender();

  // ---- The handler's side. ----
  Task<absl::Status> Send(codec::ConstBody message) override;
  Task<absl::StatusOr<bool>> Recv(codec::Body message) override;
  Task<absl::Status> CloseSend() override;
  void Cancel() override;

 private:
  internal::Detached Run(std::shared_ptr<ServerStream> self);
  void SetDeadline();
  void Finish(const absl::Status& status);
  static void Resume(std::coroutine_handle<>& waiter);

  // co_await Wait(receiver_): until somebody resumes it.
  static auto Wait(std::coroutine_handle<>& waiter) {
    struct Awaiter {
      std::coroutine_handle<>& waiter;
      bool await_ready() { return false; }
      void await_suspend(std::coroutine_handle<> handle) { waiter = handle; }
      void await_resume() {}
    };
    return Awaiter{waiter};
  }

  Connection::Ptr connection_;  // null: the handler has ended
  net::Loop& loop_;
  const ServedEndpoint& endpoint_;
  const BodyFormat format_;
  const std::string id_;
  const std::string echo_;
  const std::string twins_;
  const std::string content_type_;
  std::stop_source stop_;
  Context ctx_;
  Request request_;
  Clock::TimerId deadline_ = 0;

  std::deque<std::string> queue_;
  size_t queued_bytes_ = 0;
  bool ended_ = false;
  absl::Status ended_with_;
  absl::Status broken_;
  std::coroutine_handle<> receiver_;
  std::coroutine_handle<> sender_;
};

}  // namespace micro::rpc
