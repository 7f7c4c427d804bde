// Unary calls over gRPC for coroutines, in bytes.
//
//   grpc::ClientContext call;
//   std::optional<GrpcCancelLink> link(std::in_place, ctx, call);
//   const grpc::Status status =
//       co_await GrpcUnaryCall{stub, path, call, request, response, grpc::Status()};
//
// The coroutine goes on on the thread of the call's end, one of gRPC's.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>

#include <coroutine>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include "core/context.h"
#include "core/grpc/tsan.h"

namespace micro {

// Cancels a call when its context is.
class GrpcCancelLink {
 public:
  GrpcCancelLink(const Context& ctx, grpc::ClientContext& call) {
    if (ctx.stop_token().stop_possible()) link_.emplace(ctx.stop_token(), Cancel{&call});
  }

 private:
  struct Cancel {
    grpc::ClientContext* call;
    void operator()() const { call->TryCancel(); }
  };
  std::optional<std::stop_callback<Cancel>> link_;
};

// What it refers to lives until it has been awaited.
struct GrpcUnaryCall {
  grpc::GenericStub& stub;
  const std::string& path;
  grpc::ClientContext& context;
  const grpc::ByteBuffer& request;
  grpc::ByteBuffer& response;
  grpc::Status status;

  bool await_ready() { return false; }
  void await_suspend(std::coroutine_handle<> waiter) {
    TsanRelease(this);
    stub.UnaryCall(&context, path, {}, &request, &response, [this, waiter](grpc::Status done) {
      TsanAcquire(this);
      status = std::move(done);
      waiter.resume();
    });
  }
  grpc::Status await_resume() { return std::move(status); }
};

}  // namespace micro
