// A GrpcBidiCall is one call of any streaming kind over gRPC, in bytes, for coroutines.
//
//   auto call = std::make_shared<GrpcBidiCall>(connections);
//   call->Start(ctx, stub, "/helloworld.Greeter/Chat");
//   call->outgoing() = request;
//   if (co_await call->Write() && co_await call->Read()) Use(call->incoming());
//   ...
//   call->Release();                                  // whoever started it, once, when done with it
//
// One coroutine at a time reads, and one at a time writes; both go on on the thread of the event,
// one of gRPC's. Cancel may be called from any thread, as long as somebody holds the call.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>

#include <atomic>
#include <coroutine>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "core/context.h"
#include "core/grpc/tsan.h"
#include "core/grpc/unary_call.h"
#include "core/mutex.h"

namespace micro {

class GrpcBidiCall final : private grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                           public std::enable_shared_from_this<GrpcBidiCall> {
 private:
  struct Operation {
    std::coroutine_handle<> waiter;
    bool ok = false;
  };
  // co_await Started{...}: whether the operation was started and went well.
  template <class Start>
  struct Started {
    GrpcBidiCall& call;
    Operation& operation;
    Start start;
    bool started = false;
    bool await_ready() { return false; }
    bool await_suspend(std::coroutine_handle<> waiter) {
      GrpcBidiCall& alive =
          call;  // the operation may end, and this awaiter with it, before Start returns
      if (!alive.TryHold()) return false;
      started = true;
      operation.waiter = waiter;
      TsanRelease(&alive);
      start(alive);
      alive.DropHold();
      return true;
    }
    bool await_resume() { return started && operation.ok; }
  };
  struct HeaderCame {
    GrpcBidiCall& call;
    bool await_ready() { return false; }
    bool await_suspend(std::coroutine_handle<> waiter) { return call.AwaitHeader(waiter); }
    bool await_resume() { return call.header_came(); }
  };
  struct Ended {
    GrpcBidiCall& call;
    bool await_ready() { return false; }
    bool await_suspend(std::coroutine_handle<> waiter) { return call.AwaitEnd(waiter); }
    grpc::Status await_resume() { return call.status(); }
  };

 public:
  // `keep` lives as long as the call does.
  explicit GrpcBidiCall(std::shared_ptr<const void> keep) : keep_(std::move(keep)) {}

  // Deadline and headers are set here, before Start.
  grpc::ClientContext& context() { return context_; }

  // Opens the call; the cancellation of `ctx` is its own, the deadline is not. Once.
  void Start(const Context& ctx, grpc::GenericStub& stub, const std::string& path);

  // co_await Read(): true when a message has come, which is in incoming() then; false: none comes
  // any more, and End() says why.
  auto Read() {
    return Started{*this, read_, [](GrpcBidiCall& call) { call.StartRead(&call.incoming_); }};
  }
  // co_await Write(): sends outgoing(); false when the call has ended.
  auto Write() {
    return Started{*this, write_, [](GrpcBidiCall& call) { call.StartWrite(&call.outgoing_); }};
  }
  // co_await WritesDone(): says that nothing more is sent.
  auto WritesDone() {
    return Started{*this, write_, [](GrpcBidiCall& call) { call.StartWritesDone(); }};
  }
  // co_await Header(): whether the server's header has come, which is in the context() then; false:
  // the call ended without one. Beside a reader and a writer, one coroutine at a time waits for it.
  HeaderCame Header() { return {*this}; }
  // co_await End(): how the call ended, after a Read that was false. Nothing is started after it.
  Ended End() {
    Detach();
    return Ended{*this};
  }

  grpc::ByteBuffer& incoming() { return incoming_; }
  grpc::ByteBuffer& outgoing() { return outgoing_; }

  void Cancel() { context_.TryCancel(); }

  // What has not ended is cancelled, and nothing more is started.
  void Release() {
    Cancel();
    Detach();
  }

 private:
  void OnReadInitialMetadataDone(bool ok) override;
  void OnReadDone(bool ok) override { Resume(read_, ok); }
  void OnWriteDone(bool ok) override { Resume(write_, ok); }
  void OnWritesDoneDone(bool ok) override { Resume(write_, ok); }
  void OnDone(const grpc::Status& status) override;

  void Resume(Operation& operation, bool ok);
  bool AwaitHeader(std::coroutine_handle<> waiter);
  bool header_came();
  bool AwaitEnd(std::coroutine_handle<> waiter);
  grpc::Status status();

  // gRPC's one hold is counted here: by the owner until Detach, and by each operation while it is
  // being started, so that none starts after gRPC was allowed to end the call.
  bool TryHold();
  void DropHold();
  void Detach();

  const std::shared_ptr<const void> keep_;
  std::shared_ptr<GrpcBidiCall> self_;  // gRPC's reference, until OnDone
  grpc::ClientContext context_;
  std::optional<GrpcCancelLink> link_;
  grpc::ByteBuffer incoming_;
  grpc::ByteBuffer outgoing_;
  Operation read_;
  Operation write_;
  std::atomic<bool> detached_ = false;
  std::atomic<int> holds_ = 1;
  Mutex mutex_;
  std::optional<bool> header_came_ ABSL_GUARDED_BY(mutex_);
  std::coroutine_handle<> header_waiter_ ABSL_GUARDED_BY(mutex_);
  std::optional<grpc::Status> ended_ ABSL_GUARDED_BY(mutex_);
  std::coroutine_handle<> end_waiter_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace micro
