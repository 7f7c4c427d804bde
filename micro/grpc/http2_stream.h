// gRPC calls whose content-type names a codec: application/grpc+json. gRPC's C++ core always writes
// application/grpc, which servers that go by the content type (grpc-go's, and go-micro's with it)
// read as protobuf; so calls with any other codec go over HTTP/2 sessions of our own.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "codec/codec.h"
#include "core/context.h"
#include "core/task.h"
#include "micro/client.h"
#include "micro/grpc/http2_session.h"
#include "micro/request.h"
#include "micro/stream.h"
#include "registry/registry.h"

namespace micro::grpc_wire {

// A client's HTTP/2 sessions: one per loop and address, made when it is needed, closed when it was
// unused for the time to live. Any thread.
class Http2Pool {
 public:
  // INVALID_ARGUMENT names the flag and file of TLS that cannot be used.
  static absl::StatusOr<std::unique_ptr<Http2Pool>> New(const ClientOptions& options);
  ~Http2Pool();  // ends all sessions and the calls on them

  // One unary call. Errors as the other wire's: those of ErrorOf (client_call.h).
  Task<absl::Status> Call(const Context& ctx, const registry::Node& node, const Request& request,
                          const codec::Codec& codec, codec::Body response);

  // Opens a call of any streaming kind. An error: nothing was sent.
  Task<absl::StatusOr<std::unique_ptr<RawStream>>> Stream(const Context& ctx,
                                                          const registry::Node& node,
                                                          const Request& request,
                                                          const codec::Codec& codec);

  // Makes the sessions to a node, on all loops.
  Task<void> Warm(Context ctx, registry::Node node);

 private:
  struct LoopSessions;
  explicit Http2Pool(const ClientOptions& options, std::shared_ptr<const net::Tls> tls);
  Task<absl::StatusOr<std::shared_ptr<Http2Session>>> SessionTo(Context ctx, net::Loop& loop,
                                                                std::string address);

  const ClientOptions options_;
  const std::shared_ptr<const net::Tls> tls_;
  std::map<net::Loop*, std::shared_ptr<LoopSessions>> loops_;  // fixed when made
};

}  // namespace micro::grpc_wire
