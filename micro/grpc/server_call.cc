#include "micro/grpc/server_call.h"

#include <fmt/format.h>
#include <google/protobuf/message.h>

#include <coroutine>
#include <memory>
#include <stop_token>
#include <utility>

#include "core/errors.h"
#include "core/executor.h"
#include "core/grpc/tsan.h"
#include "core/response_metadata.h"
#include "core/status_macros.h"
#include "micro/grpc/bytes.h"
#include "micro/grpc/headers.h"
#include "micro/grpc/status.h"

namespace micro::grpc_wire {
namespace {

// What a unary and a streamed call have in common: the handler's context, and what is known of the
// request.
class CallState {
 public:
  CallState(const ServerShared& shared, const ServedEndpoint& endpoint,
            grpc::CallbackServerContext* context)
      : shared_(shared), endpoint_(endpoint), context_(*context) {
    IncomingHeaders headers = ReadHeaders(*context);
    content_type_ = headers.content_type;
    ctx_ =
        WithStopToken(WithIncomingCall(Context(), std::move(headers.metadata)), stop_.get_token());
    absl::Duration left = headers.timeout;
    const auto deadline = context->deadline();
    if (deadline != std::chrono::system_clock::time_point::max()) {
      left = std::min(left, absl::FromChrono(deadline - std::chrono::system_clock::now()));
    }
    if (left != absl::InfiniteDuration()) ctx_ = WithTimeout(ctx_, left);
    request_ = {.service = shared_.service,
                .method = endpoint_.endpoint.method,
                .content_type = content_type_.empty() ? "application/grpc" : content_type_,
                .body = std::nullopt};
  }

  // Cancels the context from a thread of the executor: gRPC may call from inside its own locks.
  void Cancel() {
    Executor::Default().Post([stop = stop_]() mutable { stop.request_stop(); });
  }

  Task<absl::Status> Handle(Response response) {
    return endpoint_.endpoint.handle(ctx_, request_, response);
  }

  // The header goes with the first message, once.
  void SendHeader() { WriteHeader(ctx_.response_metadata()->TakeHeader(), context_); }

  // The rest goes with the status.
  void SendRest() {
    const auto [header, trailer] = ctx_.response_metadata()->TakeRest();
    WriteHeader(header, context_);
    WriteTrailer(trailer, context_);
  }

  absl::Status Threw() const { return HandlerThrew(shared_.service, request_.method.endpoint); }

  absl::Status BadRequest(const absl::Status& why) const {
    return errors::BadRequest(shared_.service,
                              std::string_view(why.message().data(), why.message().size()));
  }

  const ServerShared& shared_;
  const ServedEndpoint& endpoint_;
  grpc::CallbackServerContext& context_;
  std::string_view content_type_;
  std::stop_source stop_;
  Context ctx_;
  Request request_;
};

class UnaryCall final : public grpc::ServerUnaryReactor {
 public:
  UnaryCall(const ServerShared& shared, const ServedEndpoint& endpoint,
            grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
            grpc::ByteBuffer* response)
      : state_(shared, endpoint, context),
        incoming_(*request),
        outgoing_(*response),
        exchange_(endpoint.endpoint.new_exchange()) {}

  void OnCancel() override {
    TsanAcquire(this);
    state_.Cancel();
  }
  void OnDone() override {
    TsanAcquire(this);
    delete this;
  }

  internal::Detached Run() {
    const absl::StatusOr<const codec::Codec*> codec = CodecOf(state_.content_type_, incoming_);
    absl::Status status;
    if (!codec.ok()) {
      status = errors::InternalServerError(state_.shared_.service, codec.status().message().data());
    } else if (status = Read(**codec, incoming_, exchange_->request()); !status.ok()) {
      status = state_.BadRequest(status);
    } else {
      if (state_.content_type_.empty()) {
        state_.request_.content_type =
            (*codec)->name() == "json" ? "application/grpc+json" : "application/grpc+proto";
      }
      state_.request_.body.emplace(exchange_->request());
      try {
        const RunningCallMark mark(*state_.endpoint_.calls);
        status = co_await state_.Handle({.message = &exchange_->response()});
      } catch (...) {
        status = state_.Threw();
      }
      if (status.ok()) {
        status =
            Write(**codec, exchange_->response(), state_.shared_.max_send_message_size, &outgoing_);
      }
    }
    state_.SendRest();
    TsanRelease(this);
    Finish(ToGrpc(status, state_.shared_.service));
  }

 private:
  // OnDone only frees, and OnCancel hands over to the executor: both may run inside gRPC.
  bool InternalInlineable() override { return true; }

  CallState state_;
  const grpc::ByteBuffer& incoming_;
  grpc::ByteBuffer& outgoing_;
  const std::unique_ptr<Exchange> exchange_;
};

class StreamCall final : public BidiReactor, public RawStream {
 public:
  StreamCall(const ServerShared& shared, const ServedEndpoint& endpoint,
             grpc::CallbackServerContext* context)
      : state_(shared, endpoint, context) {}

  // ---- gRPC's side ----
  void OnReadDone(bool ok) override { Resume(read_, ok); }
  void OnWriteDone(bool ok) override { Resume(write_, ok); }
  void OnSendInitialMetadataDone(bool ok) override { Resume(write_, ok); }
  void OnCancel() override {
    TsanAcquire(this);
    state_.Cancel();
  }
  void OnDone() override {
    TsanAcquire(this);
    delete this;
  }

  internal::Detached Run() {
    absl::Status status;
    try {
      const RunningCallMark mark(*state_.endpoint_.calls);
      status = co_await (state_.endpoint_.endpoint.method.kind == MethodKind::kUnary
                             ? RunUnary()
                             : state_.Handle({.stream = this}));
    } catch (...) {
      status = state_.Threw();
    }
    state_.SendRest();
    TsanRelease(this);
    Finish(ToGrpc(status, state_.shared_.service));
  }

  // ---- the handler's side ----
  Task<absl::Status> SendHeader() override {
    if (std::exchange(header_sent_, true))
      co_return absl::FailedPreconditionError("the header has been sent already");
    state_.SendHeader();
    const bool sent = co_await HeaderOperation{*this};
    if (!sent) co_return Ended();
    co_return absl::OkStatus();
  }

  Task<absl::Status> Send(codec::ConstBody message) override {
    CO_ASSIGN_OR_RETURN(const codec::Codec* codec, Codec());
    CO_RETURN_IF_ERROR(Write(*codec, message, state_.shared_.max_send_message_size, &outgoing_));
    if (!std::exchange(header_sent_, true)) state_.SendHeader();
    const bool sent = co_await WriteOperation{*this};
    outgoing_.Clear();
    if (!sent) co_return Ended();
    co_return absl::OkStatus();
  }

  Task<absl::StatusOr<bool>> Recv(codec::Body message) override {
    const bool received = co_await ReadOperation{*this};
    if (!received) {
      if (!state_.ctx_.status().ok()) co_return state_.ctx_.status();
      co_return false;
    }
    CO_ASSIGN_OR_RETURN(const codec::Codec* codec, Codec());
    const absl::Status status = Read(*codec, incoming_, message);
    incoming_.Clear();
    if (!status.ok()) co_return state_.BadRequest(status);
    co_return true;
  }

  Task<absl::Status> CloseSend() override {
    co_return absl::UnimplementedError("a server half-closes by the end of its handler");
  }

  void Cancel() override { state_.Cancel(); }

 private:
  struct Operation {
    std::coroutine_handle<> waiter;
    bool ok = false;
  };
  struct ReadOperation {
    StreamCall& call;
    bool await_ready() { return false; }
    void await_suspend(std::coroutine_handle<> waiter) {
      StreamCall& alive =
          call;  // the operation may end, and this awaiter with it, before it has started
      alive.read_.waiter = waiter;
      TsanRelease(&alive);
      alive.StartRead(&alive.incoming_);
    }
    bool await_resume() { return call.read_.ok; }
  };
  struct WriteOperation {
    StreamCall& call;
    bool await_ready() { return false; }
    void await_suspend(std::coroutine_handle<> waiter) {
      StreamCall& alive = call;
      alive.write_.waiter = waiter;
      TsanRelease(&alive);
      alive.StartWrite(&alive.outgoing_);
    }
    bool await_resume() { return call.write_.ok; }
  };
  struct HeaderOperation {
    StreamCall& call;
    bool await_ready() { return false; }
    void await_suspend(std::coroutine_handle<> waiter) {
      StreamCall& alive = call;
      alive.write_.waiter = waiter;
      TsanRelease(&alive);
      alive.StartSendInitialMetadata();
    }
    bool await_resume() { return call.write_.ok; }
  };

  void Resume(Operation& operation, bool ok) {
    TsanAcquire(this);
    operation.ok = ok;
    std::exchange(operation.waiter, nullptr).resume();
  }

  // Chosen by the header, or else by the first message.
  absl::StatusOr<const codec::Codec*> Codec() {
    if (codec_ != nullptr) return codec_;
    auto codec = CodecOf(state_.content_type_, incoming_);
    if (!codec.ok())
      return errors::InternalServerError(state_.shared_.service, codec.status().message().data());
    codec_ = *codec;
    return codec_;
  }

  absl::Status Ended() const {
    const absl::Status status = state_.ctx_.status();
    return status.ok() ? absl::CancelledError("the caller is gone") : status;
  }

  Task<absl::Status> RunUnary() {
    const std::unique_ptr<Exchange> exchange = state_.endpoint_.endpoint.new_exchange();
    CO_ASSIGN_OR_RETURN(const bool received, co_await Recv(exchange->request()));
    if (!received)
      co_return errors::BadRequest(state_.shared_.service, "the call ended without a request");
    state_.request_.body.emplace(exchange->request());
    CO_RETURN_IF_ERROR(co_await state_.Handle({.message = &exchange->response()}));
    co_return co_await Send(exchange->response());
  }

  CallState state_;
  const codec::Codec* codec_ = nullptr;
  grpc::ByteBuffer incoming_;
  grpc::ByteBuffer outgoing_;
  Operation read_;
  Operation write_;  // or the header: one of them at a time
  bool header_sent_ = false;
};

class RefusedCall final : public BidiReactor {
 public:
  explicit RefusedCall(grpc::Status status) { Finish(std::move(status)); }
  void OnDone() override { delete this; }
};

}  // namespace

grpc::ServerUnaryReactor* StartUnary(const ServerShared& shared, const ServedEndpoint& endpoint,
                                     grpc::CallbackServerContext* context,
                                     const grpc::ByteBuffer* request, grpc::ByteBuffer* response) {
  TsanAcquire(&shared);
  auto* call = new UnaryCall(shared, endpoint, context, request, response);
  call->Run();
  return call;
}

BidiReactor* StartStream(const ServerShared& shared, const ServedEndpoint& endpoint,
                         grpc::CallbackServerContext* context) {
  TsanAcquire(&shared);
  auto* call = new StreamCall(shared, endpoint, context);
  call->Run();
  return call;
}

BidiReactor* Refuse(const ServerShared& shared, const absl::Status& status) {
  return new RefusedCall(ToGrpc(status, shared.service));
}

}  // namespace micro::grpc_wire
