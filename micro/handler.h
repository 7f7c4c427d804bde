// A Handler is a named set of methods that a server runs: what RegisterXxxHandler of generated code
// gives to Server::Handle.
//
//   server.Handle({.name = "Greeter", .endpoints = {
//       UnaryEndpoint<HelloRequest, HelloResponse>(kHello, [greeter](const Context& ctx, const HelloRequest& request,
//                                                                    HelloResponse& response) {
//         return greeter->Hello(ctx, request, response);
//       })}});
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "core/context.h"
#include "core/response_metadata.h"
#include "core/task.h"
#include "micro/request.h"
#include "micro/stream.h"
#include "registry/registry.h"

namespace google::protobuf {
class Descriptor;
class Message;
}  // namespace google::protobuf

namespace micro {

// Where a handler puts its answer: the response of a unary method, the stream of any other. Lent
// for the call.
struct Response {
  google::protobuf::Message* message = nullptr;
  RawStream* stream = nullptr;
};

// One call on its way to its handler. Context, request and response outlive the task. Mirrors
// go-micro's server.HandlerFunc.
using HandlerFunc = std::function<Task<absl::Status>(const Context&, const Request&, Response)>;

// Middleware of a server: takes the next function and returns one. Mirrors go-micro's
// server.HandlerWrapper.
using HandlerWrapper = std::function<HandlerFunc(HandlerFunc next)>;

// The request and response of one unary call, made together.
class Exchange {
 public:
  virtual ~Exchange() = default;
  virtual google::protobuf::Message& request() = 0;
  virtual google::protobuf::Message& response() = 0;
};

struct HandlerEndpoint {
  Method method = {};
  const google::protobuf::Descriptor* request =
      nullptr;  // for discovery's type trees and reflection
  const google::protobuf::Descriptor* response = nullptr;
  std::function<std::unique_ptr<Exchange>()> new_exchange = nullptr;  // unary alone
  HandlerFunc handle = nullptr;
  registry::Labels metadata = {};  // advertised with the endpoint
};

struct Handler {
  std::string name = {};  // "Greeter": upper case first
  std::vector<HandlerEndpoint> endpoints = {};
  bool internal = false;  // served, but not advertised
};

struct HandlerOptions {
  // Added to the advertised metadata of an endpoint, by its name ("Greeter.Hello").
  std::map<std::string, registry::Labels> endpoint_metadata = {};
  bool internal = false;
};

// ---- How generated code makes endpoints of typed methods. ----

namespace internal {
template <class Req, class Rsp>
class TypedExchange final : public Exchange {
 public:
  google::protobuf::Message& request() override { return request_; }
  google::protobuf::Message& response() override { return response_; }

 private:
  Req request_;
  Rsp response_;
};

template <class Req, class Rsp>
HandlerEndpoint NewEndpoint(const Method& method, HandlerFunc handle) {
  return {.method = method,
          .request = Req::descriptor(),
          .response = Rsp::descriptor(),
          .new_exchange = nullptr,
          .handle = std::move(handle),
          .metadata = {}};
}
}  // namespace internal

// `call(ctx, request, response) -> Task<absl::Status>`
template <class Req, class Rsp, class Call>
HandlerEndpoint UnaryEndpoint(const Method& method, Call call) {
  HandlerEndpoint endpoint = internal::NewEndpoint<Req, Rsp>(
      method, [call](const Context& ctx, const Request& request, Response response) {
        return call(ctx, static_cast<const Req&>(*request.body->message()),
                    static_cast<Rsp&>(*response.message));
      });
  endpoint.new_exchange = [] { return std::make_unique<internal::TypedExchange<Req, Rsp>>(); };
  return endpoint;
}

// `call(ctx, request, SendStream<Rsp>&)`; it starts with the first message and never waits for a
// half-close, which go-micro's clients do not send.
template <class Req, class Rsp, class Call>
HandlerEndpoint ServerStreamingEndpoint(const Method& method, Call call) {
  return internal::NewEndpoint<Req, Rsp>(
      method, [call](const Context& ctx, const Request&, Response response) -> Task<absl::Status> {
        Req request;
        const absl::StatusOr<bool> received = co_await response.stream->Recv(request);
        if (!received.ok()) co_return received.status();
        if (!*received) co_return absl::InvalidArgumentError("the call ended without a request");
        SendStream<Rsp> stream(*response.stream);
        co_return co_await call(ctx, request, stream);
      });
}

// `call(ctx, RecvStream<Req>&, response)`
template <class Req, class Rsp, class Call>
HandlerEndpoint ClientStreamingEndpoint(const Method& method, Call call) {
  return internal::NewEndpoint<Req, Rsp>(
      method, [call](const Context& ctx, const Request&, Response response) -> Task<absl::Status> {
        RecvStream<Req> stream(*response.stream);
        Rsp answer;
        absl::Status status = co_await call(ctx, stream, answer);
        if (!status.ok()) co_return status;
        co_return co_await response.stream->Send(answer);
      });
}

// `call(ctx, Stream<Req, Rsp>&)`
template <class Req, class Rsp, class Call>
HandlerEndpoint BidiEndpoint(const Method& method, Call call) {
  return internal::NewEndpoint<Req, Rsp>(
      method, [call](const Context& ctx, const Request&, Response response) -> Task<absl::Status> {
        Stream<Req, Rsp> stream(*response.stream);
        co_return co_await call(ctx, stream);
      });
}

}  // namespace micro
