#include "micro/grpc/client_stream.h"

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <coroutine>
#include <optional>
#include <utility>

#include "core/mutex.h"
#include "core/status_macros.h"
#include "micro/grpc/bytes.h"
#include "micro/grpc/client_call.h"
#include "micro/grpc/headers.h"
#include "micro/grpc/tsan.h"

namespace micro::grpc_wire {
namespace {

using ByteBuffer = grpc::ByteBuffer;

// A call of any streaming kind. gRPC's reactor and the caller's handle have lives of their own: the
// reactor frees itself when the call has ended and the handle is gone.
class StreamCall final : public grpc::ClientBidiReactor<ByteBuffer, ByteBuffer> {
 private:
  struct Operation {
    std::coroutine_handle<> waiter;
    bool ok = false;
  };
  // co_await Started{...}: whether the operation was started and went well.
  template <class Start>
  struct Started {
    StreamCall& call;
    Operation& operation;
    Start start;
    bool started = false;
    bool await_ready() { return false; }
    bool await_suspend(std::coroutine_handle<> waiter) {
      StreamCall& alive =
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
  auto ReadOperation() {
    return Started{*this, read_, [](StreamCall& call) { call.StartRead(&call.incoming_); }};
  }
  auto WriteOperation() {
    return Started{*this, write_, [](StreamCall& call) { call.StartWrite(&call.outgoing_); }};
  }
  auto CloseOperation() {
    return Started{*this, write_, [](StreamCall& call) { call.StartWritesDone(); }};
  }

 public:
  StreamCall(const Context& ctx, registry::Node node, const codec::Codec& codec,
             int max_send_message_size, std::shared_ptr<Connections> connections)
      : ctx_(ctx),
        node_(std::move(node)),
        codec_(codec),
        max_send_(max_send_message_size),
        connections_(std::move(connections)) {}

  grpc::ClientContext& context() { return context_; }

  void Start(const std::string& path) {
    connections_->Next().PrepareBidiStreamingCall(&context_, path, {}, this);
    link_.emplace(ctx_, context_);
    AddHold();  // operations may start until it is given back (holds_)
    TsanRelease(this);
    StartCall();
  }

  Task<absl::Status> Send(codec::ConstBody message) {
    CO_RETURN_IF_ERROR(Write(codec_, message, max_send_, &outgoing_));
    const bool sent = co_await WriteOperation();
    outgoing_.Clear();
    if (sent) co_return absl::OkStatus();
    // The call has ended; Recv tells how.
    co_return absl::CancelledError("the call has ended; its error comes with Recv");
  }

  Task<absl::StatusOr<bool>> Recv(codec::Body message) {
    const bool received = co_await ReadOperation();
    if (received) {
      const absl::Status status = Read(codec_, incoming_, message);
      incoming_.Clear();
      if (status.ok()) co_return true;
      context_.TryCancel();
      co_return Unreadable(status);
    }
    Detach();
    const grpc::Status status = co_await EndOperation{*this};
    if (status.ok()) co_return false;
    co_return ErrorOf(status, ctx_, node_);
  }

  Task<absl::Status> CloseSend() {
    co_await CloseOperation();
    co_return absl::OkStatus();
  }

  Task<Metadata> Header() {
    const bool came = co_await HeaderOperation{*this};
    co_return came ? ReadResponseMetadata(context_.GetServerInitialMetadata()) : Metadata();
  }

  Metadata Trailer() {
    {
      MutexLock lock(mutex_);
      if (!ended_.has_value()) return {};
    }
    return ReadResponseMetadata(context_.GetServerTrailingMetadata());
  }

  void Cancel() { context_.TryCancel(); }

  // The handle goes: what has not ended is cancelled, and nothing more is started.
  void Release() {
    context_.TryCancel();
    Detach();
    Unref();
  }

  void OnReadInitialMetadataDone(bool ok) override {
    TsanAcquire(this);
    std::coroutine_handle<> waiter;
    {
      MutexLock lock(mutex_);
      header_came_ = ok;
      waiter = std::exchange(header_waiter_, nullptr);
    }
    if (waiter) waiter.resume();
  }
  void OnReadDone(bool ok) override { Resume(read_, ok); }
  void OnWriteDone(bool ok) override { Resume(write_, ok); }
  void OnWritesDoneDone(bool ok) override { Resume(write_, ok); }
  void OnDone(const grpc::Status& status) override {
    TsanAcquire(this);
    std::coroutine_handle<> waiter;
    {
      MutexLock lock(mutex_);
      ended_ = status;
      waiter = std::exchange(end_waiter_, nullptr);
    }
    if (waiter) waiter.resume();
    Unref();
  }

 private:
  struct HeaderOperation {
    StreamCall& call;
    bool await_ready() { return false; }
    bool await_suspend(std::coroutine_handle<> waiter) {
      MutexLock lock(call.mutex_);
      if (call.header_came_.has_value()) return false;
      call.header_waiter_ = waiter;
      return true;
    }
    bool await_resume() {
      MutexLock lock(call.mutex_);
      return *call.header_came_;
    }
  };
  struct EndOperation {
    StreamCall& call;
    bool await_ready() { return false; }
    bool await_suspend(std::coroutine_handle<> waiter) {
      MutexLock lock(call.mutex_);
      if (call.ended_.has_value()) return false;
      call.end_waiter_ = waiter;
      return true;
    }
    grpc::Status await_resume() {
      MutexLock lock(call.mutex_);
      return *call.ended_;
    }
  };

  void Resume(Operation& operation, bool ok) {
    TsanAcquire(this);
    operation.ok = ok;
    std::exchange(operation.waiter, nullptr).resume();
  }

  // gRPC's one hold is counted here: by the handle until Detach, and by each operation while it is
  // being started, so that none starts after gRPC was allowed to end the call.
  bool TryHold() {
    int holds = holds_.load();
    while (holds > 0 && !holds_.compare_exchange_weak(holds, holds + 1)) {
    }
    return holds > 0;
  }
  void DropHold() {
    if (holds_.fetch_sub(1) == 1) RemoveHold();
  }

  // The handle starts nothing more: gRPC may end the call.
  void Detach() {
    if (!detached_.exchange(true)) DropHold();
  }

  void Unref() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  const Context ctx_;
  const registry::Node node_;
  const codec::Codec& codec_;
  const int max_send_;
  const std::shared_ptr<Connections> connections_;
  grpc::ClientContext context_;
  std::optional<CancelLink> link_;
  ByteBuffer incoming_;
  ByteBuffer outgoing_;
  Operation read_;
  Operation write_;
  std::atomic<bool> detached_ = false;
  std::atomic<int> holds_ = 1;
  std::atomic<int> references_ = 2;  // gRPC's and the handle's
  Mutex mutex_;
  std::optional<bool> header_came_ ABSL_GUARDED_BY(mutex_);  // false: the call ended without one
  std::coroutine_handle<> header_waiter_ ABSL_GUARDED_BY(mutex_);
  std::optional<grpc::Status> ended_ ABSL_GUARDED_BY(mutex_);
  std::coroutine_handle<> end_waiter_ ABSL_GUARDED_BY(mutex_);
};

// The caller's handle on a StreamCall.
class StreamHandle final : public RawStream {
 public:
  explicit StreamHandle(StreamCall* call) : call_(call) {}
  ~StreamHandle() override { call_->Release(); }
  Task<absl::Status> Send(codec::ConstBody message) override { return call_->Send(message); }
  Task<absl::StatusOr<bool>> Recv(codec::Body message) override { return call_->Recv(message); }
  Task<absl::Status> CloseSend() override { return call_->CloseSend(); }
  Task<Metadata> Header() override { return call_->Header(); }
  Metadata Trailer() override { return call_->Trailer(); }
  void Cancel() override { call_->Cancel(); }

 private:
  StreamCall* const call_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<RawStream>> OpenStream(const Context& ctx,
                                                      const registry::Node& node,
                                                      const Request& request,
                                                      const codec::Codec& codec,
                                                      int max_send_message_size,
                                                      std::shared_ptr<Connections> connections) {
  auto call =
      std::make_unique<StreamCall>(ctx, node, codec, max_send_message_size, std::move(connections));
  RETURN_IF_ERROR(Prepare(ctx, request, call->context()));
  StreamCall* started = call.release();
  auto handle = std::make_unique<StreamHandle>(started);
  started->Start(PathOf(request));
  return handle;
}

}  // namespace micro::grpc_wire
