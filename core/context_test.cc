#include "core/context.h"

#include <latch>
#include <optional>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace micro {
namespace {

bool Cancelled(const Context& ctx) { return ctx.status().code() == absl::StatusCode::kCancelled; }

TEST(Context, OfMainNeverEnds) {
  const Context ctx;
  EXPECT_TRUE(ctx.status().ok());
  EXPECT_EQ(ctx.deadline(), absl::InfiniteFuture());
  EXPECT_EQ(ctx.remaining(), absl::InfiniteDuration());
  EXPECT_FALSE(ctx.stop_token().stop_possible());
  EXPECT_TRUE(ctx.metadata().empty());
}

TEST(Context, KeepsTheSoonerDeadline) {
  const absl::Time soon = Clock::Real().Now() + absl::Hours(1);
  const absl::Time late = soon + absl::Hours(1);
  EXPECT_EQ(WithDeadline(WithDeadline(Context(), soon), late).deadline(), soon);
  EXPECT_EQ(WithDeadline(WithDeadline(Context(), late), soon).deadline(), soon);
  EXPECT_EQ(WithTimeout(WithDeadline(Context(), soon), absl::InfiniteDuration()).deadline(), soon);
}

TEST(Context, CountsATimeoutFromNow) {
  const absl::Time before = Clock::Real().Now();
  const Context ctx = WithTimeout(Context(), absl::Hours(1));
  const absl::Time after = Clock::Real().Now();
  EXPECT_GE(ctx.deadline(), before + absl::Hours(1));
  EXPECT_LE(ctx.deadline(), after + absl::Hours(1));
  EXPECT_GT(ctx.remaining(), absl::ZeroDuration());
  EXPECT_LE(ctx.remaining(), absl::Hours(1));
  EXPECT_TRUE(ctx.status().ok());
}

TEST(Context, HasEndedAfterItsDeadline) {
  const Context ctx = WithTimeout(Context(), absl::ZeroDuration());
  EXPECT_EQ(ctx.status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(ctx.status().message(), "context deadline exceeded");
  EXPECT_EQ(ctx.remaining(), absl::ZeroDuration());
}

TEST(Context, HasEndedWhenItIsCancelled) {
  auto [ctx, cancel] = WithCancel(Context());
  EXPECT_TRUE(ctx.status().ok());
  cancel();
  cancel();
  EXPECT_TRUE(Cancelled(ctx));
  EXPECT_EQ(ctx.status().message(), "context canceled");
  EXPECT_TRUE(ctx.stop_token().stop_requested());
}

TEST(Context, CancelsItsChildrenAndNotItsParent) {
  auto [parent, cancel_parent] = WithCancel(Context());
  auto [child, cancel_child] = WithCancel(parent);
  auto [sibling, cancel_sibling] = WithCancel(parent);
  cancel_child();
  EXPECT_TRUE(Cancelled(child));
  EXPECT_FALSE(Cancelled(parent));
  EXPECT_FALSE(Cancelled(sibling));
  cancel_parent();
  EXPECT_TRUE(Cancelled(sibling));
}

TEST(Context, OfACancelledParentIsBornCancelled) {
  auto [parent, cancel_parent] = WithCancel(Context());
  cancel_parent();
  auto [child, cancel_child] = WithCancel(parent);
  EXPECT_TRUE(Cancelled(child));
}

TEST(Context, CopiesAndDerivedContextsShareTheCancellation) {
  auto [ctx, cancel] = WithCancel(Context());
  const Context copy = ctx;
  const Context derived = WithMetadata(WithTimeout(ctx, absl::Hours(1)), "Key", "value");
  cancel();
  EXPECT_TRUE(Cancelled(copy));
  EXPECT_TRUE(Cancelled(derived));
}

TEST(Context, FollowsItsParentAfterItsCancelFunctionWasDropped) {
  auto [parent, cancel_parent] = WithCancel(Context());
  const Context child = WithCancel(parent).first;
  EXPECT_FALSE(Cancelled(child));
  cancel_parent();
  EXPECT_TRUE(Cancelled(child));
}

TEST(Context, FollowsItsGrandparentAfterItsParentIsGone) {
  auto [grandparent, cancel] = WithCancel(Context());
  std::optional<Context> grandchild;
  {
    const Context parent = WithCancel(grandparent).first;
    grandchild = WithCancel(parent).first;
  }
  cancel();
  EXPECT_TRUE(Cancelled(*grandchild));
}

TEST(Context, MayBeCancelledWhenNothingOfItIsLeft) {
  auto [parent, cancel_parent] = WithCancel(Context());
  CancelFunction cancel_child = WithCancel(parent).second;
  cancel_parent();
  cancel_child();
  EXPECT_TRUE(Cancelled(parent));
}

TEST(Context, OutlivesItsChildren) {
  auto [parent, cancel_parent] = WithCancel(Context());
  {
    auto child = WithCancel(parent);
  }
  cancel_parent();
  EXPECT_TRUE(Cancelled(parent));
}

TEST(Context, MayBeFreedByWhatItsCancellationWakes) {
  auto [parent, cancel_parent] = WithCancel(Context());
  std::optional<std::pair<Context, CancelFunction>> child = WithCancel(parent);
  const std::stop_token token = child->first.stop_token();
  const std::stop_callback drop(token, [&] { child.reset(); });
  cancel_parent();
  EXPECT_FALSE(child.has_value());
}

TEST(Context, IsCancelledOnceWhileOthersDeriveFromIt) {
  for (int round = 0; round < 200; ++round) {
    auto [parent, cancel] = WithCancel(Context());
    std::latch begin(3);
    std::vector<std::thread> threads;
    for (int i = 0; i < 2; ++i) {
      threads.emplace_back([&begin, parent = parent] {
        begin.arrive_and_wait();
        std::vector<Context> kept;
        for (int j = 0; j < 20; ++j)
          kept.push_back(WithCancel(kept.empty() ? parent : kept.back()).first);
        while (!Cancelled(parent)) std::this_thread::yield();
        // request_stop marks the parent first and then runs what follows it: the last link may take
        // a moment.
        while (!Cancelled(kept.back())) std::this_thread::yield();
      });
    }
    begin.arrive_and_wait();
    cancel();
    for (std::thread& thread : threads) thread.join();
  }
}

TEST(Context, CarriesMetadataThatDerivingDoesNotChange) {
  const Context base = WithMetadata(Context(), {{"A", "1"}});
  const Context more = WithMetadata(base, "B", "2");
  const Context other = WithMetadata(base, Metadata{{"C", "3"}});
  EXPECT_EQ(base.metadata(), (Metadata{{"A", "1"}}));
  EXPECT_EQ(more.metadata(), (Metadata{{"A", "1"}, {"B", "2"}}));
  EXPECT_EQ(other.metadata(), (Metadata{{"C", "3"}}));
  EXPECT_EQ(WithCancel(more).first.metadata(), more.metadata());
}

TEST(Context, TakesTheCancellationOfAWire) {
  auto [parent, cancel_parent] = WithCancel(Context());
  std::stop_source wire;
  const Context ctx = WithStopToken(parent, wire.get_token());
  cancel_parent();
  EXPECT_FALSE(Cancelled(ctx)) << "the wire's cancellation stands in place of the parent's";
  wire.request_stop();
  EXPECT_TRUE(Cancelled(ctx));
}

}  // namespace
}  // namespace micro
