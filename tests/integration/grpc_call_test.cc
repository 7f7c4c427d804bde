// Calls over the gRPC wire: every kind, and everything that can be wrong with one.
#include <gmock/gmock.h>

#include <atomic>
#include <stdexcept>

#include "core/async.h"
#include "core/status_macros.h"
#include "core/task_scope.h"
#include "tests/integration/greeter_services.h"

namespace micro {
namespace {

using ::testing::HasSubstr;

class GrpcCall : public ::testing::Test {
 protected:
  const registry::Options registry_ = OwnRegistry();
  RunningGreeter server_{GreeterOptions(registry_)};
  std::unique_ptr<Service> caller_ = NewCaller(registry_);
  helloworld::GreeterService greeter_{"helloworld", caller_->client()};

  absl::Status CallRaw(std::string_view endpoint, std::string_view path, codec::Frame body,
                       CallOptions options = {}) {
    codec::Frame response;
    return BlockOn(caller_->client()->Call(Context(),
                                           {.service = "helloworld",
                                            .method = {.endpoint = endpoint, .grpc_path = path},
                                            .content_type = {},
                                            .body = body},
                                           response, std::move(options)));
  }
};

TEST_F(GrpcCall, AnswersAUnaryCall) {
  const auto response = BlockOn(greeter_.Hello(Context(), Named("John")));
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->greeting(), "Hello John");
}

TEST_F(GrpcCall, CarriesAnErrorObjectWhole) {
  const auto response = BlockOn(greeter_.Fail(Context(), {}));
  const errors::Error error = errors::FromStatus(response.status());
  EXPECT_EQ(response.status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(error,
            (errors::Error{
                .id = "helloworld", .code = 404, .detail = "no such user", .status = "Not Found"}));
}

TEST_F(GrpcCall, StreamsResponsesUntilTheEnd) {
  const auto count = [&]() -> Task<absl::StatusOr<std::vector<int64_t>>> {
    helloworld::CountRequest request;
    request.set_n(100);
    CO_ASSIGN_OR_RETURN(auto stream, co_await greeter_.Count(Context(), request));
    std::vector<int64_t> seen;
    while (true) {
      CO_ASSIGN_OR_RETURN(const auto response, co_await stream.Recv());
      if (!response.has_value()) co_return seen;
      seen.push_back(response->i());
    }
  };
  const auto seen = BlockOn(count());
  ASSERT_THAT(seen, IsOk());
  ASSERT_EQ(seen->size(), 100u);
  for (size_t i = 0; i < 100; ++i) EXPECT_EQ((*seen)[i], static_cast<int64_t>(i) + 1);
}

TEST_F(GrpcCall, AddsWhatACallerStreams) {
  const auto sum = [&]() -> Task<absl::StatusOr<int64_t>> {
    CO_ASSIGN_OR_RETURN(auto stream, co_await greeter_.Sum(Context()));
    for (int i = 1; i <= 50; ++i) {
      helloworld::SumRequest request;
      request.set_n(i);
      CO_RETURN_IF_ERROR(co_await stream.Send(request));
    }
    CO_ASSIGN_OR_RETURN(const helloworld::SumResponse response, co_await stream.CloseAndRecv());
    co_return response.total();
  };
  EXPECT_THAT(BlockOn(sum()), IsOkAndHolds(1275));
}

TEST_F(GrpcCall, ChatsBothWaysAndEndsWithTheHalfClose) {
  const auto chat = [&]() -> Task<absl::StatusOr<int>> {
    CO_ASSIGN_OR_RETURN(auto stream, co_await greeter_.Chat(Context()));
    for (int i = 0; i < 100; ++i) {
      helloworld::ChatMessage message;
      message.set_text(std::to_string(i));
      CO_RETURN_IF_ERROR(co_await stream.Send(message));
      CO_ASSIGN_OR_RETURN(const auto answer, co_await stream.Recv());
      if (!answer.has_value() || answer->text() != message.text())
        co_return absl::InternalError("another text");
    }
    CO_RETURN_IF_ERROR(co_await stream.CloseSend());
    CO_ASSIGN_OR_RETURN(const auto more, co_await stream.Recv());
    co_return more.has_value() ? 101 : 100;
  };
  EXPECT_THAT(BlockOn(chat()), IsOkAndHolds(100));
}

TEST_F(GrpcCall, ADroppedStreamCancelsItsHandler) {
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
    RunningGreeter server(GreeterOptions(registry), std::make_shared<Waiter>(ended));
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

TEST_F(GrpcCall, EndsAtTheDeadlineOnBothSides) {
  helloworld::SleepRequest request;
  request.set_ms(60'000);
  const absl::Time start = absl::Now();
  const auto response =
      BlockOn(greeter_.Sleep(WithTimeout(Context(), absl::Milliseconds(100)), request));
  EXPECT_THAT(response.status(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(errors::FromStatus(response.status()).code, 408);
  EXPECT_LT(absl::Now() - start, absl::Seconds(30));
  server_.Stop();  // its grace is 5 s: only a handler that saw the deadline lets it end before
  EXPECT_LT(absl::Now() - start, absl::Seconds(30));
}

TEST_F(GrpcCall, EndsWhenTheCallerCancels) {
  auto [ctx, cancel] = WithCancel(Context());
  helloworld::SleepRequest request;
  request.set_ms(60'000);
  Executor::Default().Post([cancel = cancel] { cancel(); });
  const auto response = BlockOn(greeter_.Sleep(ctx, request));
  EXPECT_THAT(response.status(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(errors::FromStatus(response.status()).code, 408);
}

TEST_F(GrpcCall, AContextThatHasEndedSendsNothing) {
  const auto response =
      BlockOn(greeter_.Hello(WithTimeout(Context(), absl::ZeroDuration()), Named("late")));
  EXPECT_THAT(response.status(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  const auto stream = BlockOn(greeter_.Chat(WithTimeout(Context(), absl::ZeroDuration())));
  EXPECT_THAT(stream.status(), StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(GrpcCall, CarriesMetadataAndTellsWhoCalled) {
  Context ctx =
      WithMetadata(Context(), {{"X-Trace-Id", "abc"}, {"foo_bar", "z"}, {"Connection", "close"}});
  const auto response = BlockOn(greeter_.Meta(ctx, {}));
  ASSERT_THAT(response, IsOk());
  const auto& metadata = response->metadata();
  EXPECT_EQ(metadata.at("x-trace-id"), "abc");
  EXPECT_EQ(metadata.at("foo_bar"), "z");
  EXPECT_THAT(metadata.at("Remote"), HasSubstr("127.0.0.1:"));
  EXPECT_EQ(metadata.count("connection"), 0u);
  EXPECT_EQ(metadata.count("timeout"), 0u);
  EXPECT_EQ(metadata.count("x-content-type"), 0u);
}

TEST_F(GrpcCall, RefusesMetadataThatNoHeaderCanCarry) {
  const auto value = BlockOn(greeter_.Hello(WithMetadata(Context(), "city", "Zürich"), Named("x")));
  EXPECT_THAT(value.status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"city\" has byte 0xc3")));
  const auto key = BlockOn(greeter_.Hello(WithMetadata(Context(), "a key", "x"), Named("x")));
  EXPECT_THAT(key.status(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"a key\"")));
}

TEST_F(GrpcCall, SpeaksJson) {
  const auto response =
      BlockOn(greeter_.Hello(Context(), Named("Jason"), {.content_type = "application/grpc+json"}));
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->greeting(), "Hello Jason");
  codec::Frame answer;
  ASSERT_THAT(BlockOn(caller_->client()->Call(Context(),
                                              {.service = "helloworld",
                                               .method = {.endpoint = "Greeter.Hello"},
                                               .content_type = "application/json",
                                               .body = codec::Frame{R"({"name":"Raw"})"}},
                                              answer, {})),
              IsOk());
  EXPECT_EQ(answer.data, R"({"greeting":"Hello Raw"})");
}

TEST_F(GrpcCall, TellsJsonFromProtobufByItsFirstByteWhereNoHeaderNamesIt) {
  // As a caller does that names JSON in the content type alone, whose subtype gRPC's core keeps to
  // itself.
  codec::Frame answer;
  ASSERT_THAT(BlockOn(caller_->client()->Call(Context(),
                                              {.service = "helloworld",
                                               .method = {.endpoint = "Greeter.Hello"},
                                               .content_type = "application/grpc",
                                               .body = codec::Frame{R"({"name":"Raw"})"}},
                                              answer, {})),
              IsOk());
  EXPECT_EQ(answer.data, R"({"greeting":"Hello Raw"})");
}

TEST_F(GrpcCall, IsReachedUnderAnyPrefix) {
  const auto frame = codec::Frame{
      "\x0a\x03"
      "Ann"};
  EXPECT_THAT(CallRaw("Greeter.Hello", "/helloworld.Greeter/Hello", frame), IsOk());
  EXPECT_THAT(CallRaw("Greeter.Hello", "/go.micro.srv.hello.Greeter/Hello", frame), IsOk());
  EXPECT_THAT(CallRaw("Greeter.Hello", "/Greeter/Hello", frame), IsOk());
}

TEST_F(GrpcCall, RefusesWhatItDoesNotKnow) {
  EXPECT_THAT(CallRaw("Greeter.Nope", "", {}),
              StatusIs(absl::StatusCode::kUnimplemented, "unknown service Greeter.Nope"));
  EXPECT_THAT(CallRaw("Nobody.Hello", "", {}),
              StatusIs(absl::StatusCode::kUnimplemented, "unknown service Nobody"));
  EXPECT_THAT(CallRaw("x", "/nothing", {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("malformed method name")));
  EXPECT_EQ(errors::FromStatus(CallRaw("Greeter.Nope", "", {})).code, 501);
}

TEST_F(GrpcCall, RefusesContentTypesWithoutACodec) {
  const auto response =
      BlockOn(greeter_.Hello(Context(), Named("x"), {.content_type = "application/grpc+zonk"}));
  EXPECT_EQ(errors::FromStatus(response.status()).code, 500);
  EXPECT_THAT(std::string(response.status().message()),
              HasSubstr("unsupported Content-Type: application/grpc+zonk"));
}

TEST_F(GrpcCall, RefusesABodyThatCannotBeReadAndServesOn) {
  const absl::Status status =
      CallRaw("Greeter.Hello", "", codec::Frame{"\x0a\xff\xff\xff\xff\x0f"});
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(errors::FromStatus(status).code, 400);
  EXPECT_EQ(errors::FromStatus(status).id, "helloworld");
  EXPECT_THAT(BlockOn(greeter_.Hello(Context(), Named("x"))), IsOk());
}

TEST_F(GrpcCall, RefusesMessagesThatAreTooLargeOnBothSides) {
  helloworld::EchoMessage request;
  request.set_payload(std::string(5 << 20, 'x'));
  EXPECT_THAT(BlockOn(greeter_.Echo(Context(), request)).status(),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("larger than the limit")));
  auto generous = NewCaller(registry_, {.max_send_message_size = 8 << 20});
  helloworld::GreeterService greeter("helloworld", generous->client());
  EXPECT_THAT(BlockOn(greeter.Echo(Context(), request)).status(),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(BlockOn(greeter.Hello(Context(), Named("x"))), IsOk());
}

TEST_F(GrpcCall, AnswersWithAnErrorWhenAHandlerThrows) {
  class Thrower final : public interop::Greeter {
    Task<absl::Status> Hello(const Context&, const helloworld::HelloRequest& request,
                             helloworld::HelloResponse&) override {
      if (request.name() == "int") throw 7;
      throw std::runtime_error("no mood");
      co_return absl::OkStatus();
    }
  };
  const registry::Options registry = OwnRegistry();
  RunningGreeter server(GreeterOptions(registry), std::make_shared<Thrower>());
  auto caller = NewCaller(registry);
  helloworld::GreeterService greeter("helloworld", caller->client());
  const auto thrown = BlockOn(greeter.Hello(Context(), Named("x")));
  EXPECT_EQ(errors::FromStatus(thrown.status()).code, 500);
  EXPECT_THAT(std::string(thrown.status().message()), HasSubstr("Greeter.Hello threw: no mood"));
  EXPECT_EQ(errors::FromStatus(BlockOn(greeter.Hello(Context(), Named("int"))).status()).code, 500);
  EXPECT_THAT(BlockOn(greeter.Meta(Context(), {})), IsOk());
}

TEST_F(GrpcCall, PlainStatusesKeepTheirCodeAndText) {
  class Plain final : public interop::Greeter {
    Task<absl::Status> Hello(const Context&, const helloworld::HelloRequest&,
                             helloworld::HelloResponse&) override {
      co_return absl::AbortedError("try another");
    }
  };
  const registry::Options registry = OwnRegistry();
  RunningGreeter server(GreeterOptions(registry), std::make_shared<Plain>());
  auto caller = NewCaller(registry);
  helloworld::GreeterService greeter("helloworld", caller->client());
  const auto response = BlockOn(greeter.Hello(Context(), Named("x")));
  EXPECT_THAT(response.status(), StatusIs(absl::StatusCode::kAborted, "try another"));
  EXPECT_EQ(errors::FromStatus(response.status()).id, "helloworld");
}

TEST_F(GrpcCall, TextsOfStatusesKeepEveryCharacter) {
  class Shouting final : public interop::Greeter {
    Task<absl::Status> Hello(const Context&, const helloworld::HelloRequest& request,
                             helloworld::HelloResponse&) override {
      co_return absl::UnknownError(request.name());
    }
  };
  const registry::Options registry = OwnRegistry();
  RunningGreeter server(GreeterOptions(registry), std::make_shared<Shouting>());
  auto caller = NewCaller(registry);
  helloworld::GreeterService greeter("helloworld", caller->client());
  for (const std::string text : {"\t\r\n 100 % \n", "☺ and 😈", "{\"code\":7}", " ", "%0A"}) {
    const auto response = BlockOn(greeter.Hello(Context(), Named(text)));
    EXPECT_THAT(response.status(), StatusIs(absl::StatusCode::kUnknown, text));
  }
}

TEST_F(GrpcCall, AStreamEndsAtItsDeadlineOnBothSides) {
  const auto chat = [&]() -> Task<absl::Status> {
    const Context ctx = WithTimeout(Context(), absl::Milliseconds(100));
    CO_ASSIGN_OR_RETURN(auto stream, co_await greeter_.Chat(ctx));
    co_return (co_await stream.Recv()).status();  // nobody has said anything
  };
  const absl::Status status = BlockOn(chat());
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(errors::FromStatus(status).code, 408);
}

TEST_F(GrpcCall, NamesAServiceThatNobodyKnows) {
  helloworld::GreeterService nobody("nobody", caller_->client());
  const auto response = BlockOn(nobody.Hello(Context(), Named("x")));
  EXPECT_THAT(response.status(),
              StatusIs(absl::StatusCode::kNotFound, "service nobody: not found"));
  EXPECT_EQ(errors::FromStatus(response.status()).code, 500);
  EXPECT_EQ(errors::FromStatus(response.status()).id, "go.micro.client");
}

TEST_F(GrpcCall, TellsThatANodeCannotBeReached) {
  const auto response =
      BlockOn(greeter_.Hello(Context(), Named("x"), {.addresses = {"127.0.0.1:1"}}));
  EXPECT_THAT(response.status(),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("connection error: 127.0.0.1:1")));
  EXPECT_EQ(errors::FromStatus(response.status()).code, 500);
}

TEST_F(GrpcCall, ManyCallsAtOnceAllAnswer) {
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

}  // namespace
}  // namespace micro
