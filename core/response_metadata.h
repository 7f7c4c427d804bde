// What a handler tells its caller beside the response: a header, which goes before the first
// message, and a trailer, which goes after the last.
//
//   CO_RETURN_IF_ERROR(micro::SetHeader(ctx, "x-served-by", host));
//   CO_RETURN_IF_ERROR(micro::SetTrailer(ctx, "x-checksum-bin", digest));
//
// Any method may set them, and so may wrappers: they belong to the call that the context came with.
// A caller asks for them with CallOptions::header and trailer (micro/client.h), or asks its stream
// (micro/stream.h). Mirrors grpc-go's SetHeader and SetTrailer.
#pragma once

#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "core/context.h"
#include "core/metadata.h"
#include "core/mutex.h"

namespace micro {

// Sets one pair of the header or trailer, in place of any that the key had. From any thread.
// INVALID_ARGUMENT: no wire could carry it (CheckHeader), or the key is the wire's own.
// FAILED_PRECONDITION: too late, the first message has been sent or the call has ended. With a
// context that no call came with, and on a wire that carries none, the pair goes nowhere: a handler
// need not know.
absl::Status SetHeader(const Context& ctx, std::string_view key, std::string_view value);
absl::Status SetTrailer(const Context& ctx, std::string_view key, std::string_view value);

// The header and trailer of one call on their way to its wire. For wires, and for tests of handlers.
// From any thread.
class ResponseMetadata {
 public:
  absl::Status SetHeader(std::string_view key, std::string_view value);
  absl::Status SetTrailer(std::string_view key, std::string_view value);

  // The header, which goes now: there is none after it.
  Metadata TakeHeader();

  // What is left when the call ends: the header, unless it has gone, and the trailer.
  std::pair<Metadata, Metadata> TakeRest();

 private:
  Mutex mutex_;
  Metadata header_ ABSL_GUARDED_BY(mutex_), trailer_ ABSL_GUARDED_BY(mutex_);
  bool header_gone_ ABSL_GUARDED_BY(mutex_) = false, ended_ ABSL_GUARDED_BY(mutex_) = false;
};

// The context of a call that came in with `metadata`; what its handler sets beside the response
// gathers in its response_metadata().
Context WithIncomingCall(const Context& parent, Metadata metadata);

}  // namespace micro
