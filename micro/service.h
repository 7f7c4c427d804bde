// A Service is a server and a client that find and are found: the thing a program makes one of.
//
//   int main(int argc, char** argv) {
//     auto service = micro::NewService({.name = "helloworld"});
//     service->Init(&argc, argv);                              // flags and MICRO_* environment
//     helloworld::RegisterGreeterHandler(*service->server(), std::make_shared<Greeter>());
//     return service->Run();                                   // start, register, wait for SIGTERM or SIGINT, deregister, drain
//   }
//
// Mirrors go-micro's micro.Service. Init and Run are for `main`; the rest may be called from any
// thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "broker/broker.h"
#include "core/context.h"
#include "core/task.h"
#include "micro/client.h"
#include "micro/flags.h"
#include "micro/server.h"
#include "registry/registry.h"
#include "selector/options.h"
#include "selector/selector.h"

namespace micro {

class Service;

// Something to do at a point of the service's life: `service` outlives the task.
using Hook = std::function<Task<absl::Status>(Context, Service& service)>;

struct ServiceOptions {
  std::string name = {};  // required; flag --server_name
  std::string version = "latest";
  std::string description = {};  // for --help

  ServerOptions server = {};  // its name and version are the service's
  ClientOptions client = {};
  std::string registry = "mdns";  // plugins, by name
  registry::Options registry_options = {};
  std::string selector = "random";
  std::string selector_hash_key = {};  // strategy "hash": the metadata that decides
  selector::Options selector_options = {};
  std::string traffic_rules = {};  // file of rules, selector/traffic.h; empty: none
  std::string broker = {};         // empty: memory where it is linked, else none
  broker::Options broker_options = {};
  // Serve Debug.Health, Debug.Stats, Debug.Log and Debug.Nodes (micro/debug/debug.proto) to whoever
  // may call, and keep the last of the log for them.
  bool debug = false;

  // Middleware; the first of each list is outermost. Handler and call wrappers may stand here or in
  // `server` and `client`.
  std::vector<HandlerWrapper> handler_wrappers = {};
  std::vector<CallWrapper> call_wrappers = {};
  std::vector<ClientWrapper> client_wrappers = {};
  std::vector<SubscriberWrapper> subscriber_wrappers = {};

  // In order; the first error of the start ones ends the start. All stop ones run.
  std::vector<Hook> before_start = {}, after_start = {}, before_stop = {}, after_stop = {};

  std::vector<Flag> flags = {};  // the program's own, parsed by Init
  Context context = {};          // its end ends Run
  // Of the contexts of before_stop, and of after_stop.
  absl::Duration stop_hooks_timeout = absl::Seconds(10);
  // SIGTERM, SIGINT and SIGQUIT end Run; a second one ends the process at once, with exit code 128 +
  // its number, and the log says what was cut.
  bool handle_signals = true;
};

class Service {
 public:
  virtual ~Service() = default;

  // Reads flags and MICRO_* environment variables over the options (flag > environment > code) and
  // takes the flags out of argv. --help prints what there is, with the names of the linked plugins,
  // and exits 0; a setting that does not work prints one line that names it and exits 1.
  virtual void Init(int* argc, char** argv) = 0;

  // The same for tests and programs that exit in their own way: `arguments` without the program's
  // name.
  virtual absl::Status Init(std::vector<std::string> arguments) = 0;

  virtual const ServiceOptions& options() const = 0;

  // The components, made at the first use of any, after which no option changes. They live as long
  // as the service. A setting that does not work ends the process as in Init.
  virtual Server* server() = 0;
  virtual std::shared_ptr<Client> client() = 0;
  virtual std::shared_ptr<registry::Registry> registry() = 0;
  virtual std::shared_ptr<broker::Broker> broker() = 0;

  // What the client chooses nodes with, whatever wraps the client: `Describe` tells what is known
  // of a service's nodes, and why they are left out.
  virtual std::shared_ptr<selector::Selector> selector() = 0;

  // before_start, server start and registration, after_start. On an error what was started is
  // stopped again.
  virtual Task<absl::Status> Start(Context ctx) = 0;

  // before_stop, Server::Stop, after_stop. Runs to the end whatever fails; the last error is the
  // answer. Each part has its own time (ServerOptions, stop_hooks_timeout); `ctx` can shorten the
  // hooks and the deregistration.
  virtual Task<absl::Status> Stop(Context ctx) = 0;

  // Start, wait for a signal, Shutdown or the end of the context, Stop. The exit code for `main`:
  // 0, or 1 after an error, which is printed.
  virtual int Run() = 0;

  // Ends Run. From any thread, also from a hook or handler.
  virtual void Shutdown() = 0;
};

std::unique_ptr<Service> NewService(ServiceOptions options);

}  // namespace micro
