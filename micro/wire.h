// The two sides of a wire protocol: what micro/grpc and micro/rpc implement. For
// implementers of wires; users of the SDK meet Server and Client (micro/server.h, micro/client.h),
// which stand on these.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "codec/codec.h"
#include "core/context.h"
#include "core/task.h"
#include "micro/call_count.h"
#include "micro/client.h"
#include "micro/handler.h"
#include "micro/server.h"
#include "registry/registry.h"

namespace micro {

// An endpoint as a wire serves it: the server's wrappers are already around `handle`.
struct ServedEndpoint {
  std::string handler;  // "Greeter"
  HandlerEndpoint endpoint;
  // Told by the wire, with a RunningCallMark around each call of the handler; copies share it.
  std::shared_ptr<CallCount> calls = std::make_shared<CallCount>();
};

// Accepts calls and runs them, each under a context of WithIncomingCall where the wire can carry what
// handlers set beside their responses (core/response_metadata.h). One object serves once.
class ServerWire {
 public:
  static constexpr std::string_view kPluginKind = "server";
  using PluginOptions = ServerOptions;

  virtual ~ServerWire() = default;

  virtual std::string_view name() const = 0;       // node metadata `server`: "grpc", "mucp"
  virtual std::string_view protocol() const = 0;   // node metadata `protocol`: "grpc", "mucp"
  virtual std::string_view transport() const = 0;  // node metadata `transport`: "grpc", "http"

  // Serves on `host` ("" or "0.0.0.0": all interfaces) and `port` (0: any free one), and answers
  // with the port. UNAVAILABLE: the port is taken or the host is not this machine's;
  // INVALID_ARGUMENT: an option that does not work, by name.
  virtual absl::StatusOr<int> Start(const std::string& host, int port,
                                    std::vector<ServedEndpoint> endpoints) = 0;

  // Whether callers find the server, for those who ask it how it is; it takes calls all the same. May
  // come before Start, after Leave and from any thread. A wire that is not told is ready.
  virtual void SetReady(bool /*ready*/) {}

  // Tells peers, as far as the protocol can, to go elsewhere; all calls are served on until Stop.
  virtual void Leave() = 0;

  // Takes no more calls, tells the peer of each that comes too late that nobody has seen it, waits
  // for running ones at most `grace`, then cancels them and waits for their ends at most the
  // options' `cancel_timeout`: what ignores its cancellation is left behind.
  virtual Task<void> Stop(absl::Duration grace) = 0;
};

// Sends calls to nodes of one protocol. Shared by all calls of a client: any thread.
class ClientWire {
 public:
  static constexpr std::string_view kPluginKind = "client";
  using PluginOptions = ClientOptions;

  virtual ~ClientWire() = default;

  virtual std::string_view protocol() const = 0;  // the node metadata `protocol` that it speaks
  virtual std::string_view default_content_type() const = 0;

  // How long one attempt of a unary call may take where nobody says so.
  virtual absl::Duration default_connection_timeout() const { return absl::InfiniteDuration(); }

  // One attempt on one node. What comes with the answer goes into the request's `header` and
  // `trailer`, where the wire carries such and somebody asks. A failure to reach it at all is UNAVAILABLE with MarkUnsent.
  virtual Task<absl::Status> Call(const Context& ctx, const registry::Node& node,
                                  const Request& request, codec::Body response) = 0;

  virtual Task<absl::StatusOr<std::unique_ptr<RawStream>>> Stream(const Context& ctx,
                                                                  const registry::Node& node,
                                                                  const Request& request) = 0;

  // Connects to a node that calls may go to, so that the first need not wait for it. Ends when the
  // connections stand or could not be made, and with `ctx`. A wire without connections does nothing.
  virtual Task<void> Warm(const Context& ctx, const registry::Node& node);
};

// What becomes of an exception that left a handler, called where it is caught: it is logged, the
// caller gets this error, and the server goes on.
absl::Status HandlerThrew(std::string_view service, std::string_view endpoint);

// Marks an error as one before which no handler can have seen the request (it never left this
// process, or reached what does not speak the wire), and asks for that mark.
absl::Status MarkUnsent(absl::Status status);
bool IsUnsent(const absl::Status& status);

}  // namespace micro
