#include "micro/grpc/client_stream.h"

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <utility>

#include "core/grpc/bidi_call.h"
#include "core/status_macros.h"
#include "micro/grpc/bytes.h"
#include "micro/grpc/client_call.h"
#include "micro/grpc/headers.h"

namespace micro::grpc_wire {
namespace {

// What an operation needs, which may end after the handle is gone.
struct OpenCall {
  Context ctx;
  registry::Node node;
  const codec::Codec& codec;
  int max_send_message_size;
  std::shared_ptr<GrpcBidiCall> call;
  std::atomic<bool> ended = false;  // as Recv has told
};

Task<absl::Status> Send(std::shared_ptr<const OpenCall> open, codec::ConstBody message) {
  GrpcBidiCall& call = *open->call;
  CO_RETURN_IF_ERROR(Write(open->codec, message, open->max_send_message_size, &call.outgoing()));
  const bool sent = co_await call.Write();
  call.outgoing().Clear();
  if (sent) co_return absl::OkStatus();
  // The call has ended; Recv tells how.
  co_return absl::CancelledError("the call has ended; its error comes with Recv");
}

Task<absl::StatusOr<bool>> Recv(std::shared_ptr<OpenCall> open, codec::Body message) {
  GrpcBidiCall& call = *open->call;
  const bool received = co_await call.Read();
  if (received) {
    const absl::Status status = Read(open->codec, call.incoming(), message);
    call.incoming().Clear();
    if (status.ok()) co_return true;
    call.Cancel();
    co_return Unreadable(status);
  }
  const grpc::Status status = co_await call.End();
  open->ended = true;
  if (status.ok()) co_return false;
  co_return ErrorOf(status, open->ctx, open->node);
}

Task<absl::Status> CloseSend(std::shared_ptr<const OpenCall> open) {
  co_await open->call->WritesDone();
  co_return absl::OkStatus();
}

Task<Metadata> Header(std::shared_ptr<const OpenCall> open) {
  if (!co_await open->call->Header()) co_return Metadata();
  co_return ReadResponseMetadata(open->call->context().GetServerInitialMetadata());
}

// The caller's handle on a call of any streaming kind.
class StreamHandle final : public RawStream {
 public:
  explicit StreamHandle(std::shared_ptr<OpenCall> open) : open_(std::move(open)) {}
  ~StreamHandle() override { open_->call->Release(); }
  Task<absl::Status> Send(codec::ConstBody message) override {
    return grpc_wire::Send(open_, message);
  }
  Task<absl::StatusOr<bool>> Recv(codec::Body message) override {
    return grpc_wire::Recv(open_, message);
  }
  Task<absl::Status> CloseSend() override { return grpc_wire::CloseSend(open_); }
  Task<Metadata> Header() override { return grpc_wire::Header(open_); }
  Metadata Trailer() override {
    if (!open_->ended) return {};
    return ReadResponseMetadata(open_->call->context().GetServerTrailingMetadata());
  }
  void Cancel() override { open_->call->Cancel(); }

 private:
  const std::shared_ptr<OpenCall> open_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<RawStream>> OpenStream(const Context& ctx,
                                                      const registry::Node& node,
                                                      const Request& request,
                                                      const codec::Codec& codec,
                                                      int max_send_message_size,
                                                      std::shared_ptr<Connections> connections) {
  auto call = std::make_shared<GrpcBidiCall>(connections);
  RETURN_IF_ERROR(Prepare(ctx, request, call->context()));
  call->Start(ctx, connections->Next(), PathOf(request));
  return std::make_unique<StreamHandle>(std::shared_ptr<OpenCall>(
      new OpenCall{ctx, node, codec, max_send_message_size, std::move(call)}));
}

}  // namespace micro::grpc_wire
