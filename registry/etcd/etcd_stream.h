// An EtcdStream is one open stream to etcd, of the kind that both sides write.
//
// One coroutine sends while another receives. The stream ends with the object.
#pragma once

#include <google/protobuf/message_lite.h>

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/context.h"
#include "core/grpc/bidi_call.h"
#include "core/task.h"

namespace micro::registry {

// A message as bytes, and back (INTERNAL: they are no such message).
grpc::ByteBuffer ToEtcdBytes(const google::protobuf::MessageLite& message);
absl::Status FromEtcdBytes(grpc::ByteBuffer& bytes, google::protobuf::MessageLite& message);

// gRPC's status of a call as ours, the message as etcd or gRPC wrote it.
absl::Status EtcdStatus(const grpc::Status& status);

// OK when `call` has a message in incoming(). The end of `ctx` ends the call.
Task<absl::Status> ReceiveEtcdBytes(Context ctx, std::shared_ptr<GrpcBidiCall> call);

template <class Request, class Response>
class EtcdStream {
 public:
  // `lost` is told why a stream ended that its owner did not end.
  EtcdStream(std::shared_ptr<GrpcBidiCall> call, std::function<void(const absl::Status&)> lost)
      : call_(std::move(call)), lost_(std::move(lost)) {}
  ~EtcdStream() { call_->Release(); }
  EtcdStream(const EtcdStream&) = delete;
  EtcdStream& operator=(const EtcdStream&) = delete;

  // False: the stream has ended, Recv says why.
  Task<bool> Send(Request request) {
    call_->outgoing() = ToEtcdBytes(request);
    co_return co_await call_->Write();
  }

  // The next message. The end of `ctx` ends the stream: nothing more comes after any error.
  Task<absl::StatusOr<Response>> Recv(Context ctx) {
    if (first_.has_value()) {
      absl::StatusOr<Response> first = *std::move(first_);
      first_.reset();
      co_return first;
    }
    const absl::Status received = co_await ReceiveEtcdBytes(ctx, call_);
    if (!received.ok()) {
      if (ctx.status().ok()) lost_(received);
      co_return received;
    }
    Response response;
    const absl::Status read = FromEtcdBytes(call_->incoming(), response);
    call_->incoming().Clear();
    if (!read.ok()) co_return read;
    co_return response;
  }

  // Gives a message back, to be the next one.
  void Unrecv(Response response) { first_ = std::move(response); }

 private:
  const std::shared_ptr<GrpcBidiCall> call_;
  const std::function<void(const absl::Status&)> lost_;
  std::optional<Response> first_;
};

}  // namespace micro::registry
