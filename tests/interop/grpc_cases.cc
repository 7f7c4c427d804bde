#include "tests/interop/grpc_cases.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <utility>

#include "core/async.h"
#include "core/errors.h"
#include "core/status_macros.h"
#include "tests/interop/grpc_test_service.h"

namespace interop {
namespace {

using grpc::testing::SimpleRequest;
using grpc::testing::SimpleResponse;
using grpc::testing::StreamingOutputCallRequest;
using grpc::testing::StreamingOutputCallResponse;
using micro::Context;
using micro::Task;

constexpr std::array<int32_t, 4> kRequestSizes = {27182, 8, 1828, 45904};
constexpr std::array<int32_t, 4> kResponseSizes = {31415, 9, 2653, 58979};

// What a case runs with.
struct Peer {
  grpc::testing::TestService service;
  grpc::testing::UnimplementedService unimplemented;
  micro::CallOptions options;
};

absl::Status Unless(bool seen, std::string why) {
  return seen ? absl::OkStatus() : absl::FailedPreconditionError(why);
}

// OK where a call ended with `code` and, unless it is empty, `message`.
absl::Status EndedWith(const absl::Status& end, absl::StatusCode code, std::string message = {}) {
  const bool as_wanted =
      end.code() == code && (message.empty() || micro::errors::FromStatus(end).detail == message);
  return Unless(as_wanted, fmt::format("ended with {}, wanted {} \"{}\"", end.ToString(),
                                       absl::StatusCodeToString(code), message));
}

absl::Status HasSize(const grpc::testing::Payload& payload, int32_t size) {
  const std::string zeros(static_cast<size_t>(size), '\0');
  return Unless(payload.type() == grpc::testing::COMPRESSABLE && payload.body() == zeros,
                fmt::format("the payload is not {} zeros but {} bytes of type {}", size,
                            payload.body().size(), static_cast<int>(payload.type())));
}

void Fill(grpc::testing::Payload& payload, int32_t size) {
  payload.set_body(std::string(static_cast<size_t>(size), '\0'));
}

SimpleRequest Simple(int32_t request_size, int32_t response_size) {
  SimpleRequest request;
  request.set_response_size(response_size);
  Fill(*request.mutable_payload(), request_size);
  return request;
}

StreamingOutputCallRequest Streaming(int32_t request_size, int32_t response_size) {
  StreamingOutputCallRequest request;
  request.add_response_parameters()->set_size(response_size);
  Fill(*request.mutable_payload(), request_size);
  return request;
}

template <class Stream>
Task<absl::Status> ReceiveSize(Stream& stream, int32_t size) {
  CO_ASSIGN_OR_RETURN(const auto response, co_await stream.Recv());
  if (!response.has_value()) co_return Unless(false, "the stream ended early");
  co_return HasSize(response->payload(), size);
}

template <class Stream>
Task<absl::Status> ReceiveEnd(Stream& stream) {
  CO_ASSIGN_OR_RETURN(const auto response, co_await stream.Recv());
  co_return Unless(!response.has_value(), "a response more than wanted");
}

Task<absl::Status> EmptyUnary(Peer peer) {
  CO_ASSIGN_OR_RETURN(const auto response,
                      co_await peer.service.EmptyCall(Context(), {}, peer.options));
  co_return Unless(response.ByteSizeLong() == 0, "the response is not empty");
}

Task<absl::Status> LargeUnary(Peer peer) {
  CO_ASSIGN_OR_RETURN(const auto response, co_await peer.service.UnaryCall(
                                               Context(), Simple(271828, 314159), peer.options));
  co_return HasSize(response.payload(), 314159);
}

Task<absl::Status> ClientStreaming(Peer peer) {
  CO_ASSIGN_OR_RETURN(auto stream,
                      co_await peer.service.StreamingInputCall(Context(), peer.options));
  for (const int32_t size : kRequestSizes) {
    grpc::testing::StreamingInputCallRequest request;
    Fill(*request.mutable_payload(), size);
    CO_RETURN_IF_ERROR(co_await stream.Send(request));
  }
  CO_ASSIGN_OR_RETURN(const auto response, co_await stream.CloseAndRecv());
  co_return Unless(response.aggregated_payload_size() == 74922,
                   fmt::format("{} bytes arrived", response.aggregated_payload_size()));
}

Task<absl::Status> ServerStreaming(Peer peer) {
  StreamingOutputCallRequest request;
  for (const int32_t size : kResponseSizes) request.add_response_parameters()->set_size(size);
  CO_ASSIGN_OR_RETURN(auto stream,
                      co_await peer.service.StreamingOutputCall(Context(), request, peer.options));
  for (const int32_t size : kResponseSizes) CO_RETURN_IF_ERROR(co_await ReceiveSize(stream, size));
  co_return co_await ReceiveEnd(stream);
}

Task<absl::Status> PingPong(Peer peer) {
  CO_ASSIGN_OR_RETURN(auto stream, co_await peer.service.FullDuplexCall(Context(), peer.options));
  for (size_t i = 0; i < kRequestSizes.size(); ++i) {
    CO_RETURN_IF_ERROR(co_await stream.Send(Streaming(kRequestSizes[i], kResponseSizes[i])));
    CO_RETURN_IF_ERROR(co_await ReceiveSize(stream, kResponseSizes[i]));
  }
  CO_RETURN_IF_ERROR(co_await stream.CloseSend());
  co_return co_await ReceiveEnd(stream);
}

Task<absl::Status> EmptyStream(Peer peer) {
  CO_ASSIGN_OR_RETURN(auto stream, co_await peer.service.FullDuplexCall(Context(), peer.options));
  CO_RETURN_IF_ERROR(co_await stream.CloseSend());
  co_return co_await ReceiveEnd(stream);
}

Task<absl::Status> TimeoutOnSleepingServer(Peer peer) {
  const Context ctx = micro::WithTimeout(Context(), absl::Milliseconds(1));
  auto stream = co_await peer.service.FullDuplexCall(ctx, peer.options);
  absl::Status end = stream.status();
  if (stream.ok()) {
    StreamingOutputCallRequest request;
    Fill(*request.mutable_payload(), 27182);
    (void)co_await stream->Send(request);  // may come too late
    end = (co_await stream->Recv()).status();
  }
  co_return EndedWith(end, absl::StatusCode::kDeadlineExceeded);
}

Task<absl::Status> CancelAfterBegin(Peer peer) {
  const auto [ctx, cancel] = micro::WithCancel(Context());
  CO_ASSIGN_OR_RETURN(auto stream, co_await peer.service.StreamingInputCall(ctx, peer.options));
  cancel();
  co_return EndedWith((co_await stream.CloseAndRecv()).status(), absl::StatusCode::kCancelled);
}

Task<absl::Status> CancelAfterFirstResponse(Peer peer) {
  const auto [ctx, cancel] = micro::WithCancel(Context());
  CO_ASSIGN_OR_RETURN(auto stream, co_await peer.service.FullDuplexCall(ctx, peer.options));
  CO_RETURN_IF_ERROR(co_await stream.Send(Streaming(27182, 31415)));
  CO_RETURN_IF_ERROR(co_await ReceiveSize(stream, 31415));
  cancel();
  co_return EndedWith((co_await stream.Recv()).status(), absl::StatusCode::kCancelled);
}

Task<absl::Status> StatusCodeAndMessage(Peer peer) {
  const std::string text = "test status message";
  SimpleRequest request;
  request.mutable_response_status()->set_code(2);
  request.mutable_response_status()->set_message(text);
  const auto response = co_await peer.service.UnaryCall(Context(), request, peer.options);
  CO_RETURN_IF_ERROR(EndedWith(response.status(), absl::StatusCode::kUnknown, text));

  CO_ASSIGN_OR_RETURN(auto stream, co_await peer.service.FullDuplexCall(Context(), peer.options));
  StreamingOutputCallRequest said;
  *said.mutable_response_status() = request.response_status();
  CO_RETURN_IF_ERROR(co_await stream.Send(said));
  CO_RETURN_IF_ERROR(co_await stream.CloseSend());
  co_return EndedWith((co_await stream.Recv()).status(), absl::StatusCode::kUnknown, text);
}

Task<absl::Status> SpecialStatusMessage(Peer peer) {
  const std::string text = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";
  SimpleRequest request;
  request.mutable_response_status()->set_code(2);
  request.mutable_response_status()->set_message(text);
  const auto response = co_await peer.service.UnaryCall(Context(), request, peer.options);
  co_return EndedWith(response.status(), absl::StatusCode::kUnknown, text);
}

absl::Status Echoed(const micro::Metadata& sent, const micro::Metadata& header,
                    const micro::Metadata& trailer) {
  RETURN_IF_ERROR(Unless(header.Get(kEchoedHeader) == sent.Get(kEchoedHeader),
                         fmt::format("header {} did not come back", kEchoedHeader)));
  return Unless(trailer.Get(kEchoedTrailer) == sent.Get(kEchoedTrailer),
                fmt::format("trailer {} did not come back", kEchoedTrailer));
}

Task<absl::Status> CustomMetadata(Peer peer) {
  const micro::Metadata sent = {{std::string(kEchoedHeader), "test_initial_metadata_value"},
                                {std::string(kEchoedTrailer), "\xab\xab\xab"}};
  const Context ctx = micro::WithMetadata(Context(), sent);
  micro::Metadata header, trailer;
  micro::CallOptions options = peer.options;
  options.header = &header;
  options.trailer = &trailer;
  CO_ASSIGN_OR_RETURN(const auto response,
                      co_await peer.service.UnaryCall(ctx, Simple(271828, 314159), options));
  CO_RETURN_IF_ERROR(HasSize(response.payload(), 314159));
  CO_RETURN_IF_ERROR(Echoed(sent, header, trailer));

  CO_ASSIGN_OR_RETURN(auto stream, co_await peer.service.FullDuplexCall(ctx, peer.options));
  CO_RETURN_IF_ERROR(co_await stream.Send(Streaming(271828, 314159)));
  header = co_await stream.Header();
  CO_RETURN_IF_ERROR(co_await ReceiveSize(stream, 314159));
  CO_RETURN_IF_ERROR(co_await stream.CloseSend());
  CO_RETURN_IF_ERROR(co_await ReceiveEnd(stream));
  co_return Echoed(sent, header, stream.Trailer());
}

Task<absl::Status> UnimplementedMethod(Peer peer) {
  const auto response = co_await peer.service.UnimplementedCall(Context(), {}, peer.options);
  co_return EndedWith(response.status(), absl::StatusCode::kUnimplemented);
}

Task<absl::Status> UnimplementedService(Peer peer) {
  const auto response = co_await peer.unimplemented.UnimplementedCall(Context(), {}, peer.options);
  co_return EndedWith(response.status(), absl::StatusCode::kUnimplemented);
}

struct Case {
  std::string_view name;
  Task<absl::Status> (*run)(Peer);
};

constexpr Case kCases[] = {
    {"empty_unary", EmptyUnary},
    {"large_unary", LargeUnary},
    {"client_streaming", ClientStreaming},
    {"server_streaming", ServerStreaming},
    {"ping_pong", PingPong},
    {"empty_stream", EmptyStream},
    {"timeout_on_sleeping_server", TimeoutOnSleepingServer},
    {"cancel_after_begin", CancelAfterBegin},
    {"cancel_after_first_response", CancelAfterFirstResponse},
    {"status_code_and_message", StatusCodeAndMessage},
    {"special_status_message", SpecialStatusMessage},
    {"custom_metadata", CustomMetadata},
    {"unimplemented_method", UnimplementedMethod},
    {"unimplemented_service", UnimplementedService},
};

}  // namespace

std::vector<std::string_view> GrpcCases() {
  std::vector<std::string_view> names;
  for (const Case& one : kCases) names.push_back(one.name);
  return names;
}

Task<absl::Status> RunGrpcCase(std::string name, std::shared_ptr<micro::Client> client,
                               std::string address) {
  for (const Case& one : kCases) {
    if (one.name != name) continue;
    co_return co_await one.run({.service = {"grpc.testing.TestService", client},
                                .unimplemented = {"grpc.testing.UnimplementedService", client},
                                .options = {.addresses = {address}, .retries = 0}});
  }
  co_return absl::NotFoundError(
      fmt::format("there is no case \"{}\"; there are: {}", name, fmt::join(GrpcCases(), ", ")));
}

}  // namespace interop
