// One incoming call, from gRPC's callbacks to a handler's coroutine and back.
#pragma once

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <string>

#include "micro/wire.h"

namespace micro::grpc_wire {

// What all calls of a server share; outlives them.
struct ServerShared {
  std::string service;  // the registered name, id of errors that arise here
  int max_send_message_size = 0;
};

// Starts a unary call on the fast path and answers with the object that gRPC drives; it frees
// itself.
grpc::ServerUnaryReactor* StartUnary(const ServerShared& shared, const ServedEndpoint& endpoint,
                                     grpc::CallbackServerContext* context,
                                     const grpc::ByteBuffer* request, grpc::ByteBuffer* response);

using BidiReactor = grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>;

// Starts a call of any kind on the streaming path; a unary endpoint, too, when it was called by a
// path that was not known before.
BidiReactor* StartStream(const ServerShared& shared, const ServedEndpoint& endpoint,
                         grpc::CallbackServerContext* context);

// Refuses a call.
BidiReactor* Refuse(const ServerShared& shared, const absl::Status& status);

}  // namespace micro::grpc_wire
