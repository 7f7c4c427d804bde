// What a service tells of itself at Debug.*, over both wires.
#include <gmock/gmock.h>

#include "core/async.h"
#include "core/log.h"
#include "micro/debug/debug.micro.h"
#include "tests/integration/greeter_services.h"

namespace micro {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::Le;
using ::testing::Not;

class Debug : public ::testing::TestWithParam<const char*> {
 protected:
  ServiceOptions Options(bool debug) {
    ServiceOptions options = GreeterOptions(registry_);
    options.server.wire = GetParam();
    options.server.grace = absl::Hours(1);  // a stream that holds up the stop holds up the test
    options.debug = debug;
    return options;
  }

  const registry::Options registry_ = OwnRegistry();
  RunningGreeter service_{Options(true)};
  const std::unique_ptr<Service> caller_ = NewCaller(registry_);
  const debug::DebugService debug_{"helloworld", caller_->client()};
  const helloworld::GreeterService greeter_{"helloworld", caller_->client()};
};

TEST_P(Debug, IsNotServedUnlessAskedFor) {
  const registry::Options registry = OwnRegistry();
  ServiceOptions options = Options(false);
  options.registry_options = registry;
  const RunningGreeter service(std::move(options));
  const auto caller = NewCaller(registry);
  const debug::DebugService debug("helloworld", caller->client());
  const auto health = BlockOn(debug.Health(Context(), {}));
  EXPECT_THAT(errors::FromStatus(health.status()).detail,
              AnyOf("unknown service Debug", "rpc: can't find service Debug"));
}

TEST_P(Debug, IsNotAdvertised) {
  for (const registry::Endpoint& endpoint : service_->server()->record().endpoints)
    EXPECT_THAT(endpoint.name, Not(HasSubstr("Debug")));
}

TEST_P(Debug, HealthIsOk) {
  const auto health = BlockOn(debug_.Health(Context(), {}));
  ASSERT_THAT(health, IsOk());
  EXPECT_EQ(health->status(), "ok");
}

TEST_P(Debug, StatsTellOfTheProcessAndCountCalls) {
  ASSERT_THAT(BlockOn(greeter_.Hello(Context(), Named("x"))), IsOk());
  EXPECT_THAT(BlockOn(greeter_.Fail(Context(), {})), Not(IsOk()));
  const auto stats = BlockOn(debug_.Stats(Context(), {}));
  ASSERT_THAT(stats, IsOk());
  EXPECT_EQ(stats->requests(), 2u);
  EXPECT_EQ(stats->errors(), 1u);
  EXPECT_THAT(stats->started(), AllOf(Ge(1'700'000'000u), Le(stats->timestamp())));
  EXPECT_LE(stats->uptime(), stats->timestamp() - stats->started() + 1);
  EXPECT_GT(stats->memory(), 1u << 20);
  EXPECT_GT(stats->threads(), 1u);
  EXPECT_EQ(stats->gc(), 0u);
}

TEST_P(Debug, AnswersOnThePathThatGoMicrosClientsCall) {
  const debug::StatsRequest request;
  debug::StatsResponse response;
  EXPECT_THAT(BlockOn(caller_->client()->Call(Context(),
                                              {.service = "helloworld",
                                               .method = {.endpoint = "Debug.Stats"},
                                               .content_type = {},
                                               .body = request},
                                              response, {})),
              IsOk());
  EXPECT_GT(response.memory(), 0u);
}

TEST_P(Debug, LogTellsTheLastRecords) {
  for (int i = 0; i < 5; ++i) log::Info("counting \xff", {{"i", i}});
  debug::LogRequest request;
  request.set_count(2);
  auto stream = BlockOn(debug_.Log(Context(), request));
  ASSERT_THAT(stream, IsOk());
  for (const char* i : {"3", "4"}) {
    const auto record = BlockOn(stream->Recv());
    ASSERT_THAT(record, IsOk());
    ASSERT_TRUE(record->has_value());
    EXPECT_EQ((*record)->message(), "counting \xef\xbf\xbd");
    EXPECT_EQ((*record)->metadata().at("i"), i);
    EXPECT_EQ((*record)->metadata().at("level"), "info");
    EXPECT_GT((*record)->timestamp(), 1'700'000'000);
  }
  const auto end = BlockOn(stream->Recv());
  ASSERT_THAT(end, IsOk());
  EXPECT_FALSE(end->has_value());
}

TEST_P(Debug, LogTellsNothingOlderThanAskedFor) {
  log::Info("long ago");
  debug::LogRequest request;
  request.set_since(4'000'000'000);
  auto stream = BlockOn(debug_.Log(Context(), request));
  ASSERT_THAT(stream, IsOk());
  const auto end = BlockOn(stream->Recv());
  ASSERT_THAT(end, IsOk());
  EXPECT_FALSE(end->has_value());
}

TEST_P(Debug, LogIsFollowedUntilTheServiceStops) {
  log::Info("before");
  debug::LogRequest request;
  request.set_stream(true);
  request.set_count(1);
  auto stream = BlockOn(debug_.Log(Context(), request));
  ASSERT_THAT(stream, IsOk());
  const auto next = [&stream] {
    const auto record = BlockOn(stream->Recv());
    EXPECT_THAT(record, IsOk());
    return record.ok() && record->has_value() ? (*record)->message() : std::string("the end");
  };
  EXPECT_EQ(next(), "before");
  log::Info("meanwhile");
  EXPECT_EQ(next(), "meanwhile");
  service_.Stop();
  EXPECT_EQ(next(), "the end");
}

TEST_P(Debug, NodesTellsWhatTheProcessKnowsOfWhatItCalls) {
  debug::NodesRequest request;
  EXPECT_THAT(BlockOn(debug_.Nodes(Context(), request)),
              StatusIs(absl::StatusCode::kInvalidArgument));
  request.set_service("helloworld");
  EXPECT_THAT(BlockOn(debug_.Nodes(Context(), request)), StatusIs(absl::StatusCode::kNotFound));
  const helloworld::GreeterService itself("helloworld", service_->client());
  ASSERT_THAT(BlockOn(itself.Hello(Context(), Named("x"))), IsOk());
  const auto nodes = BlockOn(debug_.Nodes(Context(), request));
  ASSERT_THAT(nodes, IsOk());
  EXPECT_EQ(nodes->strategy(), "random");
  EXPECT_EQ(nodes->registry_error(), "");
  ASSERT_EQ(nodes->nodes_size(), 1);
  EXPECT_EQ(nodes->nodes(0).id(), service_.node_id());
  EXPECT_EQ(nodes->nodes(0).address(), service_.address());
  EXPECT_EQ(nodes->nodes(0).calls(), 1);
  EXPECT_EQ(nodes->nodes(0).state(), "usable");
  EXPECT_FALSE(nodes->nodes(0).has_ejection());
}

TEST_P(Debug, TraceTellsWhichCallCausedWhich) {
  const helloworld::GreeterService itself("helloworld", service_->client());
  ASSERT_THAT(BlockOn(itself.Hello(Context(), Named("x"))), IsOk());
  const auto trace = BlockOn(debug_.Trace(Context(), {}));
  ASSERT_THAT(trace, IsOk());
  ASSERT_EQ(trace->spans_size(), 2);  // what ended first comes first
  const debug::Span& taken = trace->spans(0);
  const debug::Span& made = trace->spans(1);
  EXPECT_EQ(taken.type(), debug::INBOUND);
  EXPECT_EQ(made.type(), debug::OUTBOUND);
  EXPECT_EQ(taken.name(), "helloworld.Greeter.Hello");
  EXPECT_EQ(made.name(), "helloworld.Greeter.Hello");
  EXPECT_EQ(taken.trace(), made.trace());
  EXPECT_EQ(taken.parent(), made.id());
  EXPECT_EQ(made.parent(), "");
  EXPECT_EQ(made.metadata().at("node"), service_.node_id());
  EXPECT_GE(taken.started(), made.started());
  EXPECT_LE(taken.started() + taken.duration(), made.started() + made.duration());
}

TEST_P(Debug, TraceGoesOnWithWhatTheCallerSaysAndTellsErrors) {
  Context ctx = WithMetadata(Context(), headers::kTraceId, "a-trace");
  ctx = WithMetadata(ctx, headers::kSpanId, "a-span");
  EXPECT_THAT(BlockOn(greeter_.Fail(ctx, {})), Not(IsOk()));
  ASSERT_THAT(BlockOn(greeter_.Hello(Context(), Named("x"))), IsOk());
  debug::TraceRequest request;
  request.set_id("a-trace");
  const auto trace = BlockOn(debug_.Trace(Context(), request));
  ASSERT_THAT(trace, IsOk());
  ASSERT_EQ(trace->spans_size(), 1);
  EXPECT_EQ(trace->spans(0).name(), "helloworld.Greeter.Fail");
  EXPECT_EQ(trace->spans(0).parent(), "a-span");
  EXPECT_THAT(trace->spans(0).metadata().at("error"), Not(::testing::IsEmpty()));
}

INSTANTIATE_TEST_SUITE_P(Each, Debug, ::testing::Values("grpc", "rpc"),
                         [](const auto& wire) { return wire.param; });

}  // namespace
}  // namespace micro
