// The client wire "grpc": native gRPC over HTTP/2, on gRPC's callback API.
#include <grpcpp/grpcpp.h>

#include <coroutine>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "core/plugin_table.h"
#include "core/status_macros.h"
#include "micro/grpc/bytes.h"
#include "micro/grpc/client_call.h"
#include "micro/grpc/client_stream.h"
#include "micro/grpc/connections.h"
#include "micro/grpc/credentials.h"
#include "micro/grpc/headers.h"
#include "micro/grpc/runtime.h"
#include "micro/grpc/tsan.h"
#include "micro/wire.h"

namespace micro::grpc_wire {
namespace {

using ByteBuffer = grpc::ByteBuffer;

// co_await UnaryOperation{...}: the call's status, on the thread of its end.
struct UnaryOperation {
  grpc::GenericStub& stub;
  const std::string& path;
  grpc::ClientContext& context;
  const ByteBuffer& request;
  ByteBuffer& response;
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

class GrpcClientWire final : public ClientWire {
 public:
  GrpcClientWire(const ClientOptions& options,
                 std::shared_ptr<grpc::ChannelCredentials> credentials)
      : options_(options), pool_(options, std::move(credentials)) {}

  std::string_view protocol() const override { return "grpc"; }
  std::string_view default_content_type() const override { return "application/grpc+proto"; }

  Task<absl::Status> Call(const Context& ctx, const registry::Node& node, const Request& request,
                          codec::Body response) override {
    const absl::StatusOr<const codec::Codec*> codec = codec::ForContentType(request.content_type);
    if (!codec.ok()) co_return Refused(codec.status(), 500);
    grpc::ClientContext context;
    CO_RETURN_IF_ERROR(Prepare(ctx, request, context));
    ByteBuffer outgoing, incoming;
    absl::Status status = Write(**codec, *request.body, options_.max_send_message_size, &outgoing);
    if (!status.ok()) co_return Refused(status, 500);
    const std::string path = PathOf(request);
    const std::shared_ptr<Connections> connections = pool_.To(node.address);
    std::optional<CancelLink> link(std::in_place, ctx, context);
    const grpc::Status done = co_await UnaryOperation{
        connections->Next(), path, context, outgoing, incoming, grpc::Status()};
    link.reset();
    if (request.header != nullptr)
      *request.header = ReadResponseMetadata(context.GetServerInitialMetadata());
    if (request.trailer != nullptr)
      *request.trailer = ReadResponseMetadata(context.GetServerTrailingMetadata());
    if (!done.ok()) co_return ErrorOf(done, ctx, node);
    status = Read(**codec, incoming, response);
    if (status.ok()) co_return status;
    co_return Unreadable(status);
  }

  Task<absl::StatusOr<std::unique_ptr<RawStream>>> Stream(const Context& ctx,
                                                          const registry::Node& node,
                                                          const Request& request) override {
    const absl::StatusOr<const codec::Codec*> codec = codec::ForContentType(request.content_type);
    if (!codec.ok()) co_return Refused(codec.status(), 500);
    co_return OpenStream(ctx, node, request, **codec, options_.max_send_message_size,
                         pool_.To(node.address));
  }

 private:
  const ClientOptions options_;
  Pool pool_;
};

absl::StatusOr<std::unique_ptr<ClientWire>> NewGrpcClientWire(const ClientOptions& options) {
  StartGrpc();
  ASSIGN_OR_RETURN(std::shared_ptr<grpc::ChannelCredentials> credentials,
                   ChannelCredentialsOf(options));
  return std::make_unique<GrpcClientWire>(options, std::move(credentials));
}

MICRO_PLUGIN(ClientWire, "grpc", NewGrpcClientWire);

}  // namespace
}  // namespace micro::grpc_wire
