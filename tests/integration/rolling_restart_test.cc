// Nodes that are stopped and replaced one after the other, while another process calls them.
#include <gmock/gmock.h>

#include <deque>
#include <map>
#include <tuple>

#include "core/async.h"
#include "core/mutex.h"
#include "core/task_scope.h"
#include "core/testing/eventually.h"
#include "tests/integration/greeter_services.h"
#include "tests/integration/spawned_greeter.h"
#include "tests/services/service_process.h"

namespace micro {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr size_t kNodes = 3;
constexpr int kRestarts = 10;
constexpr int kCallers = 8;

class RollingRestart : public ::testing::TestWithParam<std::tuple<const char*, const char*>> {
 protected:
  void SetUp() override {
    const auto [registry, wire] = GetParam();
    std::string address = "lo";
    if (registry == std::string("consul")) {
      auto consul = services::StartConsul();
      ASSERT_THAT(consul, IsOk());
      consul_ = *std::move(consul);
      address = consul_->address();
    }
    flags_ = {std::string("--server=") + wire, std::string("--registry=") + registry,
              "--registry_address=" + address};
    caller_ = NewService({.name = "caller",
                          .registry = registry,
                          .registry_options = {.addresses = {address}},
                          .handle_signals = false});
  }

  std::unique_ptr<services::ServiceProcess> consul_;
  std::vector<std::string> flags_;
  std::unique_ptr<Service> caller_;
};

INSTANTIATE_TEST_SUITE_P(RegistriesAndWires, RollingRestart,
                         ::testing::Combine(::testing::Values("consul", "mdns"),
                                            ::testing::Values("grpc", "rpc")),
                         [](const auto& param) {
                           return std::string(std::get<0>(param.param)) + "_" +
                                  std::get<1>(param.param);
                         });

TEST_P(RollingRestart, LosesNoCall) {
  std::deque<SpawnedGreeter> nodes;
  while (nodes.size() < kNodes) nodes.emplace_back(flags_);

  const helloworld::GreeterService greeter("helloworld", caller_->client());
  ASSERT_TRUE(Eventually([&] { return BlockOn(greeter.Hello(Context(), Named("x"))).ok(); }));
  std::atomic<bool> over = false;
  std::atomic<int> answers = 0;
  Mutex mutex;
  std::vector<absl::Status> failures;
  const auto call = [&]() -> Task<void> {
    while (!over) {
      const auto response = co_await greeter.Hello(Context(), Named("x"));
      ++answers;
      if (!response.ok()) {
        MutexLock lock(mutex);
        failures.push_back(response.status());
      }
      (void)co_await Sleep(Context(), absl::Milliseconds(1));
    }
  };
  TaskScope scope;
  for (int i = 0; i < kCallers; ++i) Spawn(scope, call());

  for (int i = 0; i < kRestarts; ++i) {
    nodes.emplace_back(flags_);
    const int before = answers;
    EXPECT_TRUE(Eventually([&] { return answers > before + 10; }));
    nodes.front().Signal(SIGTERM);
    EXPECT_EQ(nodes.front().Wait(), 0);
    EXPECT_THAT(nodes.front().Log(), HasSubstr("INFO stopped"));
    nodes.pop_front();
  }
  over = true;
  scope.Join();
  EXPECT_THAT(failures, IsEmpty()) << "of " << answers << " calls";
}

}  // namespace
}  // namespace micro
