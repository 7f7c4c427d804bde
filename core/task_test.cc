#include "core/task.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "core/testing/tracker.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace micro {
namespace {

Task<int> Give(int value) { co_return value; }

Task<int> Throw(std::string text) {
  throw std::runtime_error(text);
  co_return 0;
}

TEST(Task, GivesTheValueOfItsCoReturn) { EXPECT_EQ(BlockOn(Give(7)), 7); }

TEST(Task, RunsNothingBeforeItIsAwaited) {
  bool ran = false;
  const auto note = [](bool& ran) -> Task<> {
    ran = true;
    co_return;
  };
  Task<> task = note(ran);
  EXPECT_FALSE(ran);
  BlockOn(std::move(task));
  EXPECT_TRUE(ran);
}

TEST(Task, CarriesTypesThatOnlyMove) {
  const auto make = []() -> Task<std::unique_ptr<int>> { co_return std::make_unique<int>(7); };
  const auto pass = [](Task<std::unique_ptr<int>> inner) -> Task<std::unique_ptr<int>> {
    co_return co_await std::move(inner);
  };
  EXPECT_THAT(BlockOn(pass(make())), testing::Pointee(7));
}

TEST(Task, CarriesTypesWithoutADefault) {
  struct Named {
    explicit Named(std::string name) : name(std::move(name)) {}
    std::string name;
  };
  const auto make = []() -> Task<Named> { co_return Named("x"); };
  EXPECT_EQ(BlockOn(make()).name, "x");
}

TEST(Task, TakesABracedListAsItsValue) {
  const auto make = []() -> Task<std::tuple<std::string, int>> { co_return {"x", 7}; };
  EXPECT_EQ(BlockOn(make()), std::tuple("x", 7));
}

TEST(Task, ThrowsWhereItIsAwaited) {
  const auto outer = []() -> Task<std::string> {
    try {
      co_await Throw("broken");
    } catch (const std::runtime_error& error) {
      co_return error.what();
    }
    co_return "nothing was thrown";
  };
  EXPECT_EQ(BlockOn(outer()), "broken");
}

TEST(Task, ThrowsAcrossTasksThatDoNotCatch) {
  const auto middle = []() -> Task<> { co_await Throw("broken"); };
  const auto outer = [&]() -> Task<> { co_await middle(); };
  EXPECT_THROW(BlockOn(outer()), std::runtime_error);
}

TEST(Task, IsFreedWhenItIsNeverAwaited) {
  Tracker::Counts counts;
  const auto hold = [](Tracker) -> Task<> { co_return; };
  {
    const Task<> task = hold(Tracker(counts));
  }
  EXPECT_GT(counts.made, 0);
  EXPECT_EQ(counts.living(), 0);
}

TEST(Task, IsFreedByAMoveOverIt) {
  Tracker::Counts counts;
  const auto hold = [](Tracker) -> Task<> { co_return; };
  {
    Task<> task = hold(Tracker(counts));
    task = hold(Tracker(counts));
    BlockOn(std::move(task));
  }
  EXPECT_EQ(counts.living(), 0);
}

TEST(Task, FreesItsParametersOnce) {
  Tracker::Counts counts;
  const auto hold = [](Tracker, const Tracker&, std::shared_ptr<Tracker>) -> Task<int> {
    co_return 7;
  };
  const auto outer = [&]() -> Task<int> {
    co_return co_await hold(Tracker(counts), Tracker(counts), std::make_shared<Tracker>(counts));
  };
  EXPECT_EQ(BlockOn(outer()), 7);
  EXPECT_EQ(counts.living(), 0);
}

TEST(Task, FreesItsLocalsWhenItThrows) {
  Tracker::Counts counts;
  const auto fail = [](Tracker::Counts& counts) -> Task<> {
    const Tracker local(counts);
    co_await Throw("broken");
  };
  EXPECT_THROW(BlockOn(fail(counts)), std::runtime_error);
  EXPECT_EQ(counts.made, 1);
  EXPECT_EQ(counts.living(), 0);
}

// Where in the stack its callee stands.
Task<uintptr_t> StackPosition() {
  co_return reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
}

TEST(Task, AwaitsAMillionReadyTasksWithoutStack) {
  const auto loop = []() -> Task<uintptr_t> {
    uintptr_t low = UINTPTR_MAX;
    uintptr_t high = 0;
    for (int i = 0; i < 1'000'000; ++i) {
      const uintptr_t position = co_await StackPosition();
      low = std::min(low, position);
      high = std::max(high, position);
    }
    co_return high - low;
  };
  EXPECT_LT(BlockOn(loop()), 4096u);
}

TEST(Task, NestsAHundredThousandDeepWithoutStack) {
  struct Nest {
    static Task<uintptr_t> Down(int depth) {
      if (depth == 0) co_return co_await StackPosition();
      co_return co_await Down(depth - 1);
    }
  };
  const auto spread = []() -> Task<uintptr_t> {
    const uintptr_t shallow = co_await Nest::Down(1);
    const uintptr_t deep = co_await Nest::Down(100'000);
    co_return std::max(shallow, deep) - std::min(shallow, deep);
  };
  EXPECT_LT(BlockOn(spread()), 4096u);
}

// The idioms of every handler and client call, which g++ 12 miscompiles: it frees the aggregate's
// members twice.
struct CallOptions {
  std::string name;
  std::vector<int> retries = {};
  Tracker tracker;
};

Task<std::string> Call(CallOptions options) { co_return options.name; }
Task<std::string> CallByReference(const CallOptions& options) { co_return options.name; }
Task<int> Sum(std::vector<int> numbers) {
  co_return std::accumulate(numbers.begin(), numbers.end(), 0);
}

TEST(Task, FreesTheTemporariesOfADesignatedInitialiserOnce) {
  Tracker::Counts counts;
  const auto outer = [&]() -> Task<std::string> {
    co_return co_await Call({.name = "a name too long for the small string",
                             .retries = {1, 2},
                             .tracker = Tracker(counts)});
  };
  EXPECT_EQ(BlockOn(outer()), "a name too long for the small string");
  EXPECT_GT(counts.made, 0);
  EXPECT_EQ(counts.living(), 0);
}

TEST(Task, KeepsATemporaryUntilTheAwaitedTaskHasEnded) {
  Tracker::Counts counts;
  const auto outer = [&]() -> Task<std::string> {
    const std::string name =
        co_await CallByReference({.name = std::string(100, 'x'), .tracker = Tracker(counts)});
    EXPECT_EQ(counts.living(), 0);
    co_return name;
  };
  EXPECT_EQ(BlockOn(outer()), std::string(100, 'x'));
}

TEST(Task, TakesBracedListsInsideACoAwait) {
  const auto outer = []() -> Task<int> {
    const int once = co_await Sum({1, 2, 3});
    co_return once + co_await Sum({4, 5});
  };
  EXPECT_EQ(BlockOn(outer()), 15);
}

TEST(Task, TakesTernariesAndConditionsAroundACoAwait) {
  Tracker::Counts counts;
  const auto outer = [&](bool first) -> Task<std::string> {
    if (co_await Give(1) != 1) co_return "";
    co_return first ? co_await Call({.name = "first", .tracker = Tracker(counts)})
                    : std::string("second");
  };
  EXPECT_EQ(BlockOn(outer(true)), "first");
  EXPECT_EQ(BlockOn(outer(false)), "second");
  EXPECT_EQ(counts.living(), 0);
}

// Goes on on a thread of its own.
struct HopTo {
  std::thread& thread;
  bool await_ready() { return false; }
  void await_suspend(std::coroutine_handle<> waiter) {
    std::thread& slot = thread;  // the resumed coroutine may free this awaiter
    slot = std::thread([waiter] { waiter.resume(); });
  }
  void await_resume() {}
};

TEST(BlockOn, WaitsForATaskThatEndsOnAnotherThread) {
  std::thread other;
  std::thread::id inside;
  const auto hop = [](std::thread& other, std::thread::id& inside) -> Task<> {
    co_await HopTo{other};
    inside = std::this_thread::get_id();
  };
  BlockOn(hop(other, inside));
  EXPECT_EQ(inside, other.get_id());
  other.join();
}

// A parameter that takes its time to go.
struct SlowToFree {
  std::atomic<bool>& freed;
  ~SlowToFree() {
    for (int i = 0; i < 1000; ++i) std::this_thread::yield();
    freed = true;
  }
};

TEST(BlockOn, FreesTheTaskBeforeItReturns) {
  for (int i = 0; i < 20; ++i) {
    std::thread other;
    std::atomic<bool> freed = false;
    const auto hop = [](std::thread& other, std::shared_ptr<SlowToFree>) -> Task<> {
      co_await HopTo{other};
    };
    BlockOn(hop(other, std::shared_ptr<SlowToFree>(new SlowToFree{freed})));
    EXPECT_TRUE(freed);
    other.join();
  }
}

}  // namespace
}  // namespace micro
