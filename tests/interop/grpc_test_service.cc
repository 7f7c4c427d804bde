#include "tests/interop/grpc_test_service.h"

#include "core/async.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace interop {
namespace {

using grpc::testing::StreamingOutputCallRequest;
using grpc::testing::StreamingOutputCallResponse;
using micro::Context;
using micro::Task;

// Gives back the metadata that callers send to be given back.
absl::Status EchoMetadata(const Context& ctx) {
  if (const auto value = ctx.metadata().Get(kEchoedHeader); value.has_value())
    RETURN_IF_ERROR(micro::SetHeader(ctx, kEchoedHeader, *value));
  if (const auto value = ctx.metadata().Get(kEchoedTrailer); value.has_value())
    RETURN_IF_ERROR(micro::SetTrailer(ctx, kEchoedTrailer, *value));
  return absl::OkStatus();
}

// The status that a caller asks for; OK where it asks for none.
template <class Request>
absl::Status WishedStatus(const Request& request) {
  return absl::Status(static_cast<absl::StatusCode>(request.response_status().code()),
                      micro::ToAbsl(request.response_status().message()));
}

// `size` zeros.
absl::Status Fill(grpc::testing::PayloadType type, int32_t size, grpc::testing::Payload& payload) {
  if (type != grpc::testing::COMPRESSABLE)
    return absl::InvalidArgumentError("unknown payload type " + std::to_string(type));
  if (size < 0 || size > 4 << 20)
    return absl::InvalidArgumentError("unfit response size " + std::to_string(size));
  payload.set_body(std::string(static_cast<size_t>(size), '\0'));
  return absl::OkStatus();
}

// Sends the responses that a request asks for.
Task<absl::Status> Answer(const Context& ctx, const StreamingOutputCallRequest& request,
                          micro::SendStream<StreamingOutputCallResponse>& stream) {
  for (const auto& wish : request.response_parameters()) {
    if (wish.interval_us() > 0) {
      CO_RETURN_IF_ERROR(co_await micro::Sleep(ctx, absl::Microseconds(wish.interval_us())));
    }
    StreamingOutputCallResponse response;
    CO_RETURN_IF_ERROR(Fill(request.response_type(), wish.size(), *response.mutable_payload()));
    CO_RETURN_IF_ERROR(co_await stream.Send(response));
  }
  co_return absl::OkStatus();
}

}  // namespace

Task<absl::Status> GrpcTestService::EmptyCall(const Context&, const grpc::testing::Empty&,
                                              grpc::testing::Empty&) {
  co_return absl::OkStatus();
}

Task<absl::Status> GrpcTestService::UnaryCall(const Context& ctx,
                                              const grpc::testing::SimpleRequest& request,
                                              grpc::testing::SimpleResponse& response) {
  CO_RETURN_IF_ERROR(EchoMetadata(ctx));
  CO_RETURN_IF_ERROR(WishedStatus(request));
  co_return Fill(request.response_type(), request.response_size(), *response.mutable_payload());
}

Task<absl::Status> GrpcTestService::StreamingOutputCall(
    const Context& ctx, const StreamingOutputCallRequest& request,
    micro::SendStream<StreamingOutputCallResponse>& stream) {
  CO_RETURN_IF_ERROR(WishedStatus(request));
  co_return co_await Answer(ctx, request, stream);
}

Task<absl::Status> GrpcTestService::StreamingInputCall(
    const Context&, micro::RecvStream<grpc::testing::StreamingInputCallRequest>& stream,
    grpc::testing::StreamingInputCallResponse& response) {
  size_t total = 0;
  while (true) {
    CO_ASSIGN_OR_RETURN(const auto request, co_await stream.Recv());
    if (!request.has_value()) break;
    total += request->payload().body().size();
  }
  response.set_aggregated_payload_size(static_cast<int32_t>(total));
  co_return absl::OkStatus();
}

Task<absl::Status> GrpcTestService::FullDuplexCall(
    const Context& ctx,
    micro::Stream<StreamingOutputCallRequest, StreamingOutputCallResponse>& stream) {
  CO_RETURN_IF_ERROR(EchoMetadata(ctx));
  while (true) {
    CO_ASSIGN_OR_RETURN(const auto request, co_await stream.Recv());
    if (!request.has_value()) co_return absl::OkStatus();
    CO_RETURN_IF_ERROR(WishedStatus(*request));
    CO_RETURN_IF_ERROR(co_await Answer(ctx, *request, stream));
  }
}

}  // namespace interop
