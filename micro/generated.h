// What generated code calls, and nobody else: handlers are made for a server, and calls for a
// client.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/context.h"
#include "core/errors.h"
#include "core/task.h"
#include "micro/client.h"
#include "micro/handler.h"
#include "micro/request.h"
#include "micro/stream.h"

namespace micro::generated {

// ---- A generated handler's side ----

// The answer of a method that nobody has written: go-micro's error 501.
inline Task<absl::Status> NotImplemented(const Method& method) {
  co_return errors::NotImplemented("go.micro.server",
                                   std::string(method.endpoint) + " is not implemented");
}

// The endpoints under their handler's name; the options' metadata counts before the endpoints' own.
inline Handler NewHandler(std::string_view name, std::vector<HandlerEndpoint> endpoints,
                          HandlerOptions options) {
  for (HandlerEndpoint& endpoint : endpoints) {
    const auto added = options.endpoint_metadata.find(std::string(endpoint.method.endpoint));
    if (added == options.endpoint_metadata.end()) continue;
    for (auto& [key, value] : added->second)
      endpoint.metadata.insert_or_assign(key, std::move(value));
  }
  return {
      .name = std::string(name), .endpoints = std::move(endpoints), .internal = options.internal};
}

// ---- A generated client's side ----

// A service by its registered name, and the client to call it with. A generated client and each of
// its running calls share one.
struct Callee {
  Callee(std::string service, std::shared_ptr<Client> client)
      : service(std::move(service)), client(std::move(client)) {}

  const std::string service;
  const std::shared_ptr<Client> client;
};

template <class Req, class Rsp>
Task<absl::StatusOr<Rsp>> CallUnary(std::shared_ptr<const Callee> callee, const Method& method,
                                    Context ctx, Req request, CallOptions options) {
  Rsp response;
  const Request call{
      .service = callee->service, .method = method, .content_type = {}, .body = request};
  absl::Status status =
      co_await callee->client->Call(std::move(ctx), call, response, std::move(options));
  if (!status.ok()) co_return status;
  co_return std::move(response);
}

inline Task<absl::StatusOr<std::unique_ptr<RawStream>>> OpenStream(
    std::shared_ptr<const Callee> callee, const Method& method, Context ctx, CallOptions options) {
  const Request call{
      .service = callee->service, .method = method, .content_type = {}, .body = std::nullopt};
  co_return co_await callee->client->Stream(std::move(ctx), call, std::move(options));
}

// Sends the one request and half-closes. Recv tells how the call went, so an end of the call that
// is seen here already is not an error of opening: CANCELLED from Send, or a half-close that came
// too late or that the wire does not have.
template <class Req, class Rsp>
Task<absl::StatusOr<ClientRecvStream<Rsp>>> OpenServerStreaming(
    std::shared_ptr<const Callee> callee, const Method& method, Context ctx, Req request,
    CallOptions options) {
  absl::StatusOr<std::unique_ptr<RawStream>> stream =
      co_await OpenStream(std::move(callee), method, std::move(ctx), std::move(options));
  if (!stream.ok()) co_return stream.status();
  absl::Status sent = co_await (*stream)->Send(request);
  if (!sent.ok() && !absl::IsCancelled(sent)) co_return sent;
  (void)co_await (*stream)->CloseSend();
  co_return ClientRecvStream<Rsp>(*std::move(stream));
}

template <class Req, class Rsp>
Task<absl::StatusOr<ClientSendStream<Req, Rsp>>> OpenClientStreaming(
    std::shared_ptr<const Callee> callee, const Method& method, Context ctx, CallOptions options) {
  absl::StatusOr<std::unique_ptr<RawStream>> stream =
      co_await OpenStream(std::move(callee), method, std::move(ctx), std::move(options));
  if (!stream.ok()) co_return stream.status();
  co_return ClientSendStream<Req, Rsp>(*std::move(stream));
}

template <class Req, class Rsp>
Task<absl::StatusOr<ClientStream<Req, Rsp>>> OpenBidi(std::shared_ptr<const Callee> callee,
                                                      const Method& method, Context ctx,
                                                      CallOptions options) {
  absl::StatusOr<std::unique_ptr<RawStream>> stream =
      co_await OpenStream(std::move(callee), method, std::move(ctx), std::move(options));
  if (!stream.ok()) co_return stream.status();
  co_return ClientStream<Req, Rsp>(*std::move(stream));
}

}  // namespace micro::generated
