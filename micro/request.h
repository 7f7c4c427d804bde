// What is called, as client, server and wrappers see it.
#pragma once

#include <optional>
#include <string_view>

#include "codec/codec.h"
#include "core/metadata.h"

namespace google::protobuf {
class Message;
}

namespace micro {

enum class MethodKind { kUnary, kServerStreaming, kClientStreaming, kBidi };

// A method's fixed names; generated code holds one of these per method, and it lives as long as the
// process.
struct Method {
  std::string_view endpoint = {};  // "Greeter.Hello", go-micro's name
  std::string_view grpc_path =
      {};  // "/helloworld.Greeter/Hello", plain gRPC's; empty: made from service and endpoint
  MethodKind kind = MethodKind::kUnary;
};

// One call. Everything in it is lent: views and body outlive the call.
struct Request {
  std::string_view service = {};  // the registered name of the service
  Method method = {};
  std::string_view content_type = {};         // empty: the client's default
  std::optional<codec::ConstBody> body = {};  // none for a stream
  // Client, unary: where the wire puts what came with the answer; null: nobody asks.
  Metadata* header = nullptr;
  Metadata* trailer = nullptr;

  bool stream() const { return method.kind != MethodKind::kUnary; }
};

}  // namespace micro
