#include "cmd/protoc-gen-micro-cpp/shape.h"

namespace micro::generator {

Shape ShapeOf(const Method& method) {
  const std::string& request = method.request;
  const std::string& response = method.response;
  const std::string both = "<" + request + ", " + response + ">";
  const Parameter handler_context{"const ::micro::Context&", "ctx"};
  const Parameter handler_request{"const " + request + "&", "request"};
  const Parameter handler_response{response + "&", "response"};
  const Parameter client_context{"::micro::Context", "ctx"};
  const Parameter client_request{request, "request"};

  if (method.client_streaming && method.server_streaming) {
    return {.kind = "kBidi",
            .new_endpoint = "BidiEndpoint" + both,
            .handler = {handler_context, {"::micro::Stream" + both + "&", "stream"}},
            .call = "OpenBidi" + both,
            .client = {client_context},
            .client_result = "::micro::ClientStream" + both};
  }
  if (method.client_streaming) {
    return {.kind = "kClientStreaming",
            .new_endpoint = "ClientStreamingEndpoint" + both,
            .handler = {handler_context,
                        {"::micro::RecvStream<" + request + ">&", "stream"},
                        handler_response},
            .call = "OpenClientStreaming" + both,
            .client = {client_context},
            .client_result = "::micro::ClientSendStream" + both};
  }
  if (method.server_streaming) {
    return {.kind = "kServerStreaming",
            .new_endpoint = "ServerStreamingEndpoint" + both,
            .handler = {handler_context,
                        handler_request,
                        {"::micro::SendStream<" + response + ">&", "stream"}},
            .call = "OpenServerStreaming" + both,
            .client = {client_context, client_request},
            .client_result = "::micro::ClientRecvStream<" + response + ">"};
  }
  return {.kind = "kUnary",
          .new_endpoint = "UnaryEndpoint" + both,
          .handler = {handler_context, handler_request, handler_response},
          .call = "CallUnary" + both,
          .client = {client_context, client_request},
          .client_result = response};
}

}  // namespace micro::generator
