// Generated handlers and clients, put together over a loopback: one process, no wire.
#include <gmock/gmock.h>
#include <google/protobuf/message.h>
#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "cmd/protoc-gen-micro-cpp/testdata/deprecated.micro.h"
#include "cmd/protoc-gen-micro-cpp/testdata/kinds.micro.h"
#include "cmd/protoc-gen-micro-cpp/testdata/messages.micro.h"
#include "cmd/protoc-gen-micro-cpp/testdata/names.micro.h"
#include "cmd/protoc-gen-micro-cpp/testdata/shop/v1/shop.micro.h"
#include "core/errors.h"
#include "core/status_macros.h"
#include "micro/client.h"
#include "micro/server.h"

namespace micro {
namespace {

using ::acme::shop::v1::CartServiceHandler;
using ::generator::kinds::Number;
using ::generator::kinds::NumbersHandler;
using ::generator::kinds::NumbersMethods;
using ::generator::kinds::NumbersService;
using ::generator::kinds::RegisterNumbersHandler;
using ::testing::ElementsAre;
using ::testing::Pair;

// Messages on their way in one direction.
class Queue {
 public:
  void Push(std::string message) {
    MutexLock lock(mutex_);
    messages_.push_back(std::move(message));
    changed_.NotifyAll();
  }
  void Close() {
    MutexLock lock(mutex_);
    closed_ = true;
    changed_.NotifyAll();
  }
  // Blocks the thread; none when the queue was closed.
  std::optional<std::string> Pop() {
    MutexLock lock(mutex_);
    while (messages_.empty() && !closed_) changed_.Wait(mutex_);
    if (messages_.empty()) return std::nullopt;
    std::string message = std::move(messages_.front());
    messages_.pop_front();
    return message;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::deque<std::string> messages_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

// One end of a stream.
class QueueStream : public RawStream {
 public:
  QueueStream(Queue& in, Queue& out) : in_(in), out_(out) {}

  Task<absl::Status> Send(codec::ConstBody message) override {
    out_.Push(message.message()->SerializeAsString());
    co_return absl::OkStatus();
  }
  Task<absl::StatusOr<bool>> Recv(codec::Body message) override {
    const std::optional<std::string> bytes = in_.Pop();
    if (!bytes.has_value()) co_return false;
    message.message()->ParseFromString(*bytes);
    co_return true;
  }
  Task<absl::Status> CloseSend() override { co_return absl::UnimplementedError("no half-close"); }
  void Cancel() override { in_.Close(); }

 private:
  Queue& in_;
  Queue& out_;
};

struct Queues {
  Queue requests;
  Queue responses;
};

// A caller's end; the handler runs on a thread of its own.
class LoopbackStream final : private Queues, public QueueStream {
 public:
  LoopbackStream(const HandlerEndpoint& endpoint, bool half_close)
      : QueueStream(responses, requests), half_close_(half_close), handler_([this, &endpoint] {
          QueueStream served(requests, responses);
          const Request request{
              .service = "numbers", .method = endpoint.method, .content_type = {}, .body = {}};
          status_ =
              BlockOn(endpoint.handle(Context(), request, {.message = nullptr, .stream = &served}));
          responses.Close();
        }) {}
  ~LoopbackStream() override {
    requests.Close();
    handler_.join();
  }

  Task<absl::StatusOr<bool>> Recv(codec::Body message) override {
    absl::StatusOr<bool> more = co_await QueueStream::Recv(message);
    if (more.ok() && !*more && !status_.ok()) co_return status_;
    co_return more;
  }
  Task<absl::Status> CloseSend() override {
    if (!half_close_) return QueueStream::CloseSend();
    requests.Close();
    return Ok();
  }

 private:
  static Task<absl::Status> Ok() { co_return absl::OkStatus(); }

  const bool half_close_;
  absl::Status status_;  // written before `responses` is closed, read after
  std::thread handler_;
};

class FakeServer final : public Server {
 public:
  void Handle(Handler handler) override { handlers.push_back(std::move(handler)); }
  void Subscribe(Subscriber) override {}
  Task<absl::Status> Start(Context) override { co_return absl::OkStatus(); }
  Task<absl::Status> Stop(Context) override { co_return absl::OkStatus(); }
  const ServerOptions& options() const override { return options_; }
  registry::Service record() const override { return {}; }

  const HandlerEndpoint& Find(std::string_view name) const {
    for (const Handler& handler : handlers) {
      for (const HandlerEndpoint& endpoint : handler.endpoints) {
        if (endpoint.method.endpoint == name) return endpoint;
      }
    }
    throw std::out_of_range(std::string(name));
  }

  std::vector<Handler> handlers;

 private:
  ServerOptions options_;
};

class LoopbackClient final : public Client {
 public:
  explicit LoopbackClient(const FakeServer& server) : server_(server) {}

  Task<absl::Status> Call(Context ctx, Request request, codec::Body response,
                          CallOptions options) override {
    Note(request, options);
    const HandlerEndpoint& endpoint = server_.Find(request.method.endpoint);
    const std::unique_ptr<Exchange> exchange = endpoint.new_exchange();
    exchange->request().CopyFrom(*request.body->message());
    request.body = exchange->request();
    CO_RETURN_IF_ERROR(co_await endpoint.handle(
        ctx, request, {.message = &exchange->response(), .stream = nullptr}));
    response.message()->CopyFrom(exchange->response());
    co_return absl::OkStatus();
  }

  Task<absl::StatusOr<std::unique_ptr<RawStream>>> Stream(Context, Request request,
                                                          CallOptions options) override {
    Note(request, options);
    co_return std::make_unique<LoopbackStream>(server_.Find(request.method.endpoint), half_close);
  }
  Task<absl::Status> Publish(Context, std::string, codec::ConstBody, PublishOptions) override {
    co_return absl::UnimplementedError("generated code publishes nothing");
  }

  bool half_close = true;
  std::string service;  // of the last call
  std::string path;
  std::string content_type;

 private:
  void Note(const Request& request, const CallOptions& options) {
    service = request.service;
    path = request.method.grpc_path;
    content_type = options.content_type;
  }

  const FakeServer& server_;
};

// A client whose streams have ended before their first message.
class RefusingClient final : public Client {
 public:
  explicit RefusingClient(absl::Status sent) : sent_(std::move(sent)) {}

  Task<absl::Status> Call(Context, Request, codec::Body, CallOptions) override {
    co_return absl::OkStatus();
  }
  Task<absl::StatusOr<std::unique_ptr<RawStream>>> Stream(Context, Request, CallOptions) override {
    co_return std::make_unique<EndedStream>(sent_);
  }
  Task<absl::Status> Publish(Context, std::string, codec::ConstBody, PublishOptions) override {
    co_return absl::UnimplementedError("generated code publishes nothing");
  }

 private:
  struct EndedStream final : RawStream {
    explicit EndedStream(absl::Status sent) : sent(std::move(sent)) {}
    Task<absl::Status> Send(codec::ConstBody) override { co_return sent; }
    Task<absl::StatusOr<bool>> Recv(codec::Body) override {
      co_return absl::UnauthenticatedError("who are you");
    }
    Task<absl::Status> CloseSend() override { co_return sent; }
    void Cancel() override {}

    const absl::Status sent;
  };

  const absl::Status sent_;
};

class Numbers final : public NumbersHandler {
  Task<absl::Status> Double(const Context&, const Number& request, Number& response) override {
    response.set_value(2 * request.value());
    co_return absl::OkStatus();
  }
  Task<absl::Status> Count(const Context&, const Number& request,
                           SendStream<Number>& stream) override {
    for (Number number; number.value() < request.value(); number.set_value(number.value() + 1)) {
      CO_RETURN_IF_ERROR(co_await stream.Send(number));
    }
    co_return absl::OkStatus();
  }
  Task<absl::Status> Sum(const Context&, RecvStream<Number>& stream, Number& response) override {
    while (true) {
      CO_ASSIGN_OR_RETURN(const std::optional<Number> number, co_await stream.Recv());
      if (!number.has_value()) co_return absl::OkStatus();
      response.set_value(response.value() + number->value());
    }
  }
  Task<absl::Status> Square(const Context&, Stream<Number, Number>& stream) override {
    while (true) {
      CO_ASSIGN_OR_RETURN(std::optional<Number> number, co_await stream.Recv());
      if (!number.has_value()) co_return absl::OkStatus();
      number->set_value(number->value() * number->value());
      CO_RETURN_IF_ERROR(co_await stream.Send(*number));
    }
  }
};

Number Of(int64_t value) {
  Number number;
  number.set_value(value);
  return number;
}

// What is left of the stream.
template <class Stream>
Task<absl::StatusOr<std::vector<int64_t>>> Drain(Stream& stream) {
  std::vector<int64_t> values;
  while (true) {
    CO_ASSIGN_OR_RETURN(const std::optional<Number> number, co_await stream.Recv());
    if (!number.has_value()) co_return values;
    values.push_back(number->value());
  }
}

struct Loopback {
  Loopback() { RegisterNumbersHandler(server, std::make_shared<Numbers>()); }

  FakeServer server;
  std::shared_ptr<LoopbackClient> client = std::make_shared<LoopbackClient>(server);
  NumbersService numbers{"numbers", client};
};

void ExpectNotImplemented(const absl::Status& status, std::string_view detail) {
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented) << status;
  EXPECT_EQ(errors::FromStatus(status).code, 501);
  EXPECT_EQ(errors::FromStatus(status).detail, detail);
}

TEST(GeneratedCode, CarriesAUnaryCallToItsHandler) {
  Loopback loop;
  const absl::StatusOr<Number> reply = BlockOn(loop.numbers.Double(Context(), Of(21)));
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->value(), 42);
}

TEST(GeneratedCode, CallsTheRegisteredNameByThePathOfTheProtoPackage) {
  Loopback loop;
  (void)BlockOn(loop.numbers.Double(Context(), Of(1), {.content_type = "application/json"}));
  EXPECT_EQ(loop.client->service, "numbers");
  EXPECT_EQ(loop.client->path, "/generator.kinds.Numbers/Double");
  EXPECT_EQ(loop.client->content_type, "application/json");
}

TEST(GeneratedCode, StreamsResponsesOfOneRequest) {
  Loopback loop;
  auto stream = BlockOn(loop.numbers.Count(Context(), Of(3)));
  ASSERT_TRUE(stream.ok()) << stream.status();
  EXPECT_THAT(BlockOn(Drain(*stream)).value(), ElementsAre(0, 1, 2));
}

TEST(GeneratedCode, StreamsResponsesOnAWireWithoutHalfClose) {
  Loopback loop;
  loop.client->half_close = false;
  auto stream = BlockOn(loop.numbers.Count(Context(), Of(2)));
  ASSERT_TRUE(stream.ok()) << stream.status();
  EXPECT_THAT(BlockOn(Drain(*stream)).value(), ElementsAre(0, 1));
}

TEST(GeneratedCode, LetsRecvTellWhyAStreamEndedBeforeItsRequest) {
  NumbersService numbers(
      "numbers", std::make_shared<RefusingClient>(absl::CancelledError("the call has ended")));
  auto stream = BlockOn(numbers.Count(Context(), Of(3)));
  ASSERT_TRUE(stream.ok()) << stream.status();
  EXPECT_EQ(BlockOn(stream->Recv()).status().code(), absl::StatusCode::kUnauthenticated);
}

TEST(GeneratedCode, DoesNotOpenAStreamWhoseRequestCannotBeSent) {
  NumbersService numbers("numbers",
                         std::make_shared<RefusingClient>(absl::InvalidArgumentError("too large")));
  EXPECT_EQ(BlockOn(numbers.Count(Context(), Of(3))).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(GeneratedCode, StreamsRequestsToOneResponse) {
  Loopback loop;
  auto stream = BlockOn(loop.numbers.Sum(Context()));
  ASSERT_TRUE(stream.ok()) << stream.status();
  for (int value : {1, 2, 4}) ASSERT_TRUE(BlockOn(stream->Send(Of(value))).ok());
  EXPECT_EQ(BlockOn(stream->CloseAndRecv()).value().value(), 7);
}

TEST(GeneratedCode, StreamsBothWays) {
  Loopback loop;
  auto stream = BlockOn(loop.numbers.Square(Context()));
  ASSERT_TRUE(stream.ok()) << stream.status();
  ASSERT_TRUE(BlockOn(stream->Send(Of(3))).ok());
  EXPECT_EQ(BlockOn(stream->Recv()).value()->value(), 9);
  ASSERT_TRUE(BlockOn(stream->Send(Of(4))).ok());
  ASSERT_TRUE(BlockOn(stream->CloseSend()).ok());
  EXPECT_THAT(BlockOn(Drain(*stream)).value(), ElementsAre(16));
}

TEST(GeneratedCode, AnswersNotImplementedWhereNobodyWroteTheMethod) {
  Loopback loop;
  ExpectNotImplemented(BlockOn(loop.numbers.Missing(Context(), Of(1))).status(),
                       "Numbers.Missing is not implemented");
  auto count = BlockOn(loop.numbers.MissingCount(Context(), Of(1))).value();
  ExpectNotImplemented(BlockOn(count.Recv()).status(), "Numbers.MissingCount is not implemented");
  auto sum = BlockOn(loop.numbers.MissingSum(Context())).value();
  ExpectNotImplemented(BlockOn(sum.CloseAndRecv()).status(),
                       "Numbers.MissingSum is not implemented");
  auto square = BlockOn(loop.numbers.MissingSquare(Context())).value();
  ExpectNotImplemented(BlockOn(square.Recv()).status(), "Numbers.MissingSquare is not implemented");
}

TEST(GeneratedCode, LetsACallOutliveTheObjectItWasMadeWith) {
  Loopback loop;
  auto numbers = std::make_unique<NumbersService>(std::string(64, 'n'), loop.client);
  auto call = numbers->Double(Context(), Of(4));
  auto stream = numbers->Count(Context(), Of(1));
  numbers.reset();
  EXPECT_EQ(BlockOn(std::move(call)).value().value(), 8);
  auto opened = BlockOn(std::move(stream)).value();
  EXPECT_THAT(BlockOn(Drain(opened)).value(), ElementsAre(0));
  EXPECT_EQ(loop.client->service, std::string(64, 'n'));
}

TEST(GeneratedCode, KeepsTheHandlerAliveInItsEndpoints) {
  FakeServer server;
  auto handler = std::make_shared<Numbers>();
  const std::weak_ptr<Numbers> watched = handler;
  RegisterNumbersHandler(server, std::move(handler));
  EXPECT_FALSE(watched.expired());
  server.handlers.clear();
  EXPECT_TRUE(watched.expired());
}

TEST(GeneratedCode, ListsEndpointsByName) {
  Loopback loop;
  ASSERT_EQ(loop.server.handlers.size(), 1u);
  const Handler& handler = loop.server.handlers[0];
  EXPECT_EQ(handler.name, "Numbers");
  EXPECT_FALSE(handler.internal);
  std::vector<std::string> names;
  for (const HandlerEndpoint& endpoint : handler.endpoints)
    names.emplace_back(endpoint.method.endpoint);
  EXPECT_THAT(names, ElementsAre("Numbers.Count", "Numbers.Double", "Numbers.Missing",
                                 "Numbers.MissingCount", "Numbers.MissingSquare",
                                 "Numbers.MissingSum", "Numbers.Square", "Numbers.Sum"));
}

TEST(GeneratedCode, DescribesEachMethodsKindAndTypes) {
  Loopback loop;
  EXPECT_EQ(loop.server.Find("Numbers.Double").method.kind, MethodKind::kUnary);
  EXPECT_EQ(loop.server.Find("Numbers.Count").method.kind, MethodKind::kServerStreaming);
  EXPECT_EQ(loop.server.Find("Numbers.Sum").method.kind, MethodKind::kClientStreaming);
  EXPECT_EQ(loop.server.Find("Numbers.Square").method.kind, MethodKind::kBidi);
  EXPECT_EQ(loop.server.Find("Numbers.Double").request, Number::descriptor());
  EXPECT_EQ(loop.server.Find("Numbers.Double").response, Number::descriptor());
  static_assert(NumbersMethods::Sum.kind == MethodKind::kClientStreaming);
  static_assert(NumbersMethods::Sum.endpoint == "Numbers.Sum");
}

TEST(GeneratedCode, AdvertisesStreamsAndRestPaths) {
  FakeServer server;
  acme::shop::v1::RegisterCartServiceHandler(server, std::make_shared<CartServiceHandler>());
  EXPECT_EQ(server.handlers[0].name, "CartService");
  EXPECT_THAT(server.Find("CartService.Odd").metadata, ElementsAre());
  EXPECT_THAT(
      server.Find("CartService.Add").metadata,
      ElementsAre(Pair("body", "*"), Pair("endpoint", "CartService.Add"), Pair("handler", "rpc"),
                  Pair("method", "POST"), Pair("path", "/v1/carts/{cart}/items")));
  EXPECT_THAT(server.Find("CartService.Watch").metadata,
              ElementsAre(Pair("body", "id"), Pair("endpoint", "CartService.Watch"),
                          Pair("handler", "rpc"), Pair("method", "PATCH"),
                          Pair("path", "/v1/carts/{id}:watch"), Pair("stream", "true")));
}

TEST(GeneratedCode, LetsOptionsAddToWhatIsAdvertised) {
  FakeServer server;
  RegisterNumbersHandler(
      server, std::make_shared<Numbers>(),
      {.endpoint_metadata = {{"Numbers.Sum", {{"stream", "perhaps"}, {"scopes", "math"}}}},
       .internal = true});
  EXPECT_TRUE(server.handlers[0].internal);
  EXPECT_THAT(server.Find("Numbers.Sum").metadata,
              ElementsAre(Pair("scopes", "math"), Pair("stream", "perhaps")));
  EXPECT_THAT(server.Find("Numbers.Count").metadata, ElementsAre(Pair("stream", "true")));
  EXPECT_THAT(server.Find("Numbers.Double").metadata, ElementsAre());
}

TEST(GeneratedCode, KeepsTheProtosNameOnTheWireWhereCppCannot) {
  class Words final : public WordList2GoHandler {
    Task<absl::Status> delete_(const ::micro::Context&, const ::class_&,
                               ::class_& response) override {
      response.set_delete_("deleted");
      co_return absl::OkStatus();
    }
  };
  FakeServer server;
  RegisterWordList2GoHandler(server, std::make_shared<Words>());
  const auto client = std::make_shared<LoopbackClient>(server);
  WordList2GoService words("words", client);
  EXPECT_EQ(BlockOn(words.delete_(Context(), class_())).value().delete_(), "deleted");
  EXPECT_EQ(client->path, "/word_list2go/delete");
  EXPECT_EQ(server.handlers[0].name, "WordList2Go");
}

}  // namespace
}  // namespace micro
