// Metadata to and from gRPC's headers.
#pragma once

#include <grpcpp/server_context.h>

#include <map>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "core/metadata.h"

namespace micro::grpc_wire {

// What a call came in with.
struct IncomingHeaders {
  Metadata metadata;              // without `timeout` and `x-content-type`; with "Remote"
  std::string_view content_type;  // of x-content-type, may be empty; lives as long as the call
  absl::Duration timeout = absl::InfiniteDuration();  // of the `timeout` header
};
IncomingHeaders ReadHeaders(const grpc::CallbackServerContext& context);

// What an answer came with, as header or trailer: without what is the wire's own.
Metadata ReadResponseMetadata(const std::multimap<grpc::string_ref, grpc::string_ref>& incoming);

// Gives the call what its answer's header or trailer shall hold, keys lowered. The pairs are ones
// that ResponseMetadata took.
void WriteHeader(const Metadata& header, grpc::CallbackServerContext& context);
void WriteTrailer(const Metadata& trailer, grpc::CallbackServerContext& context);

// Gives `add` the headers of a call: metadata that is forwarded, keys lowered, and the content type
// unless it is the one that its absence means. The deadline is gRPC's own (grpc-timeout).
// INVALID_ARGUMENT names a key or value that HTTP/2 headers cannot carry.
absl::Status WriteHeaders(const Metadata& metadata, std::string_view content_type,
                          absl::FunctionRef<void(std::string key, std::string value)> add);

}  // namespace micro::grpc_wire
