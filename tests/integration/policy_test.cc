// What a client does by its policies: budget of retries, hedges, and what counts for which call.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cmath>

#include "core/async.h"
#include "core/response_metadata.h"
#include "core/testing/eventually.h"
#include "micro/client_policy.h"
#include "tests/integration/greeter_services.h"

namespace micro {
namespace {

using ::testing::HasSubstr;

absl::Duration AtOnce(const Request&, int) { return absl::ZeroDuration(); }

// Answers every Hello with what it is told, and counts them.
class Answering : public interop::Greeter {
 public:
  explicit Answering(int code, std::string words = "no") : code(code), words_(std::move(words)) {}
  Task<absl::Status> Hello(const Context& ctx, const helloworld::HelloRequest&,
                           helloworld::HelloResponse& response) override {
    ++calls;
    (void)SetHeader(ctx, "x-who", words_);
    if (code != 200) co_return errors::New("helloworld", words_, code);
    response.set_greeting(words_);
    co_return absl::OkStatus();
  }

  std::atomic<int> code;
  std::atomic<int> calls = 0;

 private:
  const std::string words_;
};

// Holds every Hello until its caller has gone.
class Hanging final : public interop::Greeter {
 public:
  Task<absl::Status> Hello(const Context& ctx, const helloworld::HelloRequest&,
                           helloworld::HelloResponse& response) override {
    ++calls;
    (void)SetHeader(ctx, "x-who", "hanging");
    response.set_greeting("hanging");
    absl::Status ended = co_await micro::Sleep(ctx, absl::InfiniteDuration());
    ++gone;
    co_return ended;
  }

  std::atomic<int> calls = 0;
  std::atomic<int> gone = 0;
};

class Policy : public ::testing::TestWithParam<const char*> {
 protected:
  void NewClient(ClientOptions options) {
    options.backoff = AtOnce;
    caller_ = NewCaller(registry_, std::move(options));
  }

  ServiceOptions Node() {
    ServiceOptions options = GreeterOptions(registry_);
    options.server.wire = GetParam();
    return options;
  }

  absl::StatusOr<helloworld::HelloResponse> Hello(CallOptions options = {}, Context ctx = {}) {
    helloworld::GreeterService greeter("helloworld", caller_->client());
    return BlockOn(greeter.Hello(ctx, Named("x"), std::move(options)));
  }

  const registry::Options registry_ = OwnRegistry();
  std::unique_ptr<Service> caller_;
};

// ---- What counts ----

TEST_P(Policy, TheCallCountsBeforeItsEndpointThatBeforeItsServiceAndThatBeforeTheClient) {
  const auto handler = std::make_shared<Answering>(408);
  RunningGreeter server(Node(), handler);
  const auto policies = std::make_shared<ClientPolicies>();
  NewClient({.retries = 1, .retry_budget = 1, .policies = policies});
  const auto tried = [&](CallOptions options = {}) {
    handler->calls = 0;
    EXPECT_THAT(Hello(std::move(options)), IsMicroError(408));
    return handler->calls - 1;
  };
  EXPECT_EQ(tried(), 1);
  policies->Replace({{"helloworld", {.calls = {.retries = 2}}}});
  EXPECT_EQ(tried(), 2);
  policies->Replace(
      {{"helloworld",
        {.calls = {.retries = 2}, .endpoints = {{"Greeter.Hello", {.retries = 3}}}}}});
  EXPECT_EQ(tried(), 3);
  EXPECT_EQ(tried({.retries = 4}), 4);
  policies->Replace({{"another", {.calls = {.retries = 5}}}});
  EXPECT_EQ(tried(), 1);
}

TEST_P(Policy, TimeoutsAreThoseOfTheEndpoint) {
  RunningGreeter server(Node(), std::make_shared<Hanging>());
  NewClient(
      {.policies = std::make_shared<ClientPolicies>(PolicyTable{
           {"helloworld",
            {.endpoints = {{"Greeter.Hello", {.request_timeout = absl::Milliseconds(20)}}}}}})});
  EXPECT_THAT(Hello({.connection_timeout = absl::Hours(1)}),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_P(Policy, OneAttemptsTimeAndWhatIsTriedAgainAreThoseOfTheService) {
  const auto hanging = std::make_shared<Hanging>();
  RunningGreeter server(Node(), hanging);
  std::atomic<int> asked = 0;
  const RetryFunc once = [&](const Request&, int attempt, const absl::Status&) {
    ++asked;
    return attempt < 1;
  };
  NewClient({.policies = std::make_shared<ClientPolicies>(PolicyTable{
                 {"helloworld",
                  {.calls = {.connection_timeout = absl::Milliseconds(20), .retry = once}}}})});
  EXPECT_THAT(Hello(), IsMicroError(408));
  EXPECT_EQ(asked, 2);
}

// ---- The budget ----

TEST_P(Policy, RetriesAreNoMoreThanAFifthOfTheCallsWhenEveryNodeIsInTrouble) {
  const auto one = std::make_shared<Answering>(503), other = std::make_shared<Answering>(503);
  RunningGreeter first(Node(), one), second(Node(), other);
  NewClient({.retry = RetryAlways});
  constexpr int kCalls = 1500;
  for (int i = 0; i < kCalls; ++i) EXPECT_THAT(Hello(), IsMicroError(503));
  EXPECT_GT(one->calls + other->calls, kCalls);
  EXPECT_LE(one->calls + other->calls, kCalls * 12 / 10);

  one->code = other->code = 200;
  for (int i = 0; i < 20; ++i) EXPECT_THAT(Hello(), IsOk());
}

TEST_P(Policy, ACallThatTheBudgetLeavesEndsWithItsLastErrorWhichSaysSo) {
  const auto handler = std::make_shared<Answering>(503, "come back later");
  RunningGreeter server(Node(), handler);
  NewClient({.retries = 3, .retry = RetryAlways, .retry_budget = 0});
  EXPECT_THAT(Hello(), IsMicroError(503, "helloworld",
                                    "come back later (not tried again: the retry budget of service "
                                    "helloworld is spent, flag --client_retry_budget)"));
  EXPECT_EQ(handler->calls, 1);
  EXPECT_THAT(Hello({.retries = 0}), IsMicroError(503, "helloworld", "come back later"));
}

TEST_P(Policy, NodesThatCannotBeReachedUseUpNoBudget) {
  RunningGreeter server(Node());
  NewClient({.wire = GetParam(), .retry_budget = 0});
  for (int i = 0; i < 100; ++i) {
    EXPECT_THAT(Hello({.addresses = {"127.0.0.1:1", server.address()}, .retries = 1}), IsOk());
  }
}

TEST(NewClient, RefusesABudgetThatIsNoShare) {
  for (const double share : {-0.1, 1.1, std::nan("")}) {
    EXPECT_THAT(NewClient({.retry_budget = share}, nullptr).status(),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--client_retry_budget")));
  }
}

// ---- Hedges ----

class Hedge : public Policy {
 protected:
  // Calls to the nodes in this order.
  CallOptions To(std::vector<std::string> addresses) {
    return {.addresses = std::move(addresses), .hedge_after = absl::Milliseconds(5)};
  }

  void SetUp() override { NewClient({.wire = GetParam()}); }

  const std::shared_ptr<Hanging> hanging_ = std::make_shared<Hanging>();
  const std::shared_ptr<Answering> answering_ = std::make_shared<Answering>(200, "quick");
  RunningGreeter slow_{Node(), hanging_};
  RunningGreeter quick_{Node(), answering_};
};

TEST_P(Hedge, AnotherNodesAnswerCountsAndTheSlowOneIsCancelled) {
  Metadata header;
  CallOptions options = To({slow_.address(), quick_.address()});
  options.header = &header;
  const auto response = Hello(options);
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->greeting(), "quick");
  if (GetParam() == std::string("grpc")) EXPECT_EQ(header.Get("x-who"), "quick");
  EXPECT_TRUE(Eventually([&] { return hanging_->gone == 1; }));
}

TEST_P(Hedge, AQuickAnswerNeedsNoOther) {
  CallOptions options = To({quick_.address(), slow_.address()});
  options.hedge_after = absl::Hours(1);
  EXPECT_EQ(Hello(options)->greeting(), "quick");
  EXPECT_EQ(hanging_->calls, 0);
}

TEST_P(Hedge, NodesOfDiscoveryAreHedgedToo) {
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(Hello({.hedge_after = absl::Milliseconds(5)})->greeting(), "quick");
  }
}

TEST_P(Hedge, GoesOnOverTheOthersWhenTheyAreSlowToo) {
  const auto more = std::make_shared<Hanging>();
  RunningGreeter slow_too(Node(), more);
  CallOptions options = To({slow_.address(), slow_too.address(), quick_.address()});
  options.max_hedges = 2;
  EXPECT_EQ(Hello(options)->greeting(), "quick");
  EXPECT_TRUE(Eventually([&] { return hanging_->gone == 1 && more->gone == 1; }));
}

TEST_P(Hedge, AnErrorThatWouldNotBeTriedAgainCountsAsAnAnswer) {
  answering_->code = 404;
  EXPECT_THAT(Hello(To({slow_.address(), quick_.address()})), IsMicroError(404));
  EXPECT_TRUE(Eventually([&] { return hanging_->gone == 1; }));
}

TEST_P(Hedge, TheCallersCancellationEndsAllAttempts) {
  const auto more = std::make_shared<Hanging>();
  RunningGreeter slow_too(Node(), more);
  auto [ctx, cancel] = WithCancel(Context());
  Executor::Default().Post([&, cancel = cancel] {
    EXPECT_TRUE(Eventually([&] { return hanging_->calls == 1 && more->calls == 1; }));
    cancel();
  });
  EXPECT_THAT(Hello(To({slow_.address(), slow_too.address()}), ctx),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_TRUE(Eventually([&] { return hanging_->gone == 1 && more->gone == 1; }));
}

TEST_P(Hedge, TheCallersDeadlineEndsAllAttempts) {
  const auto more = std::make_shared<Hanging>();
  RunningGreeter slow_too(Node(), more);
  EXPECT_THAT(Hello(To({slow_.address(), slow_too.address()}),
                    WithTimeout(Context(), absl::Milliseconds(100))),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_P(Hedge, GoesNowhereWhenThereIsNoOtherNode) {
  slow_.Stop();
  quick_.Stop();
  const auto only = std::make_shared<Hanging>();
  RunningGreeter server(Node(), only);
  EXPECT_THAT(Hello({.retries = 0, .hedge_after = absl::Milliseconds(1)},
                    WithTimeout(Context(), absl::Milliseconds(100))),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(only->calls, 1);
}

TEST_P(Hedge, GoesNowhereWithoutBudget) {
  NewClient({.wire = GetParam(), .retry_budget = 0});
  EXPECT_THAT(Hello(To({slow_.address(), quick_.address()}),
                    WithTimeout(Context(), absl::Milliseconds(100))),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(answering_->calls, 0);
}

TEST_P(Hedge, FillsFramesToo) {
  const std::string path = "Greeter.Hello";
  codec::Frame request{"{}"}, response;
  EXPECT_THAT(BlockOn(caller_->client()->Call(Context(),
                                              {.service = "helloworld",
                                               .method = {.endpoint = path},
                                               .content_type = "application/json",
                                               .body = request},
                                              response, To({slow_.address(), quick_.address()}))),
              IsOk());
  EXPECT_THAT(response.data, HasSubstr("quick"));
}

TEST_P(Hedge, TeachesTheSelectorWhichNodeIsSlow) {
  caller_ = NewService({.name = "caller",
                        .client = {.hedge_after = absl::Milliseconds(20)},
                        .registry = "memory",
                        .registry_options = registry_,
                        .selector = "p2c",
                        .handle_signals = false});
  for (int i = 0; i < 40; ++i) EXPECT_THAT(Hello(), IsOk());
  EXPECT_LT(hanging_->calls, 20);
}

// ---- Connections before calls ----

// A node of the Greeter that only notes who connects.
class Listening {
 public:
  Listening() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(fd_, 8), 0);
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    address_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }
  ~Listening() {
    for (const int peer : peers_) close(peer);
    close(fd_);
  }

  registry::Service record(const std::string& wire) const {
    return {.name = "helloworld",
            .version = "1.0.0",
            .nodes = {{.id = "listening",
                       .address = address_,
                       .metadata = {{"protocol", wire == "rpc" ? "mucp" : "grpc"}}}}};
  }

  // Who has connected so far.
  size_t connections() {
    for (int peer = 0; (peer = accept(fd_, nullptr, nullptr)) >= 0;) peers_.push_back(peer);
    return peers_.size();
  }

 private:
  const int fd_;
  std::string address_;
  std::vector<int> peers_;
};

TEST_P(Policy, ANodeThatAppearsIsConnectedToBeforeAnyCall) {
  RunningGreeter server(Node());
  for (const std::string type : {"", "application/json"}) {
    NewClient({.content_type = type});
    ASSERT_THAT(Hello(), IsOk());
    Listening node;
    const registry::Service record = node.record(GetParam());
    ASSERT_THAT(BlockOn(caller_->registry()->Register(Context(), record, {})), IsOk());
    EXPECT_TRUE(Eventually([&] { return node.connections() >= 1; }));
    ASSERT_THAT(BlockOn(caller_->registry()->Deregister(Context(), record)), IsOk());
  }
}

TEST_P(Policy, TheNodesOfTheFirstDiscoveryAreConnectedToAsWell) {
  RunningGreeter server(Node());
  NewClient({});
  Listening node;
  ASSERT_THAT(BlockOn(caller_->registry()->Register(Context(), node.record(GetParam()), {})),
              IsOk());
  ASSERT_THAT(Hello({.select = {.avoid = {"listening"}}}), IsOk());
  EXPECT_TRUE(Eventually([&] { return node.connections() >= 1; }));
}

TEST_P(Policy, AClientThatIsToldNotToWarmUpWaitsForCalls) {
  RunningGreeter server(Node());
  NewClient({.warm_up = false});
  Listening node;
  ASSERT_THAT(BlockOn(caller_->registry()->Register(Context(), node.record(GetParam()), {})),
              IsOk());
  for (int i = 0; i < 50; ++i) ASSERT_THAT(Hello({.select = {.avoid = {"listening"}}}), IsOk());
  EXPECT_EQ(node.connections(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Each, Policy, ::testing::Values("grpc", "rpc"),
                         [](const auto& info) { return std::string(info.param); });
INSTANTIATE_TEST_SUITE_P(Each, Hedge, ::testing::Values("grpc", "rpc"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace micro
