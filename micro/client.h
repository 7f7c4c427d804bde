// A Client calls services by name: it finds their nodes, chooses one, sends the call and tries
// again where that is safe.
//
//   helloworld::GreeterService greeter("helloworld", service->client());
//   absl::StatusOr<HelloResponse> reply = co_await greeter.Hello(ctx, request, {.retries = 2});
//
// A client is shared by all calls of a process: every method may be called from any thread.
// Failures are absl::Status with go-micro's error object inside (core/errors.h). Mirrors go-micro's
// client.Client.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "broker/broker.h"
#include "codec/codec.h"
#include "core/context.h"
#include "core/task.h"
#include "micro/client_policy.h"
#include "micro/request.h"
#include "micro/stream.h"
#include "registry/cache.h"
#include "registry/registry.h"
#include "selector/selector.h"

namespace micro {

struct CallOptions;

// Where an attempt puts its answer: the response of a unary call, or the stream that it has opened.
// Lent for the attempt.
struct CallResponse {
  std::optional<codec::Body> body = {};
  std::unique_ptr<RawStream>* stream = nullptr;
};

// One attempt on a chosen node, to call it or to open a stream to it. All parameters outlive the
// task. Mirrors go-micro's client.CallFunc.
using CallFunc = std::function<Task<absl::Status>(
    const Context&, const registry::Node&, const Request&, CallResponse, const CallOptions&)>;

// Middleware around each attempt: takes the next function and returns one. Mirrors go-micro's
// client.CallWrapper.
using CallWrapper = std::function<CallFunc(CallFunc next)>;

// go-micro's table (0, 0.1 s, 0.6 s, 1.9 s, 4.3 s …, at most 2 min), each value drawn from its
// upper half so that callers who failed together do not return together.
absl::Duration ExponentialBackoff(const Request& request, int attempt);

// go-micro's default: only error code 408 is retried.
bool RetryOnError(const Request& request, int attempt, const absl::Status& error);

// Our default: also what certainly never reached a handler, as with a node that cannot be connected
// to.
bool RetryOnErrorOrUnsent(const Request& request, int attempt, const absl::Status& error);

// Everything: for calls that may run twice.
bool RetryAlways(const Request& request, int attempt, const absl::Status& error);

// What one call does in another way than its client. Unset: as the policy of its endpoint or
// service (micro/client_policy.h) or else the client's options say.
struct CallOptions {
  std::vector<std::string> addresses = {};    // call these, in turn, instead of asking discovery
  std::string content_type = {};              // "application/json" …
  std::optional<int> retries = std::nullopt;  // attempts after the first
  std::optional<absl::Duration> request_timeout =
      std::nullopt;  // the whole call; a context's deadline counts instead
  std::optional<absl::Duration> connection_timeout = std::nullopt;  // one attempt
  std::optional<absl::Duration> stream_timeout = std::nullopt;      // a stream's whole life
  std::optional<absl::Duration> hedge_after = std::nullopt;
  std::optional<int> max_hedges = std::nullopt;
  BackoffFunc backoff = nullptr;
  RetryFunc retry = nullptr;
  std::vector<CallWrapper> wrappers = {};  // inside the client's
  selector::SelectOptions select = {};     // filters
  // Unary calls: where the handler's header and trailer go (core/response_metadata.h); they outlive
  // the call. Those of the last attempt, empty where it brought none. A stream tells them itself.
  Metadata* header = nullptr;
  Metadata* trailer = nullptr;
};

struct PublishOptions {
  std::string content_type = {};  // empty: the client's
  std::string exchange = {};      // the broker's topic, where it is not the message's
};

// A client's options, with go-micro's defaults.
struct ClientOptions {
  // Behaviour
  std::string wire =
      {};  // plugin that nodes without a `protocol` are called with; empty: the default
  std::string content_type = {};  // empty: the wire's own (gRPC: application/grpc+proto)
  int retries = 5;
  absl::Duration request_timeout = absl::Seconds(30);
  // Of one attempt of a unary call, go-micro's name for it: an attempt that takes longer fails with
  // 408 and is tried again on another node. Unset: as each wire has it (rpc: 5 s, as go-micro's;
  // grpc: none, so that a slow handler is not run twice).
  std::optional<absl::Duration> connection_timeout = std::nullopt;
  absl::Duration stream_timeout = absl::InfiniteDuration();
  absl::Duration dial_timeout = absl::Seconds(5);
  BackoffFunc backoff = ExponentialBackoff;
  RetryFunc retry = RetryOnErrorOrUnsent;
  // The share of a service's calls that may be made a second time, by retries and hedges together:
  // 0 (none) to 1 (no bound). Ten at once and a few a second are granted to who calls rarely, and to
  // all a few that come together, as when a node dies (micro/retry_budget.h). What never left this process does not count: it is no load to anybody,
  // and a node that has died must not use up what others need. A call that would be tried again
  // beyond it ends with its last error, whose detail says so.
  double retry_budget = 0.2;
  // Unary calls: an attempt that has no answer after this gets company on another node, and the
  // first good answer counts; the others are cancelled. Handlers may so run twice. Unset or
  // infinite: never.
  std::optional<absl::Duration> hedge_after = std::nullopt;
  int max_hedges = 1;  // attempts beside the first, `hedge_after` apart
  // What is said of single services and endpoints; may be replaced while the client runs.
  std::shared_ptr<ClientPolicies> policies = nullptr;
  std::vector<CallWrapper> call_wrappers = {};  // the first is outermost
  // TLS: on with `tls` or any of the files
  bool tls = false;
  std::string tls_ca = {};    // PEM file; empty: the system's roots
  std::string tls_cert = {};  // PEM files of the client's own certificate, for mutual TLS
  std::string tls_key = {};
  std::string tls_server_name =
      {};  // the name the server's certificate must bear; empty: the host called
  // Performance and limits
  // grpc: connections per node, 0: 1. rpc: idle connections that each event loop keeps per node, 0:
  // go-micro's 100.
  int pool_size = 0;
  // grpc: an unused connection is closed after this. rpc: any, counted from when it was made.
  absl::Duration pool_ttl = absl::Minutes(1);
  // Nodes that discovery brings of services that were called are connected to before the first call
  // needs it, 16 at a time.
  bool warm_up = true;
  int max_recv_message_size = 4 << 20;  // bytes
  int max_send_message_size = 4 << 20;
};

class Client {
 public:
  virtual ~Client() = default;

  // Makes one unary call and fills `response`. Everything lent through `request` and `response`
  // outlives the task. Errors, by absl code (go-micro's code): INVALID_ARGUMENT (500) content type
  // or metadata that cannot be sent; NOT_FOUND (500) no such service; UNAVAILABLE (500) no node
  // left, registry down or not connected; DEADLINE_EXCEEDED, CANCELLED (408); and what the handler
  // answered. What the client makes itself says, with numbers, that all nodes are ejected, that the
  // registry is down, or how old the nodes are.
  virtual Task<absl::Status> Call(Context ctx, Request request, codec::Body response,
                                  CallOptions options) = 0;

  // Opens a stream to one node. It has no timeout but the context's and `stream_timeout`. What
  // `request` lends is used until this task ends, not by the stream.
  virtual Task<absl::StatusOr<std::unique_ptr<RawStream>>> Stream(Context ctx, Request request,
                                                                  CallOptions options) = 0;

  // Publishes one message with the context's metadata. FAILED_PRECONDITION: there is no broker;
  // else the broker's errors.
  virtual Task<absl::Status> Publish(Context ctx, std::string topic, codec::ConstBody payload,
                                     PublishOptions options) = 0;
};

// A client that does what another does: the base of a client wrapper, which overrides what it
// changes.
class ForwardingClient : public Client {
 public:
  explicit ForwardingClient(std::shared_ptr<Client> next) : next_(std::move(next)) {}

  Task<absl::Status> Call(Context ctx, Request request, codec::Body response,
                          CallOptions options) override {
    return next_->Call(std::move(ctx), std::move(request), response, std::move(options));
  }
  Task<absl::StatusOr<std::unique_ptr<RawStream>>> Stream(Context ctx, Request request,
                                                          CallOptions options) override {
    return next_->Stream(std::move(ctx), std::move(request), std::move(options));
  }
  Task<absl::Status> Publish(Context ctx, std::string topic, codec::ConstBody payload,
                             PublishOptions options) override {
    return next_->Publish(std::move(ctx), std::move(topic), payload, std::move(options));
  }

 protected:
  Client& next() { return *next_; }

 private:
  const std::shared_ptr<Client> next_;
};

// Middleware around a whole client: takes the next client and returns one that holds it. Mirrors
// go-micro's client.Wrapper.
using ClientWrapper = std::function<std::shared_ptr<Client>(std::shared_ptr<Client> next)>;

// The client that calls through `selector` and publishes on `broker` (none: it cannot). It learns
// from `cache`, the selector's, which nodes to connect to before calls need them (none: it does not).
// INVALID_ARGUMENT names the option that is wrong.
absl::StatusOr<std::shared_ptr<Client>> NewClient(ClientOptions options,
                                                  std::shared_ptr<selector::Selector> selector,
                                                  std::shared_ptr<broker::Broker> broker = nullptr,
                                                  registry::Cache* cache = nullptr);

}  // namespace micro
