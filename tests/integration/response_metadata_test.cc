// What handlers tell beside their responses: headers and trailers, on every kind of call.
#include "core/response_metadata.h"

#include <gmock/gmock.h>

#include "core/async.h"
#include "core/mutex.h"
#include "core/status_macros.h"
#include "tests/integration/greeter_services.h"

namespace micro {
namespace {

using ::testing::IsEmpty;

// Bytes that no text header could carry.
const std::string& SomeBytes() {
  static const std::string& bytes = *new std::string("\0\n\xab\xff, \x0b", 7);
  return bytes;
}

const Metadata& SomeHeader() {
  static const Metadata& header = *new Metadata{{"x-served-by", "a node"}};
  return header;
}
const Metadata& SomeTrailer() {
  static const Metadata& trailer = *new Metadata{{"x-sum-bin", SomeBytes()}};
  return trailer;
}

// Sets both in every method. A Hello to nobody fails; a chat sends its header ahead, and ends with
// what it was told last.
class Labelling final : public interop::Greeter {
  Task<absl::Status> Hello(const Context& ctx, const helloworld::HelloRequest& request,
                           helloworld::HelloResponse& response) override {
    CO_RETURN_IF_ERROR(SetBoth(ctx));
    if (request.name().empty()) co_return errors::BadRequest("helloworld", "who?");
    response.set_greeting("Hello " + request.name());
    co_return absl::OkStatus();
  }
  Task<absl::Status> Count(const Context& ctx, const helloworld::CountRequest& request,
                           SendStream<helloworld::CountResponse>& stream) override {
    CO_RETURN_IF_ERROR(SetBoth(ctx));
    if (request.n() < 0) co_return errors::BadRequest("helloworld", "too few");
    for (int64_t i = 1; i <= request.n(); ++i) {
      CO_RETURN_IF_ERROR(co_await stream.Send({}));
    }
    co_return absl::OkStatus();
  }
  Task<absl::Status> Sum(const Context& ctx, RecvStream<helloworld::SumRequest>& stream,
                         helloworld::SumResponse& response) override {
    CO_RETURN_IF_ERROR(SetBoth(ctx));
    CO_RETURN_IF_ERROR(co_await stream.SendHeader());
    CO_ASSIGN_OR_RETURN(const auto request, co_await stream.Recv());
    response.set_total(request.has_value() ? request->n() : 0);
    co_return absl::OkStatus();
  }
  Task<absl::Status> Chat(
      const Context& ctx,
      Stream<helloworld::ChatMessage, helloworld::ChatMessage>& stream) override {
    CO_RETURN_IF_ERROR(SetBoth(ctx));
    CO_RETURN_IF_ERROR(co_await stream.SendHeader());
    while (true) {
      CO_ASSIGN_OR_RETURN(const auto said, co_await stream.Recv());
      if (!said.has_value()) co_return absl::OkStatus();
      CO_RETURN_IF_ERROR(SetTrailer(ctx, "x-last", said->text()));
    }
  }

  static absl::Status SetBoth(const Context& ctx) {
    RETURN_IF_ERROR(SetHeader(ctx, "X-Served-By", "a node"));
    return SetTrailer(ctx, "x-sum-bin", SomeBytes());
  }
};

// With protobuf, which gRPC's core carries, and with JSON, which our own HTTP/2 does.
class ResponseMetadataOverGrpc : public ::testing::TestWithParam<std::string> {
 protected:
  // Of a call that asks for both, and of one that does not.
  CallOptions Asking(std::vector<std::string> addresses = {}) {
    CallOptions options = Plain(std::move(addresses));
    options.header = &header_;
    options.trailer = &trailer_;
    return options;
  }
  CallOptions Plain(std::vector<std::string> addresses = {}) const {
    return {.addresses = std::move(addresses), .content_type = GetParam(), .retries = 0};
  }

  const registry::Options registry_ = OwnRegistry();
  RunningGreeter server_{GreeterOptions(registry_), std::make_shared<Labelling>()};
  std::unique_ptr<Service> caller_ = NewCaller(registry_);
  helloworld::GreeterService greeter_{"helloworld", caller_->client()};
  Metadata header_, trailer_;
};

TEST_P(ResponseMetadataOverGrpc, ReachesACallerThatAsks) {
  ASSERT_THAT(BlockOn(greeter_.Hello(Context(), Named("x"), Asking())), IsOk());
  EXPECT_EQ(header_, SomeHeader());
  EXPECT_EQ(trailer_, SomeTrailer());
}

TEST_P(ResponseMetadataOverGrpc, NeedsNobodyWhoAsks) {
  EXPECT_THAT(BlockOn(greeter_.Hello(Context(), Named("x"), Plain())), IsOk());
  CallOptions options = Asking();
  options.header = nullptr;
  EXPECT_THAT(BlockOn(greeter_.Hello(Context(), Named("x"), options)), IsOk());
  EXPECT_EQ(trailer_, SomeTrailer());
}

TEST_P(ResponseMetadataOverGrpc, ComesWithAnErrorToo) {
  const auto response = BlockOn(greeter_.Hello(Context(), Named(""), Asking()));
  EXPECT_EQ(errors::FromStatus(response.status()).code, 400);
  EXPECT_EQ(header_, SomeHeader());
  EXPECT_EQ(trailer_, SomeTrailer());
}

TEST_P(ResponseMetadataOverGrpc, IsEmptyWhereTheHandlerSetsNone) {
  header_ = trailer_ = {{"of", "an earlier call"}};
  ASSERT_THAT(BlockOn(greeter_.Meta(Context(), {}, Asking())), IsOk());
  EXPECT_THAT(header_, IsEmpty());
  EXPECT_THAT(trailer_, IsEmpty());
}

TEST_P(ResponseMetadataOverGrpc, IsEmptyWhereNoNodeWasReached) {
  header_ = trailer_ = {{"of", "an earlier call"}};
  EXPECT_THAT(BlockOn(greeter_.Hello(Context(), Named("x"), Asking({"127.0.0.1:1"}))),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(header_, IsEmpty());
  EXPECT_THAT(trailer_, IsEmpty());
}

TEST_P(ResponseMetadataOverGrpc, IsThatOfTheLastAttempt) {
  class FailsFirst final : public interop::Greeter {
    Task<absl::Status> Hello(const Context& ctx, const helloworld::HelloRequest&,
                             helloworld::HelloResponse&) override {
      if (attempts_++ > 0) co_return SetHeader(ctx, "x-attempt", "second");
      CO_RETURN_IF_ERROR(SetTrailer(ctx, "x-attempt", "first"));
      co_return absl::AbortedError("not yet");
    }
    std::atomic<int> attempts_ = 0;
  };
  const registry::Options registry = OwnRegistry();
  RunningGreeter server(GreeterOptions(registry), std::make_shared<FailsFirst>());
  auto caller = NewCaller(registry);
  helloworld::GreeterService greeter("helloworld", caller->client());
  CallOptions options = Asking();
  options.retries = 1;
  options.retry = RetryAlways;
  ASSERT_THAT(BlockOn(greeter.Hello(Context(), Named("x"), options)), IsOk());
  EXPECT_EQ(header_, (Metadata{{"x-attempt", "second"}}));
  EXPECT_THAT(trailer_, IsEmpty());
}

TEST_P(ResponseMetadataOverGrpc, ComesFromAPathThatWasNotKnownToo) {
  helloworld::HelloResponse response;
  ASSERT_THAT(BlockOn(caller_->client()->Call(
                  Context(),
                  {.service = "helloworld",
                   .method = {.endpoint = "Greeter.Hello", .grpc_path = "/any.Greeter/Hello"},
                   .content_type = {},
                   .body = Named("x")},
                  response, Asking())),
              IsOk());
  EXPECT_EQ(header_, SomeHeader());
  EXPECT_EQ(trailer_, SomeTrailer());
}

TEST_P(ResponseMetadataOverGrpc, FailsTheCallWhereItIsTooLargeForTheCaller) {
  class Verbose final : public interop::Greeter {
    Task<absl::Status> Hello(const Context& ctx, const helloworld::HelloRequest& request,
                             helloworld::HelloResponse&) override {
      const std::string text(20 << 10, 'x');
      co_return request.name() == "header" ? SetHeader(ctx, "x", text) : SetTrailer(ctx, "x", text);
    }
  };
  RunningGreeter server(GreeterOptions(OwnRegistry()), std::make_shared<Verbose>());
  for (const std::string part : {"header", "trailer"}) {
    EXPECT_THAT(BlockOn(greeter_.Hello(Context(), Named(part), Plain({server.address()}))).status(),
                StatusIs(absl::StatusCode::kResourceExhausted))
        << part;
  }
  EXPECT_THAT(BlockOn(greeter_.Hello(Context(), Named("x"))), IsOk());
}

TEST_P(ResponseMetadataOverGrpc, SetTooLateIsRefused) {
  class Keeper final : public interop::Greeter {
   public:
    explicit Keeper(Context& kept) : kept_(kept) {}
    Task<absl::Status> Hello(const Context& ctx, const helloworld::HelloRequest&,
                             helloworld::HelloResponse&) override {
      kept_ = ctx;
      co_return absl::OkStatus();
    }
    Task<absl::Status> Chat(
        const Context& ctx,
        Stream<helloworld::ChatMessage, helloworld::ChatMessage>& stream) override {
      CO_RETURN_IF_ERROR(co_await stream.Send({}));
      EXPECT_THAT(SetHeader(ctx, "x", "1"), StatusIs(absl::StatusCode::kFailedPrecondition));
      EXPECT_THAT(co_await stream.SendHeader(), StatusIs(absl::StatusCode::kFailedPrecondition));
      co_return SetTrailer(ctx, "x", "1");
    }
    Context& kept_;
  };
  const registry::Options registry = OwnRegistry();
  Context kept;
  RunningGreeter server(GreeterOptions(registry), std::make_shared<Keeper>(kept));
  auto caller = NewCaller(registry);
  helloworld::GreeterService greeter("helloworld", caller->client());
  ASSERT_THAT(BlockOn(greeter.Hello(Context(), Named("x"))), IsOk());
  EXPECT_THAT(SetHeader(kept, "x", "1"), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(SetTrailer(kept, "x", "1"), StatusIs(absl::StatusCode::kFailedPrecondition));

  const auto chat = [&]() -> Task<absl::Status> {
    CO_ASSIGN_OR_RETURN(auto stream, co_await greeter.Chat(Context(), Plain()));
    CO_RETURN_IF_ERROR((co_await stream.Recv()).status());
    CO_RETURN_IF_ERROR((co_await stream.Recv()).status());
    EXPECT_EQ(stream.Trailer(), (Metadata{{"x", "1"}}));
    co_return absl::OkStatus();
  };
  EXPECT_THAT(BlockOn(chat()), IsOk());
}

// ---- Streams ----

TEST_P(ResponseMetadataOverGrpc, AHeaderCanComeAheadOfEverything) {
  const auto chat = [&]() -> Task<absl::Status> {
    CO_ASSIGN_OR_RETURN(auto stream, co_await greeter_.Chat(Context(), Plain()));
    EXPECT_EQ(co_await stream.Header(), SomeHeader());  // nobody has said anything
    EXPECT_THAT(stream.Trailer(), IsEmpty());
    helloworld::ChatMessage said;
    said.set_text("goodbye");
    CO_RETURN_IF_ERROR(co_await stream.Send(said));
    CO_RETURN_IF_ERROR(co_await stream.CloseSend());
    CO_ASSIGN_OR_RETURN(const auto end, co_await stream.Recv());
    EXPECT_FALSE(end.has_value());
    EXPECT_EQ(stream.Trailer(), (Metadata{{"x-sum-bin", SomeBytes()}, {"x-last", "goodbye"}}));
    EXPECT_EQ(co_await stream.Header(), SomeHeader());
    co_return absl::OkStatus();
  };
  EXPECT_THAT(BlockOn(chat()), IsOk());
}

TEST_P(ResponseMetadataOverGrpc, AHeaderComesWithTheFirstResponseOrWithTheEnd) {
  for (const int64_t n : {2, 0, -1}) {
    const auto count = [&]() -> Task<absl::Status> {
      helloworld::CountRequest request;
      request.set_n(n);
      CO_ASSIGN_OR_RETURN(auto stream, co_await greeter_.Count(Context(), request, Plain()));
      absl::Status end;
      for (bool more = true; more;) {
        const auto response = co_await stream.Recv();
        end = response.status();
        more = response.ok() && response->has_value();
      }
      EXPECT_EQ(end.ok(), n >= 0) << end;
      EXPECT_EQ(co_await stream.Header(), SomeHeader()) << n;
      EXPECT_EQ(stream.Trailer(), SomeTrailer()) << n;
      co_return absl::OkStatus();
    };
    EXPECT_THAT(BlockOn(count()), IsOk());
  }
}

TEST_P(ResponseMetadataOverGrpc, ACallerThatStreamsGetsBoth) {
  const auto sum = [&]() -> Task<absl::Status> {
    CO_ASSIGN_OR_RETURN(auto stream, co_await greeter_.Sum(Context(), Plain()));
    EXPECT_EQ(co_await stream.Header(), SomeHeader());
    CO_RETURN_IF_ERROR((co_await stream.CloseAndRecv()).status());
    EXPECT_EQ(stream.Trailer(), SomeTrailer());
    co_return absl::OkStatus();
  };
  EXPECT_THAT(BlockOn(sum()), IsOk());
}

TEST_P(ResponseMetadataOverGrpc, NobodyWaitsForTheHeaderOfACallThatHasEnded) {
  const auto header = [&](Context ctx, std::string address) -> Task<absl::Status> {
    CO_ASSIGN_OR_RETURN(auto stream, co_await greeter_.Chat(ctx, Plain({address})));
    EXPECT_THAT(co_await stream.Header(), IsEmpty());
    co_return (co_await stream.Recv()).status();
  };
  EXPECT_THAT(BlockOn(header(Context(), "127.0.0.1:1")), StatusIs(absl::StatusCode::kUnavailable));
  RunningGreeter silent(GreeterOptions(OwnRegistry()));
  auto [ctx, cancel] = WithCancel(Context());
  Executor::Default().Post([cancel = cancel] { cancel(); });
  EXPECT_THAT(BlockOn(header(ctx, silent.address())), StatusIs(absl::StatusCode::kCancelled));
}

// ---- Wrappers ----

TEST_P(ResponseMetadataOverGrpc, WrappersSetAndSeeIt) {
  ServiceOptions options = GreeterOptions(OwnRegistry());
  options.handler_wrappers = {[](HandlerFunc next) -> HandlerFunc {
    return [next](const Context& ctx, const Request& request,
                  Response response) -> Task<absl::Status> {
      CO_RETURN_IF_ERROR(SetHeader(ctx, "x-from", "wrapper"));
      const Context named = WithMetadata(ctx, "x-user", "ada");
      const absl::Status status = co_await next(named, request, response);
      CO_RETURN_IF_ERROR(SetTrailer(ctx, "x-handled", "yes"));
      co_return status;
    };
  }};
  RunningGreeter server(std::move(options), std::make_shared<Labelling>());
  std::optional<Metadata> seen;
  const CallWrapper look = [&](CallFunc next) -> CallFunc {
    return [&seen, next](const Context& ctx, const registry::Node& node, const Request& request,
                         CallResponse response, const CallOptions& options) -> Task<absl::Status> {
      const absl::Status status = co_await next(ctx, node, request, response, options);
      if (options.header != nullptr) seen = *options.header;
      co_return status;
    };
  };
  const Metadata all = {{"x-from", "wrapper"}, {"x-served-by", "a node"}};
  CallOptions asking = Asking({server.address()});
  asking.wrappers = {look};
  ASSERT_THAT(BlockOn(greeter_.Hello(Context(), Named("x"), asking)), IsOk());
  EXPECT_EQ(header_, all);
  EXPECT_EQ(seen, all);
  EXPECT_EQ(trailer_, (Metadata{{"x-sum-bin", SomeBytes()}, {"x-handled", "yes"}}));

  const auto count = [&]() -> Task<absl::Status> {
    helloworld::CountRequest request;
    request.set_n(1);
    CO_ASSIGN_OR_RETURN(auto stream,
                        co_await greeter_.Count(Context(), request, Plain({server.address()})));
    EXPECT_EQ(co_await stream.Header(), all);
    CO_RETURN_IF_ERROR((co_await stream.Recv()).status());
    CO_RETURN_IF_ERROR((co_await stream.Recv()).status());
    EXPECT_EQ(stream.Trailer(), (Metadata{{"x-sum-bin", SomeBytes()}, {"x-handled", "yes"}}));
    co_return absl::OkStatus();
  };
  EXPECT_THAT(BlockOn(count()), IsOk());
}

TEST(ResponseMetadataOverRpc, GoesNowhereAndHoldsNobodyUp) {
  ServiceOptions options = GreeterOptions(OwnRegistry());
  options.server.wire = "rpc";
  RunningGreeter server(std::move(options), std::make_shared<Labelling>());
  auto caller = NewCaller(OwnRegistry(), {.wire = "rpc"});
  helloworld::GreeterService greeter("helloworld", caller->client());
  Metadata header = {{"of", "an earlier call"}}, trailer = header;
  EXPECT_THAT(BlockOn(greeter.Hello(
                  Context(), Named("x"),
                  {.addresses = {server.address()}, .header = &header, .trailer = &trailer})),
              IsOk());
  EXPECT_THAT(header, IsEmpty());
  EXPECT_THAT(trailer, IsEmpty());
  const auto count = [&]() -> Task<absl::Status> {
    helloworld::CountRequest request;
    request.set_n(1);
    CO_ASSIGN_OR_RETURN(
        auto stream, co_await greeter.Count(Context(), request, {.addresses = {server.address()}}));
    EXPECT_THAT(co_await stream.Header(), IsEmpty());
    CO_RETURN_IF_ERROR((co_await stream.Recv()).status());
    CO_RETURN_IF_ERROR((co_await stream.Recv()).status());
    EXPECT_THAT(stream.Trailer(), IsEmpty());
    co_return absl::OkStatus();
  };
  EXPECT_THAT(BlockOn(count()), IsOk());
}

INSTANTIATE_TEST_SUITE_P(Codecs, ResponseMetadataOverGrpc,
                         ::testing::Values("application/grpc+proto", "application/json"),
                         [](const auto& info) {
                           return std::string(info.param == "application/json" ? "Json" : "Proto");
                         });

}  // namespace
}  // namespace micro
