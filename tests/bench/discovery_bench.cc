// How soon a new node is called, by a client that already follows the service, per registry, on real
// servers: the time from the start of a registration until the first call is routed to the node, and
// until that call, with the connection that it needs, is answered. For Consul beside a bare blocking
// query's wake-up by the same registration, and beside go-micro v5's own registry, cache and
// selector in the same run. Prints medians, and each number also as `figure NAME VALUE UNIT`.
//
//   bazel run -c opt //tests/bench:discovery_bench [-- --rounds=21 --go=PROGRAM]
//
// PROGRAM is the `discovery` command of tests/interop/gomicro, "" leaves go-micro out; under `bazel
// run` it is built where it is not named.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/async.h"
#include "core/log.h"
#include "core/plugin_table.h"
#include "micro/service.h"
#include "registry/consul/consul_record.h"
#include "tests/bench/child.h"
#include "tests/bench/figure.h"
#include "tests/interop/greeter.h"
#include "tests/services/probe.h"
#include "tests/services/service_process.h"

namespace bench {
namespace {

using micro::BlockOn;
using micro::Context;
using micro::registry::Registry;

double Millis(absl::Duration duration) { return absl::ToDoubleMilliseconds(duration); }

absl::Time Now() { return micro::Clock::Real().Now(); }

[[noreturn]] void Die(const std::string& what, const absl::Status& status) {
  std::fprintf(stderr, "discovery_bench: %s: %s\n", what.c_str(),
               std::string(status.message()).c_str());
  std::exit(1);
}

// A service that listens all the time; what is measured registers it under new names.
class Listening {
 public:
  Listening()
      : service_(micro::NewService({.name = "listening",
                                    .server = {.address = "127.0.0.1:0"},
                                    .registry = "memory",
                                    .handle_signals = false})) {
    helloworld::RegisterGreeterHandler(*service_->server(), std::make_shared<interop::Greeter>());
    const absl::Status started = BlockOn(service_->Start(Context()));
    if (!started.ok()) Die("the service does not start", started);
  }
  ~Listening() { (void)BlockOn(service_->Stop(Context())); }

  // Its record, under another name.
  micro::registry::Service As(const std::string& name) const {
    micro::registry::Service record = service_->server()->record();
    record.name = name;
    record.nodes[0].id = name + "-1";
    return record;
  }

 private:
  const std::unique_ptr<micro::Service> service_;
};

// From the start of a registration, in ms.
struct Discovery {
  double registered, routed, answered;
};

// One registration by `registrar`, followed by a client of its own registry object.
Discovery Discover(const Listening& listening, const std::string& registry,
                   const std::string& address, Registry& registrar, const std::string& name) {
  std::atomic<int64_t> routed = 0;  // when, in ns
  const micro::CallWrapper note_routed = [&](micro::CallFunc next) -> micro::CallFunc {
    return [&, next = std::move(next)](const Context& ctx, const micro::registry::Node& node,
                                       const micro::Request& request, micro::CallResponse response,
                                       const micro::CallOptions& options) {
      int64_t not_yet = 0;
      routed.compare_exchange_strong(not_yet, absl::ToUnixNanos(Now()));
      return next(ctx, node, request, response, options);
    };
  };
  auto caller =
      micro::NewService({.name = "caller", .registry = registry, .call_wrappers = {note_routed}});
  std::vector<std::string> flags;
  if (!address.empty()) flags.push_back("--registry_address=" + address);
  if (const absl::Status status = caller->Init(flags); !status.ok()) Die(registry, status);
  const helloworld::GreeterService greeter(name, caller->client());
  micro::CallOptions options;
  options.retries = 0;
  // Follows the name from here on. Then the watch has time to be under way.
  (void)BlockOn(greeter.Echo(Context(), {}, options));
  absl::Time answered;
  std::thread calls([&] {
    const absl::Time give_up = Now() + absl::Seconds(30);
    while (!BlockOn(greeter.Echo(Context(), {}, options)).ok()) {
      if (Now() > give_up)
        Die(registry, absl::DeadlineExceededError("the node was not found in 30 s"));
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
    answered = Now();
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const micro::registry::Service record = listening.As(name);
  const absl::Time start = Now();
  const absl::Status status =
      BlockOn(registrar.Register(Context(), record, {.ttl = absl::Seconds(30)}));
  const absl::Time registered = Now();
  if (!status.ok()) Die(registry, status);
  calls.join();
  (void)BlockOn(registrar.Deregister(Context(), record));
  return {Millis(registered - start), Millis(absl::FromUnixNanos(routed) - start),
          Millis(answered - start)};
}

// The same registration, as bare HTTP, and a blocking query that it wakes.
double BareConsul(int port, const micro::registry::Service& record) {
  const std::string& name = record.name;
  const std::string get = "GET /v1/health/service/" + name;
  const std::string end = " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  const std::string now = micro::services::Probe(port, get + end);
  const size_t header = now.find("X-Consul-Index: ");
  const std::string index = now.substr(header + 16, now.find('\r', header) - header - 16);
  absl::Time woken;
  std::thread query([&] {
    (void)micro::services::Probe(port, fmt::format("{}?index={}&wait=10s{}", get, index, end));
    woken = Now();
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const std::string body =
      micro::registry::consul::RegistrationJson(record, record.nodes[0], name, absl::Seconds(30))
          .value();
  const absl::Time start = Now();
  (void)micro::services::Probe(
      port, fmt::format("PUT /v1/agent/service/register HTTP/1.1\r\nHost: localhost\r\nConnection: "
                        "close\r\nContent-Length: {}\r\n\r\n{}",
                        body.size(), body));
  query.join();
  (void)micro::services::Probe(port, "PUT /v1/agent/service/deregister/" + name + "-1" + end);
  return Millis(woken - start);
}

struct Place {
  std::string registry;
  std::string address;
  std::unique_ptr<micro::services::ServiceProcess> server;
};

std::vector<Place> Places() {
  std::vector<Place> places;
  places.push_back({"mdns", "lo", nullptr});
  const auto add = [&](const std::string& name, auto started) {
    if (!started.ok()) Die(name, started.status());
    const std::string address = (*started)->address();
    places.push_back({name, address, *std::move(started)});
  };
  add("consul", micro::services::StartConsul());
  add("etcd", micro::services::StartEtcd());
  add("nats", micro::services::StartNats());
  return places;
}

int Main(int argc, char** argv) {
  (void)micro::log::Configure("error", "");
  int rounds = 21;
  std::optional<std::string> named_go;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (std::sscanf(argv[i], "--rounds=%d", &rounds) == 1) continue;
    if (argument.starts_with("--go=")) {
      named_go = argument.substr(5);
      continue;
    }
    std::fprintf(stderr, "discovery_bench: unknown argument %s; known: --rounds=N --go=PROGRAM\n",
                 argv[i]);
    return 1;
  }
  rounds = std::max(rounds, 1);
  const std::string go = named_go ? *named_go : GoProgram("gomicro", "v5/bin/discovery");
  const std::vector<Place> places = Places();
  const Listening listening;
  std::printf("%-8s %14s %14s %14s %14s %14s\n", "registry", "registered ms", "routed ms",
              "answered ms", "go-micro ms", "bare query ms");
  for (const Place& place : places) {
    auto registrar =
        micro::PluginTable<Registry>::Create(place.registry, {.addresses = {place.address}});
    if (!registrar.ok()) Die(place.registry, registrar.status());
    std::vector<double> registered, routed, answered, theirs, bare;
    for (int round = 0; round < rounds; ++round) {
      const std::string name = fmt::format("bench-{}-{}-{}", place.registry, getpid(), round);
      const Discovery ours = Discover(listening, place.registry, place.address, **registrar, name);
      registered.push_back(ours.registered);
      routed.push_back(ours.routed);
      answered.push_back(ours.answered);
      if (place.registry == "consul")
        bare.push_back(BareConsul(place.server->port(), listening.As(name + "-bare")));
      if (!go.empty()) {
        Child child(go, {"--registry=" + place.registry, "--registry_address=" + place.address,
                         "--rounds=1"});
        theirs.push_back(std::atof(child.LineAfter("took_ms").c_str()));
      }
    }
    const std::string name = "discovery." + place.registry;
    const auto cell = [](const std::vector<double>& values) {
      return values.empty() ? "-" : fmt::format("{:.2f}", Median(values));
    };
    std::printf("%-8s %14s %14s %14s %14s %14s\n", place.registry.c_str(), cell(registered).c_str(),
                cell(routed).c_str(), cell(answered).c_str(), cell(theirs).c_str(),
                cell(bare).c_str());
    PrintFigure(name + ".registered", Median(registered), "ms");
    PrintFigure(name + ".routed", Median(routed), "ms");
    PrintFigure(name + ".answered", Median(answered), "ms");
    if (!theirs.empty()) {
      PrintFigure(name + ".go", Median(theirs), "ms");
      PrintFigure(name + ".ratio.go", Median(answered) / Median(theirs), "ours/go");
    }
    if (!bare.empty()) {
      PrintFigure(name + ".bare", Median(bare), "ms");
      PrintFigure(name + ".ratio.bare", Median(routed) / Median(bare), "ours/bare");
    }
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::Main(argc, argv); }
