#include <cstdlib>

#include "core/log.h"
#include "core/task_scope.h"
#include "micro/address.h"
#include "micro/service.h"
#include "tests/bench/echo.micro.h"
#include "tests/bench/echo_peer.h"

namespace bench {
namespace {

using micro::Context;
using micro::Task;

class Echoer final : public EchoHandler {
  Task<absl::Status> Echo(const Context&, const EchoMessage& request,
                          EchoMessage& response) override {
    response.set_payload(request.payload());
    co_return absl::OkStatus();
  }
};

std::unique_ptr<micro::Service> NewService(std::string name) {
  return micro::NewService({.name = std::move(name),
                            .server = {.address = "127.0.0.1:0"},
                            .registry = "memory",
                            .selector = "random",
                            .handle_signals = false});
}

class SdkServer final : public EchoServer {
 public:
  SdkServer() : service_(NewService("echo")) {
    RegisterEchoHandler(*service_->server(), std::make_shared<Echoer>());
    const absl::Status started = micro::BlockOn(service_->Start(Context()));
    if (!started.ok()) std::abort();
  }
  ~SdkServer() override { (void)micro::BlockOn(service_->Stop(Context())); }
  int port() const override {
    return micro::ParseListenAddress(service_->server()->record().nodes[0].address)->first_port;
  }

 private:
  std::unique_ptr<micro::Service> service_;
};

Task<void> CallInALoop(EchoService& echo, int slot, int payload, Meter& meter) {
  EchoMessage request;
  request.set_payload(std::string(static_cast<size_t>(payload), 'x'));
  while (!meter.over()) {
    const int64_t start = Meter::Now();
    const absl::StatusOr<EchoMessage> response = co_await echo.Echo(Context(), request);
    if (!response.ok() || response->payload().size() != request.payload().size()) std::abort();
    meter.Add(slot, start, Meter::Now());
  }
}

}  // namespace

std::unique_ptr<EchoServer> StartSdkServer() { return std::make_unique<SdkServer>(); }

void RunSdkClient(const Load& load, Meter& meter) {
  auto service = NewService("caller");
  const micro::registry::Service record{
      .name = "echo",
      .version = "latest",
      .metadata = {},
      .endpoints = {},
      .nodes = {{.id = "echo-1", .address = load.address, .metadata = {{"protocol", "grpc"}}}}};
  if (!micro::BlockOn(service->registry()->Register(Context(), record, {})).ok()) std::abort();
  EchoService echo("echo", service->client());
  if (!micro::BlockOn(echo.Echo(Context(), {})).ok()) std::abort();  // connects
  meter.Begin();
  micro::TaskScope scope;
  for (int i = 0; i < load.concurrency; ++i)
    micro::Spawn(scope, CallInALoop(echo, i, load.payload, meter));
  scope.Join();
}

}  // namespace bench
