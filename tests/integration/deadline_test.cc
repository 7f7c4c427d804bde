// Deadline and cancellation on their way through two services, on both wires.
#include <gmock/gmock.h>

#include <atomic>

#include "core/async.h"
#include "core/status_macros.h"
#include "core/testing/eventually.h"
#include "tests/integration/greeter_services.h"

namespace micro {
namespace {

// The last service: answers with what is left of the deadline, or holds the call until it ends.
class Last final : public interop::Greeter {
 public:
  Task<absl::Status> Hello(const Context& ctx, const helloworld::HelloRequest& request,
                           helloworld::HelloResponse& response) override {
    response.set_greeting(absl::FormatDuration(ctx.remaining()));
    if (request.name() != "hold") co_return absl::OkStatus();
    ++held;
    absl::Status ended = co_await micro::Sleep(ctx, absl::InfiniteDuration());
    ++gone;
    co_return ended;
  }

  std::atomic<int> held = 0;
  std::atomic<int> gone = 0;
};

// The one between: passes calls on to "last" with the context that it has.
class Between final : public interop::Greeter {
 public:
  explicit Between(std::shared_ptr<Client> client) : last_("last", std::move(client)) {}
  Task<absl::Status> Hello(const Context& ctx, const helloworld::HelloRequest& request,
                           helloworld::HelloResponse& response) override {
    CO_ASSIGN_OR_RETURN(response, co_await last_.Hello(ctx, request));
    co_return absl::OkStatus();
  }

 private:
  helloworld::GreeterService last_;
};

class Deadline : public ::testing::TestWithParam<const char*> {
 protected:
  ServiceOptions Named(std::string name) const {
    ServiceOptions options = GreeterOptions(registry_);
    options.name = std::move(name);
    options.server.wire = GetParam();
    return options;
  }

  // A call through both; what was left of its deadline at the last.
  absl::StatusOr<absl::Duration> Call(Context ctx, CallOptions options = {},
                                      const std::string& name = "tell") {
    helloworld::GreeterService between("between", caller_->client());
    const auto response = BlockOn(between.Hello(ctx, micro::Named(name), std::move(options)));
    if (!response.ok()) return response.status();
    absl::Duration left;
    EXPECT_TRUE(absl::ParseDuration(response->greeting(), &left));
    return left;
  }

  const registry::Options registry_ = OwnRegistry();
  // One attempt may take long (rpc's has 5 s, else): what ends calls here is their deadline.
  const std::unique_ptr<Service> caller_ =
      NewCaller(registry_, {.connection_timeout = absl::InfiniteDuration()});
  const std::unique_ptr<Service> betweens_ =
      NewCaller(registry_, {.connection_timeout = absl::InfiniteDuration()});
  const std::shared_ptr<Last> last_ = std::make_shared<Last>();
  RunningGreeter last_service_{Named("last"), last_};
  RunningGreeter between_service_{Named("between"), std::make_shared<Between>(betweens_->client())};
};

// gRPC writes what is left with few digits: 19.98 s as "20.1 s".
absl::Duration RoundedUp(absl::Duration left) { return left * 1.02; }

TEST_P(Deadline, OfTheContextReachesTheSecondService) {
  const auto left = Call(WithTimeout(Context(), absl::Hours(2)));
  ASSERT_THAT(left, IsOk());
  EXPECT_LE(*left, RoundedUp(absl::Hours(2)));
  EXPECT_GT(*left, absl::Hours(1));
}

TEST_P(Deadline, OfTheRequestTimeoutReachesTheSecondService) {
  const auto left = Call(Context(), {.request_timeout = absl::Hours(2)});
  ASSERT_THAT(left, IsOk());
  EXPECT_LE(*left, RoundedUp(absl::Hours(2)));
  EXPECT_GT(*left, absl::Hours(1));
}

TEST_P(Deadline, IsNotProlongedByTheSecondCallsOwnTimeout) {
  const auto left = Call(WithTimeout(Context(), absl::Seconds(20)));  // its default is 30 s
  ASSERT_THAT(left, IsOk());
  EXPECT_LE(*left, RoundedUp(absl::Seconds(20)));
}

TEST_P(Deadline, EndsTheWorkOfAllServices) {
  EXPECT_THAT(Call(WithTimeout(Context(), absl::Milliseconds(100)), {.retries = 0}, "hold"),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_TRUE(Eventually([&] { return last_->gone == last_->held; }));
}

TEST_P(Deadline, ACancellationEndsTheWorkOfAllServices) {
  auto [ctx, cancel] = WithCancel(Context());
  Executor::Default().Post([&, cancel = cancel] {
    EXPECT_TRUE(Eventually([&] { return last_->held == 1; }));
    cancel();
  });
  EXPECT_THAT(Call(ctx, {.request_timeout = absl::Hours(1)}, "hold"),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_TRUE(Eventually([&] { return last_->gone == 1; }));
}

INSTANTIATE_TEST_SUITE_P(Each, Deadline, ::testing::Values("grpc", "rpc"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace micro
