// Middleware: in which order wrappers run, and what each kind may do.
#include <gmock/gmock.h>

#include "core/async.h"
#include "core/mutex.h"
#include "core/status_macros.h"
#include "tests/integration/greeter_services.h"

namespace micro {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// What wrappers wrote down, in order.
class Notes {
 public:
  void Add(std::string note) {
    MutexLock lock(mutex_);
    notes_.push_back(std::move(note));
  }
  std::vector<std::string> Take() {
    MutexLock lock(mutex_);
    return std::exchange(notes_, {});
  }

 private:
  Mutex mutex_;
  std::vector<std::string> notes_ ABSL_GUARDED_BY(mutex_);
};

// Wrappers that note when a call goes in and when it comes out.
HandlerWrapper NotingHandler(Notes& notes, std::string name) {
  return [&notes, name](HandlerFunc next) -> HandlerFunc {
    return [&notes, name, next](const Context& ctx, const Request& request,
                                Response response) -> Task<absl::Status> {
      notes.Add(name + " in");
      const absl::Status status = co_await next(ctx, request, response);
      notes.Add(name + " out");
      co_return status;
    };
  };
}

CallWrapper NotingCall(Notes& notes, std::string name) {
  return [&notes, name](CallFunc next) -> CallFunc {
    return [&notes, name, next](const Context& ctx, const registry::Node& node,
                                const Request& request, CallResponse response,
                                const CallOptions& options) -> Task<absl::Status> {
      notes.Add(name + " in");
      const absl::Status status = co_await next(ctx, node, request, response, options);
      notes.Add(name + " out");
      co_return status;
    };
  };
}

class NotingClient final : public ForwardingClient {
 public:
  NotingClient(Notes& notes, std::string name, std::shared_ptr<Client> next)
      : ForwardingClient(std::move(next)), notes_(notes), name_(std::move(name)) {}

  Task<absl::Status> Call(Context ctx, Request request, codec::Body response,
                          CallOptions options) override {
    notes_.Add(name_ + " in");
    const absl::Status status =
        co_await next().Call(std::move(ctx), request, response, std::move(options));
    notes_.Add(name_ + " out");
    co_return status;
  }
  Task<absl::StatusOr<std::unique_ptr<RawStream>>> Stream(Context ctx, Request request,
                                                          CallOptions options) override {
    notes_.Add(name_ + " stream");
    return next().Stream(std::move(ctx), request, std::move(options));
  }

 private:
  Notes& notes_;
  const std::string name_;
};

ClientWrapper Noting(Notes& notes, std::string name) {
  return [&notes, name](std::shared_ptr<Client> next) {
    return std::make_shared<NotingClient>(notes, name, std::move(next));
  };
}

// A Greeter with these wrappers around its handlers.
ServiceOptions Wrapped(const registry::Options& registry, std::vector<HandlerWrapper> wrappers) {
  ServiceOptions options = GreeterOptions(registry);
  options.handler_wrappers = std::move(wrappers);
  return options;
}

class Wrapper : public ::testing::Test {
 protected:
  Notes notes_;
  const registry::Options registry_ = OwnRegistry();
};

TEST_F(Wrapper, TheFirstHandlerWrapperIsOutermost) {
  RunningGreeter server(
      Wrapped(registry_, {NotingHandler(notes_, "first"), NotingHandler(notes_, "second")}));
  auto caller = NewCaller(registry_);
  helloworld::GreeterService greeter("helloworld", caller->client());
  ASSERT_THAT(BlockOn(greeter.Hello(Context(), Named("x"))), IsOk());
  EXPECT_THAT(notes_.Take(), ElementsAre("first in", "second in", "second out", "first out"));
}

TEST_F(Wrapper, TheServersOwnHandlerWrappersAreAroundTheServices) {
  ServiceOptions options = Wrapped(registry_, {NotingHandler(notes_, "service's")});
  options.server.wrappers = {NotingHandler(notes_, "server's")};
  RunningGreeter server(std::move(options));
  auto caller = NewCaller(registry_);
  helloworld::GreeterService greeter("helloworld", caller->client());
  ASSERT_THAT(BlockOn(greeter.Hello(Context(), Named("x"))), IsOk());
  EXPECT_THAT(notes_.Take(),
              ElementsAre("server's in", "service's in", "service's out", "server's out"));
}

TEST_F(Wrapper, ACallGoesThroughClientThenCallWrappersAndTheCallsOwnLast) {
  RunningGreeter server(GreeterOptions(registry_));
  auto caller =
      NewService({.name = "caller",
                  .client = {.call_wrappers = {NotingCall(notes_, "call 1")}},
                  .registry = "memory",
                  .registry_options = registry_,
                  .call_wrappers = {NotingCall(notes_, "call 2")},
                  .client_wrappers = {Noting(notes_, "client 1"), Noting(notes_, "client 2")},
                  .handle_signals = false});
  helloworld::GreeterService greeter("helloworld", caller->client());
  ASSERT_THAT(BlockOn(greeter.Hello(
                  Context(), Named("x"),
                  {.wrappers = {NotingCall(notes_, "own 1"), NotingCall(notes_, "own 2")}})),
              IsOk());
  EXPECT_THAT(notes_.Take(),
              ElementsAre("client 1 in", "client 2 in", "call 1 in", "call 2 in", "own 1 in",
                          "own 2 in", "own 2 out", "own 1 out", "call 2 out", "call 1 out",
                          "client 2 out", "client 1 out"));
  ASSERT_THAT(BlockOn(greeter.Hello(Context(), Named("x"))), IsOk());
  EXPECT_THAT(notes_.Take(),
              ElementsAre("client 1 in", "client 2 in", "call 1 in", "call 2 in", "call 2 out",
                          "call 1 out", "client 2 out", "client 1 out"));
}

TEST_F(Wrapper, ACallWrapperSeesEachAttemptAndAClientWrapperTheCall) {
  RunningGreeter server(GreeterOptions(registry_));
  auto caller = NewService({.name = "caller",
                            .registry = "memory",
                            .registry_options = registry_,
                            .call_wrappers = {NotingCall(notes_, "call")},
                            .client_wrappers = {Noting(notes_, "client")},
                            .handle_signals = false});
  helloworld::GreeterService greeter("helloworld", caller->client());
  const auto at_once = [](const Request&, int) { return absl::ZeroDuration(); };
  EXPECT_THAT(BlockOn(greeter.Fail(Context(), {},
                                   {.retries = 1, .backoff = at_once, .retry = RetryAlways})),
              IsMicroError(404));
  EXPECT_THAT(notes_.Take(),
              ElementsAre("client in", "call in", "call out", "call in", "call out", "client out"));
}

TEST_F(Wrapper, AHandlerWrapperSeesTheRequestAndTheError) {
  const HandlerWrapper looking = [&](HandlerFunc next) -> HandlerFunc {
    return [&, next](const Context& ctx, const Request& request,
                     Response response) -> Task<absl::Status> {
      notes_.Add(std::string(request.service) + " " + std::string(request.method.endpoint) + " " +
                 std::string(request.content_type) + (request.body.has_value() ? " body" : ""));
      absl::Status status = co_await next(ctx, request, response);
      notes_.Add(errors::FromStatus(status).detail);
      co_return status;
    };
  };
  RunningGreeter server(Wrapped(registry_, {looking}));
  auto caller = NewCaller(registry_);
  helloworld::GreeterService greeter("helloworld", caller->client());
  EXPECT_THAT(BlockOn(greeter.Fail(Context(), {})), IsMicroError(404));
  EXPECT_THAT(notes_.Take(),
              ElementsAre("helloworld Greeter.Fail application/grpc+proto body", "no such user"));
}

TEST_F(Wrapper, AHandlerWrapperAnswersInPlaceOfTheHandler) {
  const HandlerWrapper guard = [](HandlerFunc next) -> HandlerFunc {
    return [next](const Context& ctx, const Request& request,
                  Response response) -> Task<absl::Status> {
      if (request.method.endpoint != "Greeter.Hello")
        co_return co_await next(ctx, request, response);
      co_return errors::Forbidden("helloworld", "not you");
    };
  };
  RunningGreeter server(Wrapped(registry_, {guard, NotingHandler(notes_, "inner")}));
  auto caller = NewCaller(registry_);
  helloworld::GreeterService greeter("helloworld", caller->client());
  EXPECT_THAT(BlockOn(greeter.Hello(Context(), Named("x"))),
              IsMicroError(403, "helloworld", "not you"));
  EXPECT_THAT(notes_.Take(), IsEmpty());
  EXPECT_THAT(BlockOn(greeter.Meta(Context(), {})), IsOk());
  EXPECT_THAT(notes_.Take(), ElementsAre("inner in", "inner out"));
}

TEST_F(Wrapper, AHandlerWrapperGivesTheHandlerAnotherContext) {
  const HandlerWrapper signing = [](HandlerFunc next) -> HandlerFunc {
    return [next](const Context& ctx, const Request& request,
                  Response response) -> Task<absl::Status> {
      co_return co_await next(WithMetadata(ctx, "Account", "ada"), request, response);
    };
  };
  RunningGreeter server(Wrapped(registry_, {signing}));
  auto caller = NewCaller(registry_);
  helloworld::GreeterService greeter("helloworld", caller->client());
  const auto response = BlockOn(greeter.Meta(Context(), {}));
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->metadata().at("Account"), "ada");
}

TEST_F(Wrapper, AnExceptionInAHandlerWrapperIsAnError) {
  const HandlerWrapper broken = [](HandlerFunc) -> HandlerFunc {
    return [](const Context&, const Request&, Response) -> Task<absl::Status> {
      throw std::runtime_error("out of order");
      co_return absl::OkStatus();
    };
  };
  RunningGreeter server(Wrapped(registry_, {broken}));
  auto caller = NewCaller(registry_);
  helloworld::GreeterService greeter("helloworld", caller->client());
  EXPECT_THAT(BlockOn(greeter.Hello(Context(), Named("x"))),
              IsMicroError(500, "helloworld", HasSubstr("out of order")));
}

TEST_F(Wrapper, ACallWrapperSendsOtherMetadata) {
  RunningGreeter server(GreeterOptions(registry_));
  const CallWrapper tracing = [](CallFunc next) -> CallFunc {
    return [next](const Context& ctx, const registry::Node& node, const Request& request,
                  CallResponse response, const CallOptions& options) -> Task<absl::Status> {
      co_return co_await next(WithMetadata(ctx, "X-Trace-Id", "abc"), node, request, response,
                              options);
    };
  };
  auto caller = NewCaller(registry_, {.call_wrappers = {tracing}});
  helloworld::GreeterService greeter("helloworld", caller->client());
  const auto response = BlockOn(greeter.Meta(Context(), {}));
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->metadata().at("x-trace-id"), "abc");
}

TEST_F(Wrapper, ACallWrapperSendsOtherMetadataWithAStreamToo) {
  class Telling final : public interop::Greeter {
    Task<absl::Status> Chat(
        const Context& ctx,
        Stream<helloworld::ChatMessage, helloworld::ChatMessage>& stream) override {
      helloworld::ChatMessage message;
      message.set_text(std::string(ctx.metadata().Get("x-trace-id").value_or("none")));
      co_return co_await stream.Send(message);
    }
  };
  RunningGreeter server(GreeterOptions(registry_), std::make_shared<Telling>());
  const CallWrapper tracing = [](CallFunc next) -> CallFunc {
    return [next](const Context& ctx, const registry::Node& node, const Request& request,
                  CallResponse response, const CallOptions& options) -> Task<absl::Status> {
      co_return co_await next(WithMetadata(ctx, "X-Trace-Id", "abc"), node, request, response,
                              options);
    };
  };
  auto caller = NewCaller(registry_, {.call_wrappers = {tracing}});
  helloworld::GreeterService greeter("helloworld", caller->client());
  auto stream = BlockOn(greeter.Chat(Context()));
  ASSERT_THAT(stream, IsOk());
  const auto told = BlockOn(stream->Recv());
  ASSERT_THAT(told, IsOk());
  ASSERT_TRUE(told->has_value());
  EXPECT_EQ((*told)->text(), "abc");
}

TEST_F(Wrapper, ACallWrapperThatOpensNoStreamIsAnError) {
  RunningGreeter server(GreeterOptions(registry_));
  const CallWrapper idle = [](CallFunc) -> CallFunc {
    return [](const Context&, const registry::Node&, const Request&, CallResponse,
              const CallOptions&) -> Task<absl::Status> { co_return absl::OkStatus(); };
  };
  auto caller = NewCaller(registry_, {.call_wrappers = {idle}});
  helloworld::GreeterService greeter("helloworld", caller->client());
  EXPECT_THAT(BlockOn(greeter.Chat(Context())).status(),
              IsMicroError(500, "go.micro.client", HasSubstr("without opening the stream")));
}

TEST_F(Wrapper, ACallWrapperAnswersWithoutTheNode) {
  RunningGreeter server(Wrapped(registry_, {NotingHandler(notes_, "handler")}));
  const CallWrapper breaker = [](CallFunc) -> CallFunc {
    return [](const Context&, const registry::Node&, const Request&, CallResponse,
              const CallOptions&) -> Task<absl::Status> {
      co_return errors::New(errors::kClientId, "circuit open", 502);
    };
  };
  auto caller = NewCaller(registry_, {.call_wrappers = {breaker}});
  helloworld::GreeterService greeter("helloworld", caller->client());
  EXPECT_THAT(BlockOn(greeter.Hello(Context(), Named("x"))),
              IsMicroError(502, "go.micro.client", "circuit open"));
  EXPECT_THAT(notes_.Take(), IsEmpty());
}

TEST_F(Wrapper, ACallWrapperTurnsAnErrorIntoAnother) {
  RunningGreeter server(GreeterOptions(registry_));
  const CallWrapper forgiving = [](CallFunc next) -> CallFunc {
    return [next](const Context& ctx, const registry::Node& node, const Request& request,
                  CallResponse response, const CallOptions& options) -> Task<absl::Status> {
      const absl::Status status = co_await next(ctx, node, request, response, options);
      co_return absl::IsNotFound(status) ? absl::OkStatus() : status;
    };
  };
  auto caller = NewCaller(registry_);
  helloworld::GreeterService greeter("helloworld", caller->client());
  EXPECT_THAT(BlockOn(greeter.Fail(Context(), {}, {.wrappers = {forgiving}})), IsOk());
  EXPECT_THAT(BlockOn(greeter.Fail(Context(), {})), IsMicroError(404));
}

TEST_F(Wrapper, AClientWrapperSeesStreamsToo) {
  RunningGreeter server(GreeterOptions(registry_));
  auto caller = NewService({.name = "caller",
                            .registry = "memory",
                            .registry_options = registry_,
                            .client_wrappers = {Noting(notes_, "outer"), Noting(notes_, "inner")},
                            .handle_signals = false});
  helloworld::GreeterService greeter("helloworld", caller->client());
  EXPECT_THAT(BlockOn(greeter.Chat(Context())), IsOk());
  EXPECT_THAT(notes_.Take(), ElementsAre("outer stream", "inner stream"));
}

TEST_F(Wrapper, HandlerWrappersAreAroundAStreamsWholeLife) {
  const HandlerWrapper looking = [&](HandlerFunc next) -> HandlerFunc {
    return [&, next](const Context& ctx, const Request& request,
                     Response response) -> Task<absl::Status> {
      notes_.Add(std::string(request.method.endpoint) +
                 (request.stream() ? " is a stream" : " is a call") +
                 (response.stream != nullptr ? ", has one" : "") +
                 (request.body.has_value() ? ", has a body" : ""));
      absl::Status status = co_await next(ctx, request, response);
      notes_.Add("ended");
      co_return status;
    };
  };
  RunningGreeter server(Wrapped(registry_, {looking}));
  auto caller = NewCaller(registry_);
  helloworld::GreeterService greeter("helloworld", caller->client());
  const auto count = [&]() -> Task<absl::StatusOr<int>> {
    helloworld::CountRequest request;
    request.set_n(3);
    CO_ASSIGN_OR_RETURN(auto stream, co_await greeter.Count(Context(), request));
    for (int seen = 0;; ++seen) {
      CO_ASSIGN_OR_RETURN(const auto response, co_await stream.Recv());
      if (!response.has_value()) co_return seen;
    }
  };
  EXPECT_THAT(BlockOn(count()), IsOkAndHolds(3));
  EXPECT_THAT(notes_.Take(), ElementsAre("Greeter.Count is a stream, has one", "ended"));
}

// Counts what a handler sends through its stream.
class CountingStream final : public RawStream {
 public:
  CountingStream(RawStream& raw, int& sent) : raw_(raw), sent_(sent) {}
  Task<absl::Status> Send(codec::ConstBody message) override {
    ++sent_;
    return raw_.Send(message);
  }
  Task<absl::StatusOr<bool>> Recv(codec::Body message) override { return raw_.Recv(message); }
  Task<absl::Status> CloseSend() override { return raw_.CloseSend(); }
  void Cancel() override { raw_.Cancel(); }

 private:
  RawStream& raw_;
  int& sent_;
};

TEST_F(Wrapper, AHandlerWrapperPutsItsOwnStreamInBetween) {
  const HandlerWrapper counting = [&](HandlerFunc next) -> HandlerFunc {
    return [&, next](const Context& ctx, const Request& request,
                     Response response) -> Task<absl::Status> {
      int sent = 0;
      CountingStream stream(*response.stream, sent);
      absl::Status status = co_await next(ctx, request, {.message = nullptr, .stream = &stream});
      notes_.Add("sent " + std::to_string(sent));
      co_return status;
    };
  };
  RunningGreeter server(Wrapped(registry_, {counting}));
  auto caller = NewCaller(registry_);
  helloworld::GreeterService greeter("helloworld", caller->client());
  const auto sum = [&]() -> Task<absl::StatusOr<int64_t>> {
    CO_ASSIGN_OR_RETURN(auto stream, co_await greeter.Sum(Context()));
    CO_ASSIGN_OR_RETURN(const helloworld::SumResponse response, co_await stream.CloseAndRecv());
    co_return response.total();
  };
  EXPECT_THAT(BlockOn(sum()), IsOkAndHolds(0));
  server.Stop();  // after the handler's end
  EXPECT_THAT(notes_.Take(), ElementsAre("sent 1"));
}

TEST_F(Wrapper, AHandlerWrapperRefusesAStream) {
  const HandlerWrapper closed = [](HandlerFunc) -> HandlerFunc {
    return [](const Context&, const Request&, Response) -> Task<absl::Status> {
      co_return errors::TooManyRequests("helloworld", "too many streams");
    };
  };
  RunningGreeter server(Wrapped(registry_, {closed}));
  auto caller = NewCaller(registry_);
  helloworld::GreeterService greeter("helloworld", caller->client());
  const auto chat = [&]() -> Task<absl::Status> {
    CO_ASSIGN_OR_RETURN(auto stream, co_await greeter.Chat(Context()));
    co_return (co_await stream.Recv()).status();
  };
  EXPECT_THAT(BlockOn(chat()), IsMicroError(429, "helloworld", "too many streams"));
}

}  // namespace
}  // namespace micro
