// The client wire "grpc": native gRPC over HTTP/2, on gRPC's callback API.
#include <grpcpp/grpcpp.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "core/grpc/runtime.h"
#include "core/grpc/unary_call.h"
#include "core/plugin_table.h"
#include "core/status_macros.h"
#include "micro/grpc/bytes.h"
#include "micro/grpc/client_call.h"
#include "micro/grpc/client_stream.h"
#include "micro/grpc/connections.h"
#include "micro/grpc/credentials.h"
#include "micro/grpc/headers.h"
#include "micro/grpc/http2_stream.h"
#include "micro/wire.h"

namespace micro::grpc_wire {
namespace {

using ByteBuffer = grpc::ByteBuffer;

class GrpcClientWire final : public ClientWire {
 public:
  GrpcClientWire(const ClientOptions& options,
                 std::shared_ptr<grpc::ChannelCredentials> credentials,
                 std::unique_ptr<Http2Pool> http2)
      : options_(options), pool_(options, std::move(credentials)), http2_(std::move(http2)) {}

  std::string_view protocol() const override { return "grpc"; }
  std::string_view default_content_type() const override { return "application/grpc+proto"; }

  Task<absl::Status> Call(const Context& ctx, const registry::Node& node, const Request& request,
                          codec::Body response) override {
    const absl::StatusOr<const codec::Codec*> codec = codec::ForContentType(request.content_type);
    if (!codec.ok()) co_return Refused(codec.status(), 500);
    if (!IsProto(**codec)) co_return co_await http2_->Call(ctx, node, request, **codec, response);
    grpc::ClientContext context;
    CO_RETURN_IF_ERROR(Prepare(ctx, request, context));
    ByteBuffer outgoing, incoming;
    absl::Status status = Write(**codec, *request.body, options_.max_send_message_size, &outgoing);
    if (!status.ok()) co_return Refused(status, 500);
    const std::string path = PathOf(request);
    const std::shared_ptr<Connections> connections = pool_.To(node.address);
    std::optional<GrpcCancelLink> link(std::in_place, ctx, context);
    const grpc::Status done = co_await GrpcUnaryCall{
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
    if (!IsProto(**codec)) co_return co_await http2_->Stream(ctx, node, request, **codec);
    co_return OpenStream(ctx, node, request, **codec, options_.max_send_message_size,
                         pool_.To(node.address));
  }

  Task<void> Warm(const Context& ctx, const registry::Node& node) override {
    const Context limited = WithTimeout(ctx, options_.dial_timeout);
    const absl::StatusOr<const codec::Codec*> codec = codec::ForContentType(
        options_.content_type.empty() ? default_content_type() : options_.content_type);
    if (codec.ok() && !IsProto(**codec)) co_return co_await http2_->Warm(limited, node);
    const std::shared_ptr<Connections> connections = pool_.To(node.address);
    co_await connections->Connect(limited);
  }

 private:
  // gRPC's core says application/grpc for every codec, which means this one.
  static bool IsProto(const codec::Codec& codec) { return codec.name() == "proto"; }

  const ClientOptions options_;
  Pool pool_;
  const std::unique_ptr<Http2Pool> http2_;  // for calls with any other codec
};

absl::StatusOr<std::unique_ptr<ClientWire>> NewGrpcClientWire(const ClientOptions& options) {
  StartGrpc();
  ASSIGN_OR_RETURN(std::shared_ptr<grpc::ChannelCredentials> credentials,
                   ChannelCredentialsOf(options));
  ASSIGN_OR_RETURN(std::unique_ptr<Http2Pool> http2, Http2Pool::New(options));
  return std::make_unique<GrpcClientWire>(options, std::move(credentials), std::move(http2));
}

MICRO_PLUGIN(ClientWire, "grpc", NewGrpcClientWire);

}  // namespace
}  // namespace micro::grpc_wire
