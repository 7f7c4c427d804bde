// Services of the interop Greeter inside a test's process, and callers of them, on a registry of
// the test's own.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "codec/codec.h"
#include "core/async.h"
#include "core/errors.h"
#include "core/testing/status_matchers.h"
#include "micro/service.h"
#include "tests/interop/greeter.h"

namespace micro {

// A memory registry that no other test shares.
inline registry::Options OwnRegistry() {
  static std::atomic<int> last = 0;
  return {.addresses = {"test-" + std::to_string(++last)}, .timeout = {}};
}

// Options of a Greeter on a free port of loopback.
inline ServiceOptions GreeterOptions(const registry::Options& registry) {
  return {.name = "helloworld",
          .version = "1.0.0",
          .server = {.address = "127.0.0.1:0", .grace = absl::Seconds(5)},
          .registry = "memory",
          .registry_options = registry,
          .handle_signals = false};
}

// A running Greeter; stopped at the end of the scope.
class RunningGreeter {
 public:
  explicit RunningGreeter(
      ServiceOptions options,
      std::shared_ptr<helloworld::GreeterHandler> handler = std::make_shared<interop::Greeter>())
      : service_(NewService(std::move(options))) {
    helloworld::RegisterGreeterHandler(*service_->server(), std::move(handler));
    started_ = BlockOn(service_->Start(Context()));
    EXPECT_THAT(started_, IsOk());
  }
  ~RunningGreeter() { Stop(); }

  void Stop() {
    if (std::exchange(running_, false)) (void)BlockOn(service_->Stop(Context()));
  }

  Service& operator*() { return *service_; }
  Service* operator->() { return service_.get(); }
  std::string address() const { return service_->server()->record().nodes[0].address; }
  std::string node_id() const { return service_->server()->record().nodes[0].id; }

 private:
  std::unique_ptr<Service> service_;
  absl::Status started_;
  bool running_ = true;
};

// A service that only calls.
inline std::unique_ptr<Service> NewCaller(const registry::Options& registry,
                                          ClientOptions client = {}) {
  return NewService({.name = "caller",
                     .client = std::move(client),
                     .registry = "memory",
                     .registry_options = registry,
                     .handle_signals = false});
}

// What gRPC's health says of all services at an address: the message's bytes.
inline std::string HealthAt(const std::string& address, Service& caller) {
  codec::Frame response;
  EXPECT_THAT(
      BlockOn(caller.client()->Call(
          Context(),
          {.service = "",
           .method = {.endpoint = "Health.Check", .grpc_path = "/grpc.health.v1.Health/Check"},
           .body = codec::Frame{}},
          response, {.addresses = {address}})),
      IsOk());
  return response.data;
}

inline helloworld::HelloRequest Named(const std::string& name) {
  helloworld::HelloRequest request;
  request.set_name(name);
  return request;
}

}  // namespace micro
