// absl::Status to and from gRPC's, with go-micro's error object on the way (reference: go-micro's
// gRPC error mapping).
#pragma once

#include <grpcpp/support/status.h>

#include <string_view>

#include "absl/status/status.h"

namespace micro::grpc_wire {

// What a server sends. A status with an error object: code by go-micro's table, message = the
// object's JSON, detail = the object. Any other status keeps its code and message, which is what
// plain gRPC callers expect, and go-micro's read the object made from it, with the service's name
// as id, in the detail.
grpc::Status ToGrpc(const absl::Status& status, std::string_view service);

// What a caller gets: the error object from the detail, or from a JSON message, or made from the
// code with the id go.micro.client.
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace micro::grpc_wire
