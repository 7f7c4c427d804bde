// A Registry is where services say that they exist, and where clients find them.
//
//   registry::Service record{.name = "greeter", .version = "1.0.0", .nodes = {{.id = "greeter-1", .address = "10.0.0.7:8080"}}};
//   CO_RETURN_IF_ERROR(co_await registry->Register(ctx, record, {.ttl = absl::Seconds(60)}));
//   CO_ASSIGN_OR_RETURN(std::vector<registry::Service> found, co_await registry->GetService(ctx, "greeter"));
//
// Every method may be called from any thread. Those that wait honour the context. Mirrors
// go-micro's registry.Registry; the conformance suite (conformance.h) is the contract as code.
#pragma once

#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/context.h"
#include "core/task.h"

namespace micro::registry {

using Labels = std::map<std::string, std::string>;

// One type in the tree that describes a request or response.
struct Value {
  std::string name = {};
  std::string type = {};
  std::vector<Value> values = {};
  friend bool operator==(const Value&, const Value&) = default;
};

// One method of a service ("Greeter.Hello"), or one of its subscribers.
struct Endpoint {
  std::string name = {};
  Value request = {};
  Value response = {};
  Labels metadata = {};
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

// One running instance: its id is unique among all nodes, its address is host:port.
struct Node {
  std::string id = {};
  std::string address = {};
  Labels metadata = {};
  friend bool operator==(const Node&, const Node&) = default;
};

// One version of a service, and its nodes.
struct Service {
  std::string name = {};
  std::string version = {};
  Labels metadata = {};
  std::vector<Endpoint> endpoints = {};
  std::vector<Node> nodes = {};
  friend bool operator==(const Service&, const Service&) = default;
};

enum class Action { kCreate, kUpdate, kDelete };
std::string_view ToString(Action action);

// What a watcher saw: the nodes of `service` appeared, changed or went. A kDelete without nodes
// means the whole version.
struct Event {
  Action action = Action::kCreate;
  Service service = {};
};

// A subscription to changes. Closed by its destructor.
class Watcher {
 public:
  virtual ~Watcher() = default;

  // The next change. CANCELLED "watcher stopped" after Stop; UNAVAILABLE when the registry was lost
  // or the watcher fell too far behind: watch again and look everything up. One coroutine at a
  // time.
  virtual Task<absl::StatusOr<Event>> Next(Context ctx) = 0;

  // Ends a Next that waits, and all later ones. From any thread.
  virtual void Stop() = 0;
};

struct RegisterOptions {
  // How long the record outlives its last refresh; zero: until it is deregistered. etcd refreshes
  // by itself as long as the registry lives.
  absl::Duration ttl = absl::ZeroDuration();
};

struct WatchOptions {
  std::string service = {};  // only this service; empty: all
};

// What every implementation is made with. One that is given what it has no use for refuses to be
// made (RefuseUnused).
struct Options {
  std::vector<std::string> addresses =
      {};  // of the registry itself; empty: the implementation's default
  absl::Duration timeout =
      absl::ZeroDuration();  // of one request; zero: the implementation's default
  // Who asks
  std::string username = {};  // etcd, nats
  std::string password = {};
  std::string token = {};  // consul: of its ACL; nats
  // TLS: on with `tls` or any of the files
  bool tls = false;
  std::string tls_ca = {};    // PEM file; empty: the system's roots
  std::string tls_cert = {};  // PEM files of our own certificate, for mutual TLS
  std::string tls_key = {};
  std::string tls_server_name = {};  // that the registry's certificate must bear; empty: its host
  // Where in the registry
  std::string datacenter = {};  // consul; empty: the agent's own
  // Keeps the services of one system apart from others' in the same registry. consul: stands before
  // each service's name; etcd: in place of /micro/registry/; nats: in place of micro.nats.
  std::string prefix = {};

  bool UsesTls() const { return tls || !tls_ca.empty() || !tls_cert.empty() || !tls_key.empty(); }
};

class Registry {
 public:
  static constexpr std::string_view kPluginKind = "registry";
  using PluginOptions = Options;

  virtual ~Registry() = default;

  // The name of its plugin: "mdns", "memory", "consul" …
  virtual std::string_view name() const = 0;

  // How long its news may take, with room to spare, to reach those who follow it: for so long a
  // server that has deregistered serves on.
  virtual absl::Duration spread_time() const { return absl::Milliseconds(500); }

  // Adds the nodes of `service` to its version's record, or refreshes them: a node that is there is
  // replaced and its TTL starts anew. INVALID_ARGUMENT: no name, no node, or a limit of this
  // registry is passed (the message names it).
  virtual Task<absl::Status> Register(Context ctx, Service service, RegisterOptions options) = 0;

  // Takes the nodes of `service` out; OK when they are not there.
  virtual Task<absl::Status> Deregister(Context ctx, Service service) = 0;

  // The live record of each version of a service, sorted by version. NOT_FOUND: there is none.
  // UNAVAILABLE: the registry cannot be asked.
  virtual Task<absl::StatusOr<std::vector<Service>>> GetService(Context ctx, std::string name) = 0;

  // All services that have a live node: names at least; endpoints and nodes as far as the registry
  // keeps them at hand.
  virtual Task<absl::StatusOr<std::vector<Service>>> ListServices(Context ctx) = 0;

  // Changes from now on. Every registry reports a new node as kCreate or kUpdate and a lost one as
  // kDelete, possibly more than once.
  virtual Task<absl::StatusOr<std::unique_ptr<Watcher>>> Watch(Context ctx,
                                                               WatchOptions options) = 0;
};

// INVALID_ARGUMENT when `options` sets what the registry of this name has no use for, by its flag.
// `used` has the flags that it knows beyond address and timeout, without --registry_ ("tls" stands
// for all of TLS).
absl::Status RefuseUnused(std::string_view registry, const Options& options,
                          std::initializer_list<std::string_view> used);

// INVALID_ARGUMENT when a record lacks what every registry needs: a name, and nodes that each have
// an id and host:port address.
absl::Status Validate(const Service& service);

// Adds the nodes of `from` to `into`, in place of those with the same ids; other fields become
// `from`'s.
void MergeNodes(Service& into, const Service& from);

// Removes from `service` the nodes that `gone` lists; true when none is left.
bool RemoveNodes(Service& service, const Service& gone);

}  // namespace micro::registry
