// Which calls are tried again, how often, where, and until when.
#include <gmock/gmock.h>

#include <atomic>

#include "core/async.h"
#include "core/mutex.h"
#include "selector/selector.h"
#include "tests/integration/greeter_services.h"

namespace micro {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

absl::Duration AtOnce(const Request&, int) { return absl::ZeroDuration(); }

// Answers every Hello with one status, and counts them.
class Answering final : public interop::Greeter {
 public:
  explicit Answering(absl::Status status) : status_(std::move(status)) {}
  Task<absl::Status> Hello(const Context&, const helloworld::HelloRequest&,
                           helloworld::HelloResponse&) override {
    ++calls;
    co_return status_;
  }

  std::atomic<int> calls = 0;

 private:
  const absl::Status status_;
};

std::shared_ptr<Answering> TimingOut() {
  return std::make_shared<Answering>(errors::Timeout("helloworld", "too slow today"));
}

// Remembers which nodes were tried, in order.
class Attempts {
 public:
  CallWrapper Recorder() {
    return [this](CallFunc next) -> CallFunc {
      return [this, next](const Context& ctx, const registry::Node& node, const Request& request,
                          CallResponse response, const CallOptions& options) {
        {
          MutexLock lock(mutex_);
          nodes_.push_back(node.id);
        }
        return next(ctx, node, request, response, options);
      };
    };
  }
  std::vector<std::string> Take() {
    MutexLock lock(mutex_);
    return std::exchange(nodes_, {});
  }

 private:
  Mutex mutex_;
  std::vector<std::string> nodes_ ABSL_GUARDED_BY(mutex_);
};

class Retry : public ::testing::Test {
 protected:
  // A node of the Greeter's record where nobody listens.
  void RegisterDeadNode() {
    const registry::Service dead{
        .name = "helloworld",
        .version = "1.0.0",
        .nodes = {{.id = "dead", .address = "127.0.0.1:1", .metadata = {{"state", "dead"}}}}};
    ASSERT_THAT(BlockOn(caller_->registry()->Register(Context(), dead, {})), IsOk());
  }

  absl::Status Hello(CallOptions options = {}, Context ctx = {}) {
    return BlockOn(greeter_.Hello(ctx, Named("x"), std::move(options))).status();
  }

  const registry::Options registry_ = OwnRegistry();
  Attempts attempts_;
  std::unique_ptr<Service> caller_ =
      NewCaller(registry_, {.backoff = AtOnce,
                            .retry_budget = 1,  // tests/integration/policy_test.cc has that
                            .call_wrappers = {attempts_.Recorder()}});
  helloworld::GreeterService greeter_{"helloworld", caller_->client()};
};

TEST_F(Retry, TriesTimeoutsAgainFiveTimesByDefault) {
  const auto handler = TimingOut();
  RunningGreeter server(GreeterOptions(registry_), handler);
  EXPECT_THAT(Hello(), IsMicroError(408, "helloworld", "too slow today"));
  EXPECT_EQ(handler->calls, 6);
}

TEST_F(Retry, MakesOneAttemptMoreThanRetries) {
  const auto handler = TimingOut();
  RunningGreeter server(GreeterOptions(registry_), handler);
  for (const int retries : {0, 1, 3}) {
    handler->calls = 0;
    EXPECT_THAT(Hello({.retries = retries}), IsMicroError(408));
    EXPECT_EQ(handler->calls, retries + 1);
  }
}

// Answers with the error code that the name is.
class AnsweringByName final : public interop::Greeter {
 public:
  Task<absl::Status> Hello(const Context&, const helloworld::HelloRequest& request,
                           helloworld::HelloResponse&) override {
    ++calls;
    co_return errors::New("helloworld", "no", std::stoi(request.name()));
  }
  std::atomic<int> calls = 0;
};

TEST_F(Retry, LeavesEveryOtherErrorAloneByDefault) {
  const auto handler = std::make_shared<AnsweringByName>();
  RunningGreeter server(GreeterOptions(registry_), handler);
  for (const int code : {400, 401, 403, 404, 405, 409, 412, 429, 500, 501, 503, 599}) {
    handler->calls = 0;
    EXPECT_THAT(BlockOn(greeter_.Hello(Context(), Named(std::to_string(code)))),
                IsMicroError(code, "helloworld", "no"));
    EXPECT_EQ(handler->calls, 1) << "with code " << code;
  }
}

TEST_F(Retry, TriesEverythingAgainWithRetryAlways) {
  const auto handler = std::make_shared<Answering>(errors::NotFound("helloworld", "no"));
  RunningGreeter server(GreeterOptions(registry_), handler);
  EXPECT_THAT(Hello({.retries = 2, .retry = RetryAlways}), IsMicroError(404, "helloworld", "no"));
  EXPECT_EQ(handler->calls, 3);
}

TEST_F(Retry, AsksThePolicyWithTheAttemptAndItsError) {
  const auto handler = std::make_shared<Answering>(errors::Conflict("helloworld", "busy"));
  RunningGreeter server(GreeterOptions(registry_), handler);
  std::vector<int> asked;
  const RetryFunc twice = [&](const Request& request, int attempt, const absl::Status& error) {
    EXPECT_EQ(request.method.endpoint, "Greeter.Hello");
    EXPECT_THAT(error, IsMicroError(409, "helloworld", "busy"));
    asked.push_back(attempt);
    return attempt < 2;
  };
  EXPECT_THAT(Hello({.retry = twice}), IsMicroError(409));
  EXPECT_THAT(asked, ElementsAre(0, 1, 2));
  EXPECT_EQ(handler->calls, 3);
}

TEST_F(Retry, AsksForThePauseBeforeEveryAttempt) {
  RunningGreeter server(GreeterOptions(registry_), TimingOut());
  std::vector<int> asked;
  const BackoffFunc backoff = [&](const Request&, int attempt) {
    asked.push_back(attempt);
    return absl::ZeroDuration();
  };
  EXPECT_THAT(Hello({.retries = 2, .backoff = backoff}), IsMicroError(408));
  EXPECT_THAT(asked, ElementsAre(0, 1, 2));
}

TEST_F(Retry, GoesToAnotherNodeWhileThereIsOne) {
  RunningGreeter one(GreeterOptions(registry_), TimingOut()),
      other(GreeterOptions(registry_), TimingOut());
  for (int i = 0; i < 20; ++i) {
    EXPECT_THAT(Hello({.retries = 1}), IsMicroError(408));
    EXPECT_THAT(attempts_.Take(), UnorderedElementsAre(one.node_id(), other.node_id()));
  }
}

TEST_F(Retry, GoesToTheOnlyNodeAgain) {
  RunningGreeter server(GreeterOptions(registry_), TimingOut());
  EXPECT_THAT(Hello({.retries = 2}), IsMicroError(408));
  EXPECT_THAT(attempts_.Take(), ElementsAre(server.node_id(), server.node_id(), server.node_id()));
}

TEST_F(Retry, GoesThroughGivenAddressesInTurn) {
  RunningGreeter server(GreeterOptions(registry_));
  EXPECT_THAT(Hello({.addresses = {"127.0.0.1:1", server.address()},
                     .retries = 1,
                     .retry = RetryOnErrorOrUnsent}),
              IsOk());
  EXPECT_THAT(attempts_.Take(), ElementsAre("127.0.0.1:1", server.address()));
}

TEST_F(Retry, SendsWhatNeverLeftToAnotherNode) {
  RegisterDeadNode();
  RunningGreeter server(GreeterOptions(registry_));
  bool met_the_dead = false;
  for (int i = 0; i < 200 && !met_the_dead; ++i) {
    EXPECT_THAT(Hello({.retries = 1, .retry = RetryOnErrorOrUnsent}), IsOk());
    met_the_dead = attempts_.Take().size() == 2;
  }
  EXPECT_TRUE(met_the_dead);
}

TEST_F(Retry, DoesNotTakeAnAnswerForSomethingUnsent) {
  const auto handler =
      std::make_shared<Answering>(absl::UnavailableError("failed to connect to all addresses"));
  RunningGreeter server(GreeterOptions(registry_), handler);
  EXPECT_THAT(Hello({.retry = RetryOnErrorOrUnsent}), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(handler->calls, 1);
}

TEST_F(Retry, AvoidsANodeThatCouldNotBeReached) {
  RegisterDeadNode();
  RunningGreeter server(GreeterOptions(registry_));
  // Eight failures in a row keep the node out for ten seconds.
  for (int i = 0; i < 8; ++i) {
    EXPECT_THAT(
        Hello({.select = {.filters = {selector::Label("state", "dead")}}}),
        StatusIs(absl::StatusCode::kUnavailable, HasSubstr("connection error: 127.0.0.1:1")));
  }
  EXPECT_THAT(attempts_.Take(), Each("dead"));
  for (int i = 0; i < 50; ++i) EXPECT_THAT(Hello(), IsOk());
  EXPECT_THAT(attempts_.Take(), Each(server.node_id()));
}

TEST_F(Retry, ReturnsTheLastErrorInsteadOfWaitingPastTheDeadline) {
  const auto handler = TimingOut();
  RunningGreeter server(GreeterOptions(registry_), handler);
  const BackoffFunc an_hour = [](const Request&, int attempt) { return attempt * absl::Hours(1); };
  EXPECT_THAT(Hello({.backoff = an_hour}, WithTimeout(Context(), absl::Minutes(30))),
              IsMicroError(408, "helloworld", "too slow today"));
  EXPECT_EQ(handler->calls, 1);
}

// Holds every Hello until its caller's deadline.
class Hanging final : public interop::Greeter {
 public:
  Task<absl::Status> Hello(const Context& ctx, const helloworld::HelloRequest&,
                           helloworld::HelloResponse&) override {
    co_return co_await micro::Sleep(ctx, absl::InfiniteDuration());
  }
};

TEST_F(Retry, TheCallersDeadlineBoundsAllAttemptsTogether) {
  RunningGreeter server(GreeterOptions(registry_), std::make_shared<Hanging>());
  EXPECT_THAT(Hello({.retries = 1000, .retry = RetryAlways},
                    WithTimeout(Context(), absl::Milliseconds(200))),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  // The server may see the end a moment before the caller, who then has time for a few very short
  // ones.
  EXPECT_LT(attempts_.Take().size(), 100u);
}

TEST_F(Retry, TheRequestTimeoutBoundsAllAttemptsTogether) {
  RunningGreeter server(GreeterOptions(registry_), std::make_shared<Hanging>());
  EXPECT_THAT(
      Hello({.retries = 1000, .request_timeout = absl::Milliseconds(200), .retry = RetryAlways}),
      StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_LT(attempts_.Take().size(), 100u);
}

TEST_F(Retry, AContextsDeadlineCountsInsteadOfTheRequestTimeout) {
  RunningGreeter server(GreeterOptions(registry_));
  helloworld::SleepRequest request;
  request.set_ms(50);
  EXPECT_THAT(BlockOn(greeter_.Sleep(WithTimeout(Context(), absl::Minutes(5)), request,
                                     {.request_timeout = absl::Milliseconds(1)})),
              IsOk());
}

TEST_F(Retry, ACancellationEndsThePauseBetweenAttempts) {
  RunningGreeter server(GreeterOptions(registry_), TimingOut());
  auto [ctx, cancel] = WithCancel(Context());
  const BackoffFunc cancelling = [cancel = cancel](const Request&, int attempt) {
    if (attempt > 0) Executor::Default().Post(cancel);
    return attempt * absl::Minutes(30);
  };
  EXPECT_THAT(Hello({.request_timeout = absl::Hours(2), .backoff = cancelling}, ctx),
              StatusIs(absl::StatusCode::kCancelled, HasSubstr("call timeout")));
  EXPECT_EQ(attempts_.Take().size(), 1u);
}

TEST(ExponentialBackoff, IsGoMicrosTableWithItsUpperHalfAsJitter) {
  EXPECT_EQ(ExponentialBackoff({}, 0), absl::ZeroDuration());
  constexpr double kSeconds[] = {0.1,  0.6,  1.9,  4.3,  7.9,   13.0, 19.8, 28.5,
                                 39.2, 52.2, 67.7, 85.8, 106.6, 120,  120,  120};
  for (int attempt = 1; attempt <= 16; ++attempt) {
    const absl::Duration longest = absl::Seconds(kSeconds[attempt - 1]);
    absl::Duration least = absl::InfiniteDuration(), most;
    for (int i = 0; i < 1000; ++i) {
      const absl::Duration pause = ExponentialBackoff({}, attempt);
      least = std::min(least, pause);
      most = std::max(most, pause);
    }
    EXPECT_GE(least, longest / 2 - absl::Nanoseconds(1)) << "attempt " << attempt;
    EXPECT_LE(most, longest + absl::Nanoseconds(1)) << "attempt " << attempt;
    EXPECT_LT(least, longest * 0.75) << "attempt " << attempt;
    EXPECT_GT(most, longest * 0.75) << "attempt " << attempt;
  }
}

}  // namespace
}  // namespace micro
