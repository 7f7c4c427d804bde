#include "micro/grpc/client_call.h"

#include <fmt/format.h>

#include <utility>

#include "core/errors.h"
#include "micro/grpc/headers.h"
#include "micro/grpc/status.h"
#include "micro/wire.h"

namespace micro::grpc_wire {

absl::Status Refused(const absl::Status& why, int code) {
  return errors::ToStatus({.id = std::string(errors::kClientId),
                           .code = code,
                           .detail = std::string(why.message()),
                           .status = ""},
                          why.code());
}

absl::Status Unreadable(const absl::Status& why) {
  return errors::ToStatus({.id = "go.micro.client.codec",
                           .code = 500,
                           .detail = std::string(why.message()),
                           .status = ""});
}

namespace {

absl::Status ConnectionError(const registry::Node& node, std::string_view why) {
  return errors::ToStatus({.id = std::string(errors::kClientId),
                           .code = 500,
                           .detail = fmt::format("connection error: {}: {}", node.address, why),
                           .status = ""},
                          absl::StatusCode::kUnavailable);
}

// What gRPC's core says where no server has seen the call: it could not connect, the server's GOAWAY
// left the call out, or the connection was gone or had no number left when the call came to it. (A
// call that was seen, on a connection that broke after a GOAWAY, is "Socket closed".)
bool WasNotSeen(std::string_view why) {
  return why.starts_with("failed to connect to all addresses") ||
         why.starts_with("GOAWAY received") || why.starts_with("Transport closed") ||
         why.starts_with("Stream IDs exhausted");
}

// Servers on gRPC's core refuse so, in these words, a call that reaches them after their shutdown
// has begun: it crossed the GOAWAY on its way, and no handler has seen it. What comes out of a
// handler of ours bears an error object.
bool IsRefusedByAShutdown(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::CANCELLED && status.error_details().empty() &&
         status.error_message() == "CANCELLED";
}

}  // namespace

absl::Status ErrorOf(const grpc::Status& status, const Context& ctx, const registry::Node& node) {
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE && status.error_details().empty()) {
    const std::string& why = status.error_message();
    absl::Status error = ConnectionError(node, why);
    return WasNotSeen(why) ? MarkUnsent(std::move(error)) : error;
  }
  if (IsRefusedByAShutdown(status) && ctx.status().ok())
    return MarkUnsent(ConnectionError(node, "the server is shutting down"));
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED ||
      (status.error_code() == grpc::StatusCode::CANCELLED && ctx.stop_token().stop_requested())) {
    if (!status.error_details().empty()) return FromGrpc(status);
    return errors::ToStatus(
        {.id = std::string(errors::kClientId),
         .code = 408,
         .detail = status.error_code() == grpc::StatusCode::CANCELLED ? "context canceled"
                                                                      : "context deadline exceeded",
         .status = ""},
        static_cast<absl::StatusCode>(status.error_code()));
  }
  return FromGrpc(status);
}

std::string PathOf(const Request& request) {
  if (!request.method.grpc_path.empty()) return std::string(request.method.grpc_path);
  const std::string_view endpoint = request.method.endpoint;
  if (endpoint.starts_with('/')) return std::string(endpoint);
  const size_t dot = endpoint.find('.');
  if (dot == std::string_view::npos) return fmt::format("/{}", endpoint);
  const std::string_view prefix = request.service;
  return fmt::format("/{}{}{}/{}", prefix, prefix.empty() ? "" : ".", endpoint.substr(0, dot),
                     endpoint.substr(dot + 1));
}

absl::Status Prepare(const Context& ctx, const Request& request, grpc::ClientContext& call) {
  const absl::Duration left = ctx.remaining();
  if (left != absl::InfiniteDuration()) {
    call.set_deadline(std::chrono::system_clock::now() + absl::ToChronoNanoseconds(left));
  }
  const absl::Status status =
      WriteHeaders(ctx.metadata(), request.content_type,
                   [&call](std::string key, std::string value) { call.AddMetadata(key, value); });
  return status.ok() ? status : Refused(status, 500);
}

}  // namespace micro::grpc_wire
