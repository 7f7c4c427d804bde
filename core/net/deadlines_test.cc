#include "core/net/deadlines.h"

#include <gmock/gmock.h>

#include <future>
#include <optional>
#include <vector>

#include "core/net/context_watch.h"

namespace micro::net {
namespace {

using ::testing::ElementsAre;

absl::Time In(absl::Duration wait) { return Clock::Real().Now() + wait; }

// A loop of the test's own, and deadlines on it.
class DeadlinesTest : public ::testing::Test {
 protected:
  ~DeadlinesTest() override {
    Run([this] { deadlines_.reset(); });
  }

  // Runs `work` in the loop and waits for its end.
  void Run(std::function<void()> work) {
    std::promise<void> done;
    loop_.Post([&] {
      work();
      done.set_value();
    });
    done.get_future().get();
  }

  Loop loop_;
  std::optional<Deadlines> deadlines_{loop_};
};

TEST_F(DeadlinesTest, CallBackInTheOrderOfTheirTimes) {
  std::promise<void> last;
  std::vector<int> order;
  Deadline first, second, third;
  const absl::Time begin = In(absl::Milliseconds(1));
  Run([&] {
    third.Set(*deadlines_, begin + absl::Milliseconds(2), [&] {
      order.push_back(3);
      last.set_value();
    });
    first.Set(*deadlines_, begin, [&] { order.push_back(1); });
    second.Set(*deadlines_, begin + absl::Milliseconds(1), [&] { order.push_back(2); });
  });
  last.get_future().get();
  Run([&] { EXPECT_THAT(order, ElementsAre(1, 2, 3)); });
}

TEST_F(DeadlinesTest, ThatArePastCallBackAfterSet) {
  std::promise<void> reached;
  Deadline deadline;
  bool in_set = true;
  Run([&] {
    deadline.Set(*deadlines_, absl::InfinitePast(), [&] {
      EXPECT_FALSE(in_set);
      reached.set_value();
    });
    in_set = false;
  });
  reached.get_future().get();
}

TEST_F(DeadlinesTest, ThatAreTakenBackDoNotCallBack) {
  std::promise<void> later;
  Deadline cleared, replaced, end;
  Run([&] {
    cleared.Set(*deadlines_, In(absl::Milliseconds(1)), [] { FAIL(); });
    replaced.Set(*deadlines_, In(absl::Milliseconds(1)), [] { FAIL(); });
    {
      Deadline gone;
      gone.Set(*deadlines_, In(absl::Milliseconds(1)), [] { FAIL(); });
    }
    cleared.Clear();
    replaced.Set(*deadlines_, absl::InfiniteFuture(), [] { FAIL(); });
    end.Set(*deadlines_, In(absl::Milliseconds(2)), [&] { later.set_value(); });
  });
  later.get_future().get();
}

TEST_F(DeadlinesTest, MayBeFreedByWhatTheyCall) {
  std::promise<void> reached;
  auto* deadline = new Deadline;
  auto* other = new Deadline;
  Run([&] {
    const absl::Time soon = In(absl::Milliseconds(1));
    other->Set(*deadlines_, soon + absl::Nanoseconds(1), [] { FAIL(); });
    deadline->Set(*deadlines_, soon, [&] {
      delete deadline;
      delete other;  // though its time has come too
      reached.set_value();
    });
  });
  reached.get_future().get();
}

TEST_F(DeadlinesTest, DoNotOutliveTheirQueue) {
  Deadline deadline;
  Run([&] {
    deadline.Set(*deadlines_, In(absl::Milliseconds(1)), [] { FAIL(); });
    deadlines_.reset();
    deadlines_.emplace(loop_);
  });
  std::promise<void> later;
  Deadline end;
  Run([&] { end.Set(*deadlines_, In(absl::Milliseconds(2)), [&] { later.set_value(); }); });
  later.get_future().get();
}

TEST_F(DeadlinesTest, AWatchTellsOfADeadline) {
  std::promise<absl::StatusCode> ended;
  std::optional<ContextWatch> watch;
  Run([&] {
    watch.emplace(loop_, *deadlines_, WithTimeout(Context(), absl::Milliseconds(1)),
                  [&](absl::Status why) {
                    EXPECT_TRUE(loop_.IsCurrent());
                    watch.reset();
                    ended.set_value(why.code());
                  });
  });
  EXPECT_EQ(ended.get_future().get(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(DeadlinesTest, AWatchTellsOnTheLoopOfACancellationElsewhere) {
  std::promise<absl::StatusCode> ended;
  std::optional<ContextWatch> watch;
  auto [ctx, cancel] = WithCancel(Context());
  Run([&] {
    watch.emplace(loop_, *deadlines_, WithTimeout(ctx, absl::Hours(1)), [&](absl::Status why) {
      EXPECT_TRUE(loop_.IsCurrent());
      watch.reset();
      ended.set_value(why.code());
    });
  });
  cancel();
  EXPECT_EQ(ended.get_future().get(), absl::StatusCode::kCancelled);
}

TEST_F(DeadlinesTest, AWatchThatIsGoneHearsNothingOfACancellationOnItsWay) {
  auto [ctx, cancel] = WithCancel(Context());
  Run([&, &ctx = ctx, &cancel = cancel] {
    ContextWatch watch(loop_, *deadlines_, ctx, [](absl::Status) { FAIL(); });
    cancel();  // posts to this loop
  });
  Run([] {});
}

}  // namespace
}  // namespace micro::net
