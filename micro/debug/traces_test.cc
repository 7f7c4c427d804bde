#include "micro/debug/traces.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/async.h"

namespace micro {
namespace {

TEST(Traces, KeepsTheLast) {
  Traces traces;
  for (size_t i = 0; i < Traces::kSpans + 2; ++i)
    traces.Add({.trace = i % 2 == 0 ? "even" : "odd", .id = std::to_string(i)});
  const auto all = traces.Read("");
  ASSERT_EQ(all.size(), Traces::kSpans);
  EXPECT_EQ(all.front()->id, "2");
  EXPECT_EQ(all.back()->id, std::to_string(Traces::kSpans + 1));
  EXPECT_EQ(traces.Read("odd").size(), Traces::kSpans / 2);
  EXPECT_THAT(traces.Read("nobody's"), testing::IsEmpty());
}

// What a handler below the tracer is given, of a call with this metadata, and the span that is kept.
std::pair<Metadata, Span> Traced(const Metadata& metadata) {
  const auto traces = std::make_shared<Traces>();
  Metadata seen;
  const HandlerFunc handler = TraceHandler(traces)(
      [&seen](const Context& ctx, const Request&, Response) -> Task<absl::Status> {
        seen = ctx.metadata();
        co_return absl::OkStatus();
      });
  const Context ctx = WithMetadata(Context(), metadata);
  const Request request{.service = "helloworld", .method = {.endpoint = "Greeter.Hello"}};
  EXPECT_TRUE(BlockOn(handler(ctx, request, {})).ok());
  const auto spans = traces->Read("");
  EXPECT_EQ(spans.size(), 1u);
  return {seen, spans.empty() ? Span() : *spans.front()};
}

TEST(Traces, AHandlerCallsOnInTheNameOfItsOwnSpan) {
  const auto [seen, span] = Traced({{"micro-trace-id", "t"}, {"micro-span-id", "s"}});
  EXPECT_EQ(span.trace, "t");
  EXPECT_EQ(span.parent, "s");
  EXPECT_EQ(seen.Get(headers::kTraceId), "t");
  EXPECT_EQ(seen.Get(headers::kSpanId), span.id);
  EXPECT_EQ(seen.size(), 2u);
}

TEST(Traces, TheCallsIdStandsInForTheTracesOnlyBesideASpan) {
  EXPECT_EQ(Traced({{"Micro-Id", "call"}, {"Micro-Span-Id", "s"}}).second.trace, "call");
  const Span alone = Traced({{"Micro-Id", "call"}}).second;
  EXPECT_NE(alone.trace, "call");
  EXPECT_FALSE(alone.trace.empty());
  EXPECT_EQ(alone.parent, "");
}

TEST(Traces, AnIdFromOutsideIsCut) {
  const Span span = Traced({{"Micro-Trace-Id", std::string(1 << 20, 'x')}}).second;
  EXPECT_EQ(span.trace.size(), Traces::kLongest);
}

}  // namespace
}  // namespace micro
