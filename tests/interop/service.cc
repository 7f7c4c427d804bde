// The Greeter of the interop contract, on the SDK as any user writes it. README.md tells what each method does.
#include <unistd.h>

#include <cstdio>

#include "core/async.h"
#include "core/errors.h"
#include "core/status_macros.h"
#include "micro/service.h"
#include "tests/interop/greeter.micro.h"

namespace {

using micro::Context;
using micro::Task;

class Greeter final : public helloworld::GreeterHandler {
  Task<absl::Status> Hello(const Context&, const helloworld::HelloRequest& request,
                           helloworld::HelloResponse& response) override {
    response.set_greeting("Hello " + request.name());
    co_return absl::OkStatus();
  }

  Task<absl::Status> Fail(const Context&, const helloworld::FailRequest&, helloworld::FailResponse&) override {
    co_return micro::errors::NotFound("helloworld", "no such user");
  }

  Task<absl::Status> Sleep(const Context& ctx, const helloworld::SleepRequest& request,
                           helloworld::SleepResponse& response) override {
    const absl::Time start = micro::Clock::Real().Now();
    CO_RETURN_IF_ERROR(co_await micro::Sleep(ctx, absl::Milliseconds(request.ms())));
    response.set_slept_ms(absl::ToInt64Milliseconds(micro::Clock::Real().Now() - start));
    co_return absl::OkStatus();
  }

  Task<absl::Status> Echo(const Context&, const helloworld::EchoMessage& request,
                          helloworld::EchoMessage& response) override {
    response.set_payload(request.payload());
    co_return absl::OkStatus();
  }

  Task<absl::Status> Meta(const Context& ctx, const helloworld::MetaRequest&,
                          helloworld::MetaResponse& response) override {
    for (const auto& [key, value] : ctx.metadata()) (*response.mutable_metadata())[key] = value;
    co_return absl::OkStatus();
  }

  Task<absl::Status> Count(const Context& ctx, const helloworld::CountRequest& request,
                           micro::SendStream<helloworld::CountResponse>& stream) override {
    for (int64_t i = 1; i <= request.n(); ++i) {
      if (i > 1 && request.gap_ms() > 0) {
        CO_RETURN_IF_ERROR(co_await micro::Sleep(ctx, absl::Milliseconds(request.gap_ms())));
      }
      helloworld::CountResponse response;
      response.set_i(i);
      CO_RETURN_IF_ERROR(co_await stream.Send(response));
    }
    co_return absl::OkStatus();
  }

  Task<absl::Status> Sum(const Context&, micro::RecvStream<helloworld::SumRequest>& stream,
                         helloworld::SumResponse& response) override {
    int64_t total = 0;
    while (true) {
      CO_ASSIGN_OR_RETURN(const std::optional<helloworld::SumRequest> request, co_await stream.Recv());
      if (!request.has_value()) break;
      total += request->n();
      if (request->last()) break;
    }
    response.set_total(total);
    co_return absl::OkStatus();
  }

  Task<absl::Status> Chat(const Context&,
                          micro::Stream<helloworld::ChatMessage, helloworld::ChatMessage>& stream) override {
    while (true) {
      CO_ASSIGN_OR_RETURN(const std::optional<helloworld::ChatMessage> said, co_await stream.Recv());
      if (!said.has_value()) co_return absl::OkStatus();
      CO_RETURN_IF_ERROR(co_await stream.Send(*said));
    }
  }
};

void PrintReady(const micro::Service& service, const micro::registry::Service& record) {
  const micro::registry::Node& node = record.nodes[0];
  std::printf("ready name=%s node=%s addr=%s wire=%s registry=%s pid=%d\n", record.name.c_str(), node.id.c_str(),
              node.address.c_str(), node.metadata.at("server").c_str(), service.options().registry.c_str(), getpid());
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  std::unique_ptr<micro::Service> service;
  service = micro::NewService({.name = "helloworld",
                               .version = "1.0.0",
                               .description = "The service of the interop contract.",
                               .after_start = {[&](Context) -> Task<absl::Status> {
                                 PrintReady(*service, service->server()->record());
                                 co_return absl::OkStatus();
                               }}});
  service->Init(&argc, argv);
  helloworld::RegisterGreeterHandler(*service->server(), std::make_shared<Greeter>());
  return service->Run();
}
