// Metadata to and from gRPC's headers.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/server_context.h>

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "core/metadata.h"

namespace micro::grpc_wire {

// What a call came in with.
struct IncomingHeaders {
  Metadata metadata;           // without `timeout` and `x-content-type`; with "Remote"
  std::string content_type;    // of x-content-type, may be empty
  absl::Duration timeout = absl::InfiniteDuration();  // of the `timeout` header
};
IncomingHeaders ReadHeaders(const grpc::CallbackServerContext& context);

// Sets the headers of a call: metadata that is forwarded, keys lowered; timeout in nanoseconds when finite; content type.
// INVALID_ARGUMENT names a key or value that HTTP/2 headers cannot carry.
absl::Status WriteHeaders(const Metadata& metadata, std::string_view content_type, absl::Duration timeout,
                          grpc::ClientContext* context);

}  // namespace micro::grpc_wire
