// One client, nodes of two wires: what happens when one of them dies, falls silent or never spoke
// the wire at all.
#include <gmock/gmock.h>

#include <set>

#include "core/async.h"
#include "core/mutex.h"
#include "core/task_scope.h"
#include "micro/rpc/scripted_node.h"
#include "tests/integration/greeter_services.h"
#include "tests/integration/spawned_greeter.h"

namespace micro {
namespace {

using rpc::Peer;
using rpc::ScriptedNode;
using ::testing::UnorderedElementsAre;

SpawnedGreeter Spawned(const std::string& wire) {
  return SpawnedGreeter({"--server=" + wire, "--registry=memory"});
}

registry::Node SpawnedNode(const SpawnedGreeter& greeter, const std::string& wire) {
  const std::string protocol = wire == "rpc" ? "mucp" : wire;
  return {
      .id = "node-" + protocol, .address = greeter.address(), .metadata = {{"protocol", protocol}}};
}

class Wires : public ::testing::TestWithParam<const char*> {
 protected:
  // Makes a client that knows these nodes of the Greeter.
  void Know(const std::vector<registry::Node>& nodes, ClientOptions options = {}) {
    options.call_wrappers.push_back([this](CallFunc next) -> CallFunc {
      return [this, next](const Context& ctx, const registry::Node& node, const Request& request,
                          CallResponse response, const CallOptions& call) -> Task<absl::Status> {
        absl::Status status = co_await next(ctx, node, request, response, call);
        if (status.ok()) {
          MutexLock lock(mutex_);
          answered_.insert(node.id);
        }
        co_return status;
      };
    });
    caller_ = NewCaller(registry_, std::move(options));
    const registry::Service record{.name = "helloworld", .version = "1.0.0", .nodes = nodes};
    ASSERT_THAT(BlockOn(caller_->registry()->Register(Context(), record, {})), IsOk());
  }

  // Calls that must end well, `at_once` of them at a time; and who has answered them.
  std::set<std::string> Call(int calls, int at_once) {
    {
      MutexLock lock(mutex_);
      answered_.clear();
    }
    helloworld::GreeterService greeter("helloworld", caller_->client());
    const auto hello = [&]() -> Task<void> {
      const auto response = co_await greeter.Hello(Context(), Named("x"));
      EXPECT_THAT(response, IsOk());
    };
    for (int i = 0; i < calls; i += at_once) {
      TaskScope scope;
      for (int j = 0; j < at_once; ++j) Spawn(scope, hello());
      scope.Join();
    }
    MutexLock lock(mutex_);
    return answered_;
  }

  static registry::Node NodeOf(const std::string& id, const ScriptedNode& node,
                               const std::string& protocol) {
    return {.id = id, .address = node.address(), .metadata = {{"protocol", protocol}}};
  }

  const registry::Options registry_ = OwnRegistry();
  std::unique_ptr<Service> caller_;
  Mutex mutex_;
  std::set<std::string> answered_ ABSL_GUARDED_BY(mutex_);
};

TEST_P(Wires, AClientCallsNodesOfBothAndOneOfThemWhenTheOtherIsKilled) {
  SpawnedGreeter rpc = Spawned("rpc"), grpc = Spawned("grpc");
  // A call that was on its way to the node when it died may have run: only this says that it may
  // run again.
  Know({SpawnedNode(rpc, "rpc"), SpawnedNode(grpc, "grpc")}, {.retry = RetryAlways});
  EXPECT_THAT(Call(100, 10), UnorderedElementsAre("node-mucp", "node-grpc"));
  const bool kills_rpc = GetParam() == std::string("rpc");
  (kills_rpc ? rpc : grpc).Kill();
  EXPECT_THAT(Call(20, 4), UnorderedElementsAre(kills_rpc ? "node-grpc" : "node-mucp"));
}

TEST_P(Wires, CallsInFlightOnANodeThatIsKilledEndAtOnce) {
  SpawnedGreeter victim = Spawned(GetParam());
  Know({SpawnedNode(victim, GetParam())}, {.retries = 0});
  helloworld::GreeterService greeter("helloworld", caller_->client());
  helloworld::SleepRequest request;
  request.set_ms(3'600'000);
  const CallOptions options{.connection_timeout = absl::Hours(1)};
  TaskScope scope;
  std::atomic<int> ended = 0;
  const auto sleep = [&]() -> Task<void> {
    const auto slept =
        co_await greeter.Sleep(WithTimeout(Context(), absl::Hours(1)), request, options);
    EXPECT_THAT(slept, StatusIs(absl::StatusCode::kUnavailable));
    ++ended;
  };
  EXPECT_THAT(BlockOn(greeter.Hello(Context(), Named("x"))), IsOk());
  for (int i = 0; i < 8; ++i) Spawn(scope, sleep());
  victim.Kill();
  scope.Join();
  EXPECT_EQ(ended, 8);
}

TEST_P(Wires, CallsGetPastNodesThatSayNothingOrNonsense) {
  ServiceOptions options = GreeterOptions(OwnRegistry());
  options.server.wire = GetParam();
  RunningGreeter good(std::move(options));
  const std::string protocol = GetParam() == std::string("rpc") ? "mucp" : "grpc";
  ScriptedNode silent({[](Peer& peer) { peer.AwaitEnd(); }});
  ScriptedNode never_accepted({});
  ScriptedNode garbage({[](Peer& peer) {
    peer.Write("220 mail.test ESMTP ready\r\n");
    peer.AwaitEnd();
  }});
  Know({good->server()->record().nodes[0], NodeOf("silent", silent, protocol),
        NodeOf("never-accepted", never_accepted, protocol), NodeOf("garbage", garbage, protocol)},
       {.connection_timeout = absl::Milliseconds(200), .retry_budget = 1});  // most attempts fail
  EXPECT_THAT(Call(30, 10), UnorderedElementsAre(good.node_id()));
}

INSTANTIATE_TEST_SUITE_P(Each, Wires, ::testing::Values("grpc", "rpc"),
                         [](const auto& wire) { return wire.param; });

}  // namespace
}  // namespace micro
