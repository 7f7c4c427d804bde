// A Server runs handlers on a wire and keeps itself registered while it does.
//
//   helloworld::RegisterGreeterHandler(server, std::make_shared<Greeter>());
//   CO_RETURN_IF_ERROR(co_await server.Start(ctx));       // listens, then registers
//   ...
//   CO_RETURN_IF_ERROR(co_await server.Stop(ctx));        // deregisters, drains, closes
//
// Handle and Subscribe are called before Start, from one thread; the rest from any. Mirrors
// go-micro's server.Server.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "broker/broker.h"
#include "core/context.h"
#include "core/task.h"
#include "micro/handler.h"
#include "micro/subscriber.h"
#include "registry/registry.h"

namespace micro {

// A server's options, with go-micro's defaults.
struct ServerOptions {
  // Behaviour
  std::string name = "go.micro.server";
  std::string version = "latest";
  std::string id = {};  // unique per process; empty: a random UUID. The node's id is <name>-<id>
  std::string address = ":0";      // host:port, :port or host:min-max (the first free port)
  std::string advertise = {};      // what is registered instead of the address
  std::string wire = {};           // plugin; empty: grpc
  registry::Labels metadata = {};  // of the node
  absl::Duration register_ttl = absl::Seconds(60);
  absl::Duration register_interval = absl::Seconds(30);
  // Asked before each registration; while it fails the node stays out of the registry and serves
  // on.
  std::function<Task<absl::Status>(Context)> register_check = nullptr;
  std::vector<HandlerWrapper> wrappers = {};  // the first is outermost
  std::vector<SubscriberWrapper> subscriber_wrappers = {};
  // The way down, in order: how long each part of Stop may take.
  // Until the registry has forgotten the node.
  absl::Duration deregister_timeout = absl::Seconds(5);
  // Serving on while callers hear of that. Unset: as long as the registry's news take
  // (Registry::spread_time, 0.5 s; memory: none), and none where the node was not registered.
  std::optional<absl::Duration> stop_delay = std::nullopt;
  // Waiting for running calls and subscribers, before calls are cancelled.
  absl::Duration grace = absl::Seconds(10);
  // Waiting for cancelled calls, before they are left behind, and for the broker's farewell.
  absl::Duration cancel_timeout = absl::Seconds(5);
  // TLS: on with both files
  std::string tls_cert = {};  // PEM: the server's certificate chain
  std::string tls_key = {};   // PEM
  std::string tls_ca = {};    // PEM: callers must bear a certificate of this authority (mutual TLS)
  // Limits
  int max_recv_message_size = 4 << 20;  // bytes
  int max_send_message_size = 4 << 20;
};

// What a server is about.
struct Activity {
  std::string_view phase = {};  // "running", "deregistering" …, for people
  // Calls whose handlers run, by endpoint; without those of the SDK's own (health, reflection).
  std::map<std::string, int> calls = {};
};

// "Greeter.Hello: 2, Greeter.Sum: 1", or "none".
std::string ToText(const std::map<std::string, int>& calls);

class Server {
 public:
  virtual ~Server() = default;

  // Adds a handler. What is wrong with it (a name taken, no endpoints) is answered by Start.
  virtual void Handle(Handler handler) = 0;

  // Adds a subscriber; its messages come once the server has started. What is wrong with it is
  // answered by Start.
  virtual void Subscribe(Subscriber subscriber) = 0;

  // Listens, registers and keeps registering every interval, and subscribes. While the registry
  // cannot be reached the server serves on, and tries again: three times at first, then 1 s, 2 s …
  // later, at most an interval. Does not wait for readiness(). INVALID_ARGUMENT, UNAVAILABLE: an option or address that does not
  // work; the message names its flag.
  virtual Task<absl::Status> Start(Context ctx) = 0;

  // In order, each with its time (ServerOptions): tells peers to go elsewhere (health says
  // NOT_SERVING); deregisters; serves on while the news spread; takes no more calls and messages;
  // waits for running ones; cancels the rest; gives unacknowledged messages back. The log says how
  // long it took, and which calls were cut. An error: the node may still be registered.
  virtual Task<absl::Status> Stop(Context ctx) = 0;

  // What it is about now. From the end of Start on, also during Stop, from any thread.
  virtual Activity activity() const { return {}; }

  // Whether callers find it: OK from when the registry lists its node on. UNAVAILABLE: it does not,
  // and why; calls that come are served all the same. A registry that does not answer makes nothing
  // unready that was ready. This is what gRPC's health and Debug.Health say. From any thread.
  virtual absl::Status readiness() const { return absl::OkStatus(); }

  virtual const ServerOptions& options() const = 0;

  // The service as it is registered, with its node; complete after Start.
  virtual registry::Service record() const = 0;
};

// A server that registers with `registry` and subscribes on `broker` (none: it cannot subscribe).
std::unique_ptr<Server> NewServer(ServerOptions options,
                                  std::shared_ptr<registry::Registry> registry,
                                  std::shared_ptr<broker::Broker> broker = nullptr);

}  // namespace micro
