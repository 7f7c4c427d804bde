// The code of getting-started.md, as tests: a service and its caller in one process, on the memory
// registry.
#include <gmock/gmock.h>

#include <iostream>

#include "core/async.h"
#include "core/errors.h"
#include "core/status_macros.h"
#include "core/testing/status_matchers.h"
#include "examples/helloworld/helloworld.micro.h"
#include "micro/service.h"
#include "selector/report_text.h"
#include "selector/selector.h"

namespace {

using micro::BlockOn;
using micro::Context;
using micro::IsOk;
using micro::IsOkAndHolds;
using micro::Task;

// ---- A handler ----

class Greeter final : public helloworld::GreeterHandler {
 public:
  Task<absl::Status> Hello(const Context& ctx, const helloworld::HelloRequest& request,
                           helloworld::HelloResponse& response) override {
    if (request.name().empty()) {
      co_return micro::errors::BadRequest("helloworld", "a name is needed");
    }
    if (request.name() == "Morpheus") {
      CO_RETURN_IF_ERROR(co_await micro::Sleep(ctx, absl::Hours(8)));
    }
    const bool dutch = ctx.metadata().Get("x-language") == "nl";
    CO_RETURN_IF_ERROR(micro::SetHeader(ctx, "x-language", dutch ? "nl" : "en"));
    CO_RETURN_IF_ERROR(micro::SetTrailer(ctx, "x-receipt-bin", Receipt(request)));
    response.set_greeting((dutch ? "Hallo " : "Hello ") + request.name());
    co_return absl::OkStatus();
  }

 private:
  static std::string Receipt(const helloworld::HelloRequest& request) {
    return request.SerializeAsString();
  }
};

helloworld::HelloRequest Named(const std::string& name) {
  helloworld::HelloRequest request;
  request.set_name(name);
  return request;
}

TEST(Handler, IsAClassThatATestCalls) {
  Greeter greeter;
  helloworld::HelloResponse response;
  EXPECT_THAT(BlockOn(greeter.Hello(Context(), Named("Ada"), response)), IsOk());
  EXPECT_EQ(response.greeting(), "Hello Ada");
}

// ---- A service in the test's process ----

class Guide : public ::testing::Test {
 protected:
  Guide() {
    helloworld::RegisterGreeterHandler(*service_->server(), std::make_shared<Greeter>());
    EXPECT_THAT(BlockOn(service_->Start(Context())), IsOk());
  }
  ~Guide() override { EXPECT_THAT(BlockOn(service_->Stop(Context())), IsOk()); }

  const std::unique_ptr<micro::Service> service_ = micro::NewService({
      .name = "helloworld",
      .server = {.address = "127.0.0.1:0"},
      .registry = "memory",
  });
  helloworld::GreeterService greeter_{"helloworld", service_->client()};
};

TEST_F(Guide, CallsOverTheWire) {
  const auto response = BlockOn(greeter_.Hello(Context(), Named("Ada")));
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->greeting(), "Hello Ada");
}

// ---- Errors ----

TEST_F(Guide, ErrorsCarryAnObject) {
  const auto response = BlockOn(greeter_.Hello(Context(), Named("")));
  const micro::errors::Error error = micro::errors::FromStatus(response.status());
  EXPECT_EQ(error.code, 400);
  EXPECT_EQ(error.id, "helloworld");
  EXPECT_EQ(error.detail, "a name is needed");
}

// ---- Deadlines and cancellation ----

TEST_F(Guide, ADeadlineTravelsWithTheCall) {
  const Context ctx = micro::WithTimeout(Context(), absl::Milliseconds(50));
  const auto response = BlockOn(greeter_.Hello(ctx, Named("Morpheus")));
  EXPECT_EQ(micro::errors::FromStatus(response.status()).code, 408);
}

Task<absl::Status> GreetUnlessCancelled(helloworld::GreeterService greeter, Context ctx) {
  CO_ASSIGN_OR_RETURN(const auto response, co_await greeter.Hello(ctx, Named("Morpheus")));
  co_return absl::OkStatus();
}

TEST_F(Guide, ACallCanBeCancelled) {
  auto [ctx, cancel] = micro::WithCancel(Context());
  cancel();
  EXPECT_EQ(BlockOn(GreetUnlessCancelled(greeter_, ctx)).code(), absl::StatusCode::kCancelled);
}

// ---- Metadata ----

TEST_F(Guide, MetadataTravelsBothWays) {
  const Context ctx = micro::WithMetadata(Context(), "x-language", "nl");
  micro::Metadata header, trailer;
  const auto response =
      BlockOn(greeter_.Hello(ctx, Named("Ada"), {.header = &header, .trailer = &trailer}));
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->greeting(), "Hallo Ada");
  EXPECT_EQ(header.Get("x-language"), "nl");
  EXPECT_EQ(trailer.Get("x-receipt-bin"), Named("Ada").SerializeAsString());
}

// ---- Options of one call ----

TEST_F(Guide, ACallHasOptions) {
  micro::CallOptions options;
  options.retries = 2;
  options.retry = micro::RetryOnErrorOrUnsent;
  options.content_type = "application/json";
  options.select.filters = {micro::selector::Version("latest")};
  EXPECT_THAT(BlockOn(greeter_.Hello(Context(), Named("Ada"), options)), IsOk());
}

TEST_F(Guide, AServiceAndAnEndpointHavePolicies) {
  const auto policies = std::make_shared<micro::ClientPolicies>(micro::PolicyTable{
      {"helloworld",
       {.calls = {.request_timeout = absl::Seconds(2), .retry = micro::RetryAlways},
        .endpoints = {{"Greeter.Hello", {.retries = 1, .hedge_after = absl::Milliseconds(20)}}}}}});
  const auto caller =
      micro::NewService({.name = "caller", .client = {.policies = policies}, .registry = "memory"});
  helloworld::GreeterService greeter("helloworld", caller->client());
  EXPECT_THAT(BlockOn(greeter.Hello(Context(), Named("Ada"))), IsOk());
  policies->Replace({});  // while it runs
  EXPECT_THAT(BlockOn(greeter.Hello(Context(), Named("Ada"))), IsOk());
}

// ---- Discovery ----

TEST_F(Guide, TheRegistryKnowsTheService) {
  const auto found = BlockOn(service_->registry()->GetService(Context(), "helloworld"));
  ASSERT_THAT(found, IsOk());
  EXPECT_EQ(found->front().version, "latest");
  EXPECT_EQ(found->front().nodes.front().metadata.at("protocol"), "grpc");
  EXPECT_EQ(found->front().endpoints.front().name, "Greeter.Hello");
}

TEST_F(Guide, TheServiceTellsWhatItKnowsOfNodes) {
  ASSERT_THAT(BlockOn(greeter_.Hello(Context(), Named("Ada"))), IsOk());
  const auto report = service_->selector()->Describe("helloworld");
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->nodes.front().state, "usable");
  std::cout << ToText(*report, micro::Clock::Real().Now());  // selector/report_text.h
}

// ---- Messages ----

TEST(Messages, ArriveAtTheirSubscribers) {
  micro::OneShot<std::string> arrived;
  const auto service = micro::NewService({.name = "listener", .registry = "memory"});
  service->server()->Subscribe(micro::NewSubscriber<helloworld::HelloRequest>(
      "names", [&](const Context&, const helloworld::HelloRequest& message) -> Task<absl::Status> {
        arrived.TrySet(message.name());
        co_return absl::OkStatus();
      }));
  ASSERT_THAT(BlockOn(service->Start(Context())), IsOk());
  ASSERT_THAT(BlockOn(service->client()->Publish(Context(), "names", Named("Ada"), {})), IsOk());
  const auto wait = [](micro::OneShot<std::string>& slot) -> Task<absl::StatusOr<std::string>> {
    co_return co_await slot.Wait();
  };
  EXPECT_THAT(BlockOn(wait(arrived)), IsOkAndHolds("Ada"));
  EXPECT_THAT(BlockOn(service->Stop(Context())), IsOk());
}

}  // namespace
