// Calls over the HTTP RPC wire: every kind, and everything that can be wrong with one.
#include <gmock/gmock.h>

#include <atomic>
#include <stdexcept>

#include "core/async.h"
#include "core/status_macros.h"
#include "core/task_scope.h"
#include "core/testing/eventually.h"
#include "tests/integration/greeter_services.h"

namespace micro {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

ServiceOptions RpcOptions(const registry::Options& registry) {
  ServiceOptions options = GreeterOptions(registry);
  options.server.wire = "rpc";
  return options;
}

constexpr char kEndpoint[] = "Greeter.Hello";

class RpcCall : public ::testing::Test {
 protected:
  absl::Status CallRaw(std::string_view endpoint, codec::Frame body, CallOptions options = {}) {
    codec::Frame response;
    return BlockOn(caller_->client()->Call(Context(),
                                           {.service = "helloworld",
                                            .method = {.endpoint = endpoint},
                                            .content_type = {},
                                            .body = body},
                                           response, std::move(options)));
  }

  Task<absl::StatusOr<std::vector<int64_t>>> Count(int64_t n, CallOptions options = {}) {
    helloworld::CountRequest request;
    request.set_n(n);
    CO_ASSIGN_OR_RETURN(auto stream, co_await greeter_.Count(Context(), request, options));
    std::vector<int64_t> seen;
    while (true) {
      CO_ASSIGN_OR_RETURN(const auto response, co_await stream.Recv());
      if (!response.has_value()) co_return seen;
      seen.push_back(response->i());
    }
  }

  // 1 + … + n
  Task<absl::StatusOr<int64_t>> Sum(int n, CallOptions options = {}) {
    CO_ASSIGN_OR_RETURN(auto stream, co_await greeter_.Sum(Context(), options));
    for (int i = 1; i <= n; ++i) {
      helloworld::SumRequest request;
      request.set_n(i);
      request.set_last(i == n);
      CO_RETURN_IF_ERROR(co_await stream.Send(request));
    }
    CO_ASSIGN_OR_RETURN(const helloworld::SumResponse response, co_await stream.CloseAndRecv());
    co_return response.total();
  }

  // How many texts came back as they were said.
  Task<absl::StatusOr<int>> Chat(int n, CallOptions options = {}) {
    CO_ASSIGN_OR_RETURN(auto stream, co_await greeter_.Chat(Context(), options));
    for (int i = 0; i < n; ++i) {
      helloworld::ChatMessage message;
      message.set_text(std::to_string(i));
      CO_RETURN_IF_ERROR(co_await stream.Send(message));
      CO_ASSIGN_OR_RETURN(const auto answer, co_await stream.Recv());
      if (!answer.has_value() || answer->text() != message.text())
        co_return absl::InternalError("another text");
    }
    co_return n;
  }

  const registry::Options registry_ = OwnRegistry();
  RunningGreeter server_{RpcOptions(registry_)};
  std::unique_ptr<Service> caller_ = NewCaller(registry_);
  helloworld::GreeterService greeter_{"helloworld", caller_->client()};
};

TEST_F(RpcCall, AnswersAUnaryCall) {
  const auto response = BlockOn(greeter_.Hello(Context(), Named("John")));
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->greeting(), "Hello John");
}

TEST_F(RpcCall, SpeaksEveryContentType) {
  for (const char* type : {"application/json", "application/protobuf", "application/octet-stream",
                           "application/grpc", "application/grpc+proto", "application/grpc+json"}) {
    const CallOptions options{.content_type = type};
    const auto response = BlockOn(greeter_.Hello(Context(), Named("John"), options));
    ASSERT_THAT(response, IsOk()) << type;
    EXPECT_EQ(response->greeting(), "Hello John") << type;
    EXPECT_THAT(BlockOn(greeter_.Fail(Context(), {}, options)),
                IsMicroError(404, "helloworld", "no such user"))
        << type;
    EXPECT_THAT(BlockOn(Count(3, options)), IsOkAndHolds(ElementsAre(1, 2, 3))) << type;
    EXPECT_THAT(BlockOn(Sum(10, options)), IsOkAndHolds(55)) << type;
    EXPECT_THAT(BlockOn(Chat(10, options)), IsOkAndHolds(10)) << type;
  }
}

TEST_F(RpcCall, CarriesRawJson) {
  codec::Frame answer;
  ASSERT_THAT(BlockOn(caller_->client()->Call(Context(),
                                              {.service = "helloworld",
                                               .method = {.endpoint = kEndpoint},
                                               .content_type = "application/json",
                                               .body = codec::Frame{R"({"name":"Raw"})"}},
                                              answer, {})),
              IsOk());
  EXPECT_EQ(answer.data, "{\"greeting\":\"Hello Raw\"}\n");
}

TEST_F(RpcCall, CarriesAnErrorObjectWhole) {
  const auto response = BlockOn(greeter_.Fail(Context(), {}));
  const errors::Error error = errors::FromStatus(response.status());
  EXPECT_EQ(response.status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(error,
            (errors::Error{
                .id = "helloworld", .code = 404, .detail = "no such user", .status = "Not Found"}));
}

TEST_F(RpcCall, StreamsManyMessagesEachWay) {
  const auto seen = BlockOn(Count(10'000));
  ASSERT_THAT(seen, IsOk());
  ASSERT_EQ(seen->size(), 10'000u);
  for (size_t i = 0; i < seen->size(); ++i) ASSERT_EQ((*seen)[i], static_cast<int64_t>(i) + 1);
  EXPECT_THAT(BlockOn(Count(0)), IsOkAndHolds(ElementsAre()));
  EXPECT_THAT(BlockOn(Sum(10'000)), IsOkAndHolds(50'005'000));
  EXPECT_THAT(BlockOn(Chat(1'000)), IsOkAndHolds(1'000));
}

TEST_F(RpcCall, AHandlersErrorEndsItsStream) {
  class Refuser final : public interop::Greeter {
   public:
    Task<absl::Status> Count(const Context&, const helloworld::CountRequest&,
                             SendStream<helloworld::CountResponse>& stream) override {
      CO_RETURN_IF_ERROR(co_await stream.Send({}));
      co_return errors::Conflict("helloworld", "enough");
    }
    Task<absl::Status> Chat(const Context&,
                            Stream<helloworld::ChatMessage, helloworld::ChatMessage>&) override {
      co_return errors::Forbidden("helloworld", "no chat");
    }
  };
  const registry::Options registry = OwnRegistry();
  RunningGreeter server(RpcOptions(registry), std::make_shared<Refuser>());
  auto caller = NewCaller(registry);
  helloworld::GreeterService greeter("helloworld", caller->client());
  auto count = BlockOn(greeter.Count(Context(), {}));
  ASSERT_THAT(count, IsOk());
  EXPECT_THAT(BlockOn(count->Recv()), IsOk());
  EXPECT_THAT(BlockOn(count->Recv()), IsMicroError(409, "helloworld", "enough"));
  auto chat = BlockOn(greeter.Chat(Context()));
  ASSERT_THAT(chat, IsOk());
  EXPECT_THAT(BlockOn(chat->Recv()), IsMicroError(403, "helloworld", "no chat"));
  EXPECT_TRUE(Eventually(
      [&] { return absl::IsCancelled(BlockOn(chat->Send(helloworld::ChatMessage()))); }));
}

TEST_F(RpcCall, ADroppedStreamCancelsItsHandler) {
  std::atomic<bool> ended = false;
  class Waiter final : public interop::Greeter {
   public:
    explicit Waiter(std::atomic<bool>& ended) : ended_(ended) {}
    Task<absl::Status> Chat(
        const Context& ctx,
        Stream<helloworld::ChatMessage, helloworld::ChatMessage>& stream) override {
      CO_RETURN_IF_ERROR(co_await stream.Send({}));
      const absl::Status status = co_await micro::Sleep(ctx, absl::InfiniteDuration());
      ended_ = absl::IsCancelled(status);
      co_return status;
    }
    std::atomic<bool>& ended_;
  };
  const registry::Options registry = OwnRegistry();
  {
    RunningGreeter server(RpcOptions(registry), std::make_shared<Waiter>(ended));
    auto caller = NewCaller(registry);
    helloworld::GreeterService greeter("helloworld", caller->client());
    {
      auto stream = BlockOn(greeter.Chat(Context()));
      ASSERT_THAT(stream, IsOk());
      ASSERT_THAT(BlockOn(stream->Recv()), IsOk());  // the handler runs
    }
  }  // the stop waits for the handler, which ends because its caller has gone
  EXPECT_TRUE(ended);
}

TEST_F(RpcCall, EndsAtTheDeadlineOnBothSides) {
  helloworld::SleepRequest request;
  request.set_ms(60'000);
  const absl::Time start = absl::Now();
  const auto response =
      BlockOn(greeter_.Sleep(WithTimeout(Context(), absl::Milliseconds(100)), request));
  EXPECT_THAT(response.status(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(errors::FromStatus(response.status()).code, 408);
  server_.Stop();  // its grace is 5 s: only a handler that saw the end lets it end before
  EXPECT_LT(absl::Now() - start, absl::Seconds(30));
}

TEST_F(RpcCall, EndsWhenTheCallerCancels) {
  auto [ctx, cancel] = WithCancel(Context());
  helloworld::SleepRequest request;
  request.set_ms(60'000);
  Executor::Default().Post([cancel = cancel] { cancel(); });
  const auto response = BlockOn(greeter_.Sleep(ctx, request));
  EXPECT_THAT(response.status(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(errors::FromStatus(response.status()).code, 408);
}

TEST_F(RpcCall, AStreamEndsWithItsContext) {
  helloworld::CountRequest request;
  request.set_n(2);
  request.set_gap_ms(60'000);
  auto late = BlockOn(greeter_.Count(WithTimeout(Context(), absl::Milliseconds(100)), request));
  ASSERT_THAT(late, IsOk());
  absl::Status end;
  while (end.ok()) end = BlockOn(late->Recv()).status();
  EXPECT_THAT(end, StatusIs(absl::StatusCode::kDeadlineExceeded));
  auto [ctx, cancel] = WithCancel(Context());
  auto stream = BlockOn(greeter_.Count(ctx, request));
  ASSERT_THAT(stream, IsOk());
  ASSERT_THAT(BlockOn(stream->Recv()), IsOk());
  Executor::Default().Post([cancel = cancel] { cancel(); });
  EXPECT_THAT(BlockOn(stream->Recv()).status(), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(RpcCall, CarriesMetadataAndTellsWhoCalled) {
  Context ctx =
      WithMetadata(Context(), {{"x-trace-id", "abc"}, {"foo_bar", "z"}, {"Connection", "close"}});
  const auto response = BlockOn(greeter_.Meta(ctx, {}));
  ASSERT_THAT(response, IsOk());
  const auto& metadata = response->metadata();
  EXPECT_EQ(metadata.at("X-Trace-Id"), "abc");
  EXPECT_EQ(metadata.at("Foo_bar"), "z");
  EXPECT_EQ(metadata.at("Micro-Endpoint"), "Greeter.Meta");
  EXPECT_THAT(metadata.at("Remote"), HasSubstr("127.0.0.1:"));
  EXPECT_EQ(metadata.at("Local"), server_.address());
  EXPECT_EQ(metadata.count("Connection"), 0u);
}

TEST_F(RpcCall, PassesMetadataOnButNotWhatNamedTheFirstCall) {
  // A handler that calls on behalf of its caller.
  class Relay final : public interop::Greeter {
   public:
    explicit Relay(std::shared_ptr<Client> client) : greeter_("helloworld", std::move(client)) {}
    Task<absl::Status> Meta(const Context& ctx, const helloworld::MetaRequest& request,
                            helloworld::MetaResponse& response) override {
      CO_ASSIGN_OR_RETURN(response, co_await greeter_.Meta(ctx, request));
      co_return absl::OkStatus();
    }

   private:
    helloworld::GreeterService greeter_;
  };
  const registry::Options registry = OwnRegistry();
  ServiceOptions options = RpcOptions(registry);
  options.name = "relay";
  RunningGreeter relay(std::move(options), std::make_shared<Relay>(caller_->client()));
  auto caller = NewCaller(registry);
  helloworld::GreeterService greeter("relay", caller->client());
  const auto response = BlockOn(greeter.Meta(WithMetadata(Context(), "x-trace-id", "abc"), {}));
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->metadata().at("X-Trace-Id"), "abc");
  EXPECT_EQ(response->metadata().at("Micro-Service"), "helloworld");
}

TEST_F(RpcCall, RefusesWhatItDoesNotKnowAndServesOn) {
  EXPECT_THAT(CallRaw("Greeter.Nope", {}),
              StatusIs(testing::Ne(absl::StatusCode::kOk), HasSubstr("can't find method Nope")));
  EXPECT_THAT(CallRaw("Nobody.Hello", {}),
              StatusIs(testing::Ne(absl::StatusCode::kOk), HasSubstr("can't find service Nobody")));
  EXPECT_THAT(CallRaw("x", {}), StatusIs(testing::Ne(absl::StatusCode::kOk),
                                         HasSubstr("service/endpoint request ill-formed: x")));
  EXPECT_FALSE(CallRaw(kEndpoint, codec::Frame{"{\"name\":"}).ok());
  EXPECT_THAT(
      BlockOn(greeter_.Hello(Context(), Named("x"), {.content_type = "application/grpc+zonk"})),
      IsMicroError(500, "go.micro.client", "unsupported Content-Type: application/grpc+zonk"));
  EXPECT_THAT(BlockOn(greeter_.Hello(Context(), Named("x"))), IsOk());
}

TEST_F(RpcCall, CarriesLargeMessagesUpToItsLimits) {
  helloworld::EchoMessage request;
  request.set_payload(std::string(3 << 20, 'x'));
  for (const char* type : {"application/protobuf", "application/grpc+proto"}) {
    const auto echo = BlockOn(greeter_.Echo(Context(), request, {.content_type = type}));
    ASSERT_THAT(echo, IsOk());
    EXPECT_TRUE(echo->payload() == request.payload());
  }
  request.set_payload(std::string(5 << 20, 'x'));
  EXPECT_THAT(BlockOn(greeter_.Echo(Context(), request)).status(),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("larger than the limit")));
  auto generous = NewCaller(registry_, {.max_send_message_size = 8 << 20});
  helloworld::GreeterService greeter("helloworld", generous->client());
  EXPECT_THAT(BlockOn(greeter.Echo(Context(), request, {.content_type = "application/protobuf"})),
              StatusIs(testing::Ne(absl::StatusCode::kOk), HasSubstr("more than 4194304 bytes")));
  EXPECT_THAT(BlockOn(greeter.Hello(Context(), Named("x"))), IsOk());
}

TEST_F(RpcCall, AnswersWithAnErrorWhenAHandlerThrows) {
  class Thrower final : public interop::Greeter {
    Task<absl::Status> Hello(const Context&, const helloworld::HelloRequest&,
                             helloworld::HelloResponse&) override {
      throw std::runtime_error("no mood");
      co_return absl::OkStatus();
    }
  };
  const registry::Options registry = OwnRegistry();
  RunningGreeter server(RpcOptions(registry), std::make_shared<Thrower>());
  auto caller = NewCaller(registry);
  helloworld::GreeterService greeter("helloworld", caller->client());
  EXPECT_THAT(BlockOn(greeter.Hello(Context(), Named("x"))),
              IsMicroError(500, "helloworld", HasSubstr("Greeter.Hello threw: no mood")));
  EXPECT_THAT(BlockOn(greeter.Meta(Context(), {})), IsOk());
}

TEST_F(RpcCall, TellsThatANodeCannotBeReached) {
  auto rpc = NewCaller(registry_, {.wire = "rpc", .retries = 0});
  helloworld::GreeterService greeter("helloworld", rpc->client());
  EXPECT_THAT(BlockOn(greeter.Hello(Context(), Named("x"), {.addresses = {"127.0.0.1:1"}})),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr("connection error: 127.0.0.1:1: cannot connect")));
  EXPECT_THAT(BlockOn(greeter.Hello(Context(), Named("x"), {.addresses = {server_.address()}})),
              IsOk());
}

TEST_F(RpcCall, ManyCallsAtOnceAllAnswer) {
  std::atomic<int> right = 0;
  const auto call = [&](int i) -> Task<void> {
    const std::string name = std::to_string(i);
    const auto response = co_await greeter_.Hello(Context(), Named(name));
    if (response.ok() && response->greeting() == "Hello " + name) ++right;
  };
  TaskScope scope;
  for (int i = 0; i < 500; ++i) Spawn(scope, call(i));
  scope.Join();
  EXPECT_EQ(right, 500);
}

TEST_F(RpcCall, ManyStreamsAtOnceAllEnd) {
  std::atomic<int> right = 0;
  const auto chat = [&]() -> Task<void> {
    if ((co_await Chat(5)).ok()) ++right;
  };
  TaskScope scope;
  for (int i = 0; i < 100; ++i) Spawn(scope, chat());
  scope.Join();
  EXPECT_EQ(right, 100);
}

}  // namespace
}  // namespace micro
