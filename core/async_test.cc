#include "core/async.h"

#include <algorithm>
#include <latch>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/task_scope.h"
#include "core/testing/status_matchers.h"
#include "core/testing/virtual_clock.h"
#include "gtest/gtest.h"

namespace micro {
namespace {

// A context that ended before the test began.
Context EndedContext() { return WithDeadline(Context(), absl::InfinitePast()); }

Context CancelledContext() {
  auto [ctx, cancel] = WithCancel(Context());
  cancel();
  return ctx;
}

template <class T>
Task<> Store(Task<T> task, T& result) {
  result = co_await std::move(task);
}

TEST(Sleep, GoesOnWhenItsTimeHasCome) {
  VirtualClock clock;
  TaskScope scope;
  absl::Status slept = absl::UnknownError("still asleep");
  Spawn(scope, Store(Sleep(Context(), absl::Seconds(5), clock), slept));
  EXPECT_EQ(clock.NextTimer(), clock.Now() + absl::Seconds(5));
  clock.Advance(absl::Seconds(4));
  EXPECT_EQ(scope.running(), 1);
  clock.Advance(absl::Seconds(1));
  scope.Join();
  EXPECT_THAT(slept, IsOk());
}

TEST(Sleep, GoesOnOffTheThreadOfTheClock) {
  VirtualClock clock;
  TaskScope scope;
  std::thread::id woke_on;
  Spawn(scope, [](VirtualClock& clock, std::thread::id& woke_on) -> Task<> {
    (void)co_await Sleep(Context(), absl::Seconds(1), clock);
    woke_on = std::this_thread::get_id();
  }(clock, woke_on));
  clock.Advance(absl::Seconds(1));
  scope.Join();
  EXPECT_NE(woke_on, std::this_thread::get_id());
}

TEST(Sleep, IsEndedByADeadline) {
  VirtualClock clock;  // never advanced
  const Context ctx = WithTimeout(Context(), absl::Milliseconds(1));
  EXPECT_THAT(BlockOn(Sleep(ctx, absl::Seconds(5), clock)),
              StatusIs(absl::StatusCode::kDeadlineExceeded, "context deadline exceeded"));
  EXPECT_EQ(clock.NextTimer(), absl::InfiniteFuture()) << "the timer was left behind";
}

TEST(Sleep, IsEndedByACancellationOnTheThreadThatCancels) {
  VirtualClock clock;
  TaskScope scope;
  absl::Status slept = absl::UnknownError("still asleep");
  auto [ctx, cancel] = WithCancel(Context());
  Spawn(scope, Store(Sleep(ctx, absl::Seconds(5), clock), slept));
  cancel();
  EXPECT_EQ(scope.running(), 0);
  EXPECT_THAT(slept, StatusIs(absl::StatusCode::kCancelled, "context canceled"));
  EXPECT_EQ(clock.NextTimer(), absl::InfiniteFuture()) << "the timer was left behind";
}

TEST(Sleep, DoesNotBeginUnderAnEndedContext) {
  VirtualClock clock;
  EXPECT_THAT(BlockOn(Sleep(EndedContext(), absl::Seconds(5), clock)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(BlockOn(Sleep(CancelledContext(), absl::Seconds(5), clock)),
              StatusIs(absl::StatusCode::kCancelled));
}

TEST(Sleep, TakesTheRealClockByDefault) {
  const absl::Time begin = Clock::Real().Now();
  EXPECT_THAT(BlockOn(Sleep(Context(), absl::Milliseconds(2))), IsOk());
  EXPECT_GE(Clock::Real().Now() - begin, absl::Milliseconds(2));
}

TEST(Sleep, OfNoLengthEnds) {
  EXPECT_THAT(BlockOn(Sleep(Context(), absl::ZeroDuration())), IsOk());
}

TEST(OneShot, GivesAValueThatWasSetBeforeTheWait) {
  OneShot<int> slot;
  EXPECT_TRUE(slot.TrySet(7));
  const auto wait = [](OneShot<int>& slot) -> Task<absl::StatusOr<int>> {
    co_return co_await slot.Wait();
  };
  EXPECT_THAT(BlockOn(wait(slot)), IsOkAndHolds(7));
}

TEST(OneShot, ResumesTheWaiterOnTheSettersThread) {
  OneShot<int> slot;
  TaskScope scope;
  std::thread::id resumed_on;
  Spawn(scope, [](OneShot<int>& slot, std::thread::id& resumed_on) -> Task<> {
    (void)co_await slot.Wait();
    resumed_on = std::this_thread::get_id();
  }(slot, resumed_on));
  std::thread setter([&] { slot.TrySet(7); });
  const std::thread::id expected = setter.get_id();
  setter.join();
  EXPECT_EQ(resumed_on, expected);
}

TEST(OneShot, TakesTheFirstValueAlone) {
  OneShot<int> slot;
  EXPECT_TRUE(slot.TrySet(absl::UnavailableError("down")));
  EXPECT_FALSE(slot.TrySet(7));
  const auto wait = [](OneShot<int>& slot) -> Task<absl::StatusOr<int>> {
    co_return co_await slot.Wait();
  };
  EXPECT_THAT(BlockOn(wait(slot)), StatusIs(absl::StatusCode::kUnavailable, "down"));
}

TEST(OneShot, LetsOneOfManySettersWin) {
  constexpr int kThreads = 4;
  for (int round = 0; round < 200; ++round) {
    auto slot = std::make_shared<OneShot<int>>();
    TaskScope scope;
    absl::StatusOr<int> received = 0;
    std::atomic<int> winners = 0;
    std::atomic<int> winner = -1;
    std::latch begin(kThreads + 1);
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&, slot, i] {
        begin.arrive_and_wait();
        if (slot->TrySet(i)) {
          ++winners;
          winner = i;
        }
      });
    }
    begin.arrive_and_wait();
    Spawn(scope, Store(Await(Context(), slot), received));
    for (std::thread& thread : threads) thread.join();
    scope.Join();
    ASSERT_EQ(winners, 1);
    ASSERT_THAT(received, IsOkAndHolds(winner.load()));
  }
}

TEST(Await, GivesTheValueOrTheEndOfTheContextWhoeverIsFirst) {
  for (int round = 0; round < 200; ++round) {
    auto slot = std::make_shared<OneShot<int>>();
    TaskScope scope;
    absl::StatusOr<int> received = 0;
    bool set = false;
    auto [cancellable, cancel] = WithCancel(Context());
    const Context ctx = WithTimeout(cancellable, absl::Hours(1));
    std::latch begin(3);
    std::thread setter([&] {
      begin.arrive_and_wait();
      set = slot->TrySet(7);
    });
    std::thread canceller([&, cancel = cancel] {
      begin.arrive_and_wait();
      cancel();
    });
    begin.arrive_and_wait();
    Spawn(scope, Store(Await(ctx, slot), received));
    setter.join();
    canceller.join();
    scope.Join();
    if (set) {
      ASSERT_THAT(received, IsOkAndHolds(7));
    } else {
      ASSERT_THAT(received, StatusIs(absl::StatusCode::kCancelled));
    }
  }
}

TEST(Await, PrefersAValueThatIsThereToTheEndOfTheContext) {
  auto slot = std::make_shared<OneShot<int>>();
  slot->TrySet(7);
  EXPECT_THAT(BlockOn(Await(CancelledContext(), slot)), IsOkAndHolds(7));
}

TEST(Offload, RunsOnAnotherThreadAndGoesOnThere) {
  const auto offload = []() -> Task<std::pair<std::thread::id, std::thread::id>> {
    const std::thread::id inside = co_await Offload([] { return std::this_thread::get_id(); });
    co_return std::pair(inside, std::this_thread::get_id());
  };
  const auto [inside, after] = BlockOn(offload());
  EXPECT_NE(inside, std::this_thread::get_id());
  EXPECT_EQ(after, inside);
}

TEST(Offload, TakesFunctionsOfAnyResult) {
  bool ran = false;
  BlockOn(Offload([&] { ran = true; }));
  EXPECT_TRUE(ran);
  EXPECT_EQ(BlockOn(Offload([text = std::make_unique<std::string>("moved")] { return *text; })),
            "moved");
}

TEST(Offload, ThrowsWhereItIsAwaited) {
  EXPECT_THROW(BlockOn(Offload([]() -> int { throw std::runtime_error("broken"); })),
               std::runtime_error);
}

TEST(Offload, TakesAPoolOfItsOwn) {
  Executor one(1);
  const std::thread::id first = BlockOn(Offload([] { return std::this_thread::get_id(); }, one));
  const std::thread::id second = BlockOn(Offload([] { return std::this_thread::get_id(); }, one));
  EXPECT_EQ(first, second);
}

TEST(Queue, HandsItemsOutInTheirOrder) {
  Queue<int> queue(3);
  EXPECT_TRUE(queue.Push(1));
  EXPECT_TRUE(queue.Push(2));
  EXPECT_THAT(BlockOn(queue.Pop(Context())), IsOkAndHolds(1));
  EXPECT_TRUE(queue.Push(3));
  EXPECT_THAT(BlockOn(queue.Pop(Context())), IsOkAndHolds(2));
  EXPECT_THAT(BlockOn(queue.Pop(Context())), IsOkAndHolds(3));
}

TEST(Queue, RefusesWhatPassesItsCapacity) {
  Queue<int> queue(2);
  EXPECT_TRUE(queue.Push(1));
  EXPECT_TRUE(queue.Push(2));
  EXPECT_FALSE(queue.Push(3));
  EXPECT_THAT(BlockOn(queue.Pop(Context())), IsOkAndHolds(1));
  EXPECT_TRUE(queue.Push(4));
}

TEST(Queue, CarriesTypesThatOnlyMove) {
  Queue<std::unique_ptr<int>> queue(1);
  EXPECT_TRUE(queue.Push(std::make_unique<int>(7)));
  EXPECT_THAT(BlockOn(queue.Pop(Context())), IsOkAndHolds(testing::Pointee(7)));
}

TEST(Queue, WakesAWaitingPop) {
  Queue<int> queue(1);
  TaskScope scope;
  absl::StatusOr<int> popped = 0;
  Spawn(scope, Store(queue.Pop(Context()), popped));
  EXPECT_EQ(scope.running(), 1);
  EXPECT_TRUE(queue.Push(7));
  EXPECT_EQ(scope.running(), 0) << "Pop goes on on the thread of Push";
  EXPECT_THAT(popped, IsOkAndHolds(7));
}

TEST(Queue, HandsOutWhatItHoldsBeforeTheReasonOfItsClosing) {
  Queue<int> queue(3);
  queue.Push(1);
  queue.Close(absl::UnavailableError("gone"));
  queue.Close(absl::InternalError("a later reason"));
  EXPECT_FALSE(queue.Push(2));
  EXPECT_THAT(BlockOn(queue.Pop(Context())), IsOkAndHolds(1));
  EXPECT_THAT(BlockOn(queue.Pop(Context())), StatusIs(absl::StatusCode::kUnavailable, "gone"));
  EXPECT_THAT(BlockOn(queue.Pop(Context())), StatusIs(absl::StatusCode::kUnavailable, "gone"));
}

TEST(Queue, ClosingWakesAWaitingPop) {
  Queue<int> queue(1);
  TaskScope scope;
  absl::StatusOr<int> popped = 0;
  Spawn(scope, Store(queue.Pop(Context()), popped));
  queue.Close(absl::UnavailableError("gone"));
  scope.Join();
  EXPECT_THAT(popped, StatusIs(absl::StatusCode::kUnavailable, "gone"));
}

TEST(Queue, IsClosedEvenWithoutAFailure) {
  Queue<int> queue(1);
  queue.Close(absl::OkStatus());
  EXPECT_FALSE(queue.Push(1));
  EXPECT_THAT(BlockOn(queue.Pop(Context())), StatusIs(absl::StatusCode::kCancelled));
}

TEST(Queue, PopEndsWithItsContextAndLosesNothing) {
  Queue<int> queue(1);
  TaskScope scope;
  absl::StatusOr<int> popped = 0;
  auto [ctx, cancel] = WithCancel(Context());
  Spawn(scope, Store(queue.Pop(ctx), popped));
  cancel();
  scope.Join();
  EXPECT_THAT(popped, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(BlockOn(queue.Pop(WithTimeout(Context(), absl::Milliseconds(1)))),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_TRUE(queue.Push(7));
  EXPECT_THAT(BlockOn(queue.Pop(Context())), IsOkAndHolds(7));
}

TEST(Queue, PopOfAnEndedContextStillHandsOutWhatIsThere) {
  Queue<int> queue(1);
  queue.Push(7);
  EXPECT_THAT(BlockOn(queue.Pop(CancelledContext())), IsOkAndHolds(7));
  EXPECT_THAT(BlockOn(queue.Pop(CancelledContext())), StatusIs(absl::StatusCode::kCancelled));
}

TEST(Queue, TakesItemsOfManyThreads) {
  constexpr int kThreads = 4;
  constexpr int kItems = 1000;
  Queue<int> queue(kThreads * kItems);
  TaskScope scope;
  std::vector<int> received;
  Spawn(scope, [](Queue<int>& queue, std::vector<int>& received) -> Task<> {
    while (true) {
      const absl::StatusOr<int> item = co_await queue.Pop(Context());
      if (!item.ok()) co_return;
      received.push_back(*item);
    }
  }(queue, received));
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&queue, i] {
      for (int j = 0; j < kItems; ++j) queue.Push(i * kItems + j);
    });
  }
  for (std::thread& thread : threads) thread.join();
  queue.Close(absl::CancelledError("enough"));
  scope.Join();
  std::sort(received.begin(), received.end());
  std::vector<int> expected(kThreads * kItems);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(received, expected);
}

TEST(Queue, APopThatIsCancelledWhileAnItemComesTakesItOrLeavesIt) {
  for (int round = 0; round < 200; ++round) {
    Queue<int> queue(1);
    TaskScope scope;
    absl::StatusOr<int> popped = 0;
    auto [ctx, cancel] = WithCancel(Context());
    Spawn(scope, Store(queue.Pop(ctx), popped));
    std::latch begin(2);
    std::thread pusher([&] {
      begin.arrive_and_wait();
      EXPECT_TRUE(queue.Push(7));
    });
    begin.arrive_and_wait();
    cancel();
    pusher.join();
    scope.Join();
    if (!popped.ok()) popped = BlockOn(queue.Pop(Context()));
    ASSERT_THAT(popped, IsOkAndHolds(7));
  }
}

}  // namespace
}  // namespace micro
