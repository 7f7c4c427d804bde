// Which of several attempts counts, and what becomes of the others. Calls over the wires are tested
// in tests/integration/policy_test.cc.
#include "micro/hedged_call.h"

#include <gmock/gmock.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "core/async.h"
#include "core/testing/status_matchers.h"

namespace micro {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr absl::Duration kSoon = absl::Milliseconds(1);

class Hedges : public ::testing::Test {
 protected:
  using Attempt = std::function<Task<absl::Status>(const Context&, codec::Body, AnswerMetadata)>;

  // A call whose first attempt is the first of these, and so on; where it goes is its number.
  absl::Status Call(const std::vector<Attempt>& attempts, absl::Duration after = kSoon,
                    int most = 9, const Context& ctx = {}) {
    size_t begun = 0;
    const HedgedCall call = {
        .after = after,
        .most = most,
        .next = [&]() -> std::optional<CallTarget> {
          if (++begun >= attempts.size()) return std::nullopt;
          return TargetOf(begun);
        },
        .attempt = [&](const Context& own, const registry::Node& node, codec::Body body,
                       AnswerMetadata metadata) -> Task<absl::Status> {
          begun_.push_back(node.id);
          return attempts[std::stoul(node.id)](own, body, metadata);
        },
        .is_final = [](const absl::Status& error) { return !absl::IsUnavailable(error); },
    };
    return BlockOn(CallHedged(ctx, call, TargetOf(0), response_, {&header_, nullptr}));
  }

  CallTarget TargetOf(size_t number) {
    states_.push_back(new selector::NodeState({.id = std::to_string(number)}));
    return {.pick = selector::Pick(*states_.back(), TicksNow())};
  }

  // Ends with its context.
  static Attempt Hanging() {
    return [](const Context& ctx, codec::Body body, AnswerMetadata) -> Task<absl::Status> {
      body.frame()->data = "half an ans";
      co_return co_await Sleep(ctx, absl::InfiniteDuration());
    };
  }
  static Attempt Answering(std::string words, absl::Status status = absl::OkStatus()) {
    return [=](const Context&, codec::Body body, AnswerMetadata metadata) -> Task<absl::Status> {
      body.frame()->data = words;
      metadata.header->Set("x-who", words);
      co_return status;
    };
  }

  codec::Frame response_;
  Metadata header_;
  std::vector<std::string> begun_;
  std::vector<selector::NodeStatePtr> states_;
};

TEST_F(Hedges, AnAnswerInTimeIsTheOnlyOne) {
  EXPECT_THAT(Call({Answering("first"), Answering("second")}, absl::Hours(1)), IsOk());
  EXPECT_EQ(response_.data, "first");
  EXPECT_EQ(header_.Get("x-who"), "first");
  EXPECT_THAT(begun_, ElementsAre("0"));
}

TEST_F(Hedges, TheFirstGoodAnswerCountsWithWhatCameWithIt) {
  EXPECT_THAT(Call({Hanging(), Hanging(), Answering("third"), Answering("fourth")}), IsOk());
  EXPECT_EQ(response_.data, "third");
  EXPECT_EQ(header_.Get("x-who"), "third");
  EXPECT_THAT(begun_, ElementsAre("0", "1", "2"));
}

TEST_F(Hedges, TheFirstAttemptMayStillWin) {
  auto second_began = std::make_shared<OneShot<bool>>();
  const Attempt first = [=](const Context& ctx, codec::Body body,
                            AnswerMetadata) -> Task<absl::Status> {
    (void)co_await Await(ctx, second_began);
    body.frame()->data = "first";
    co_return absl::OkStatus();
  };
  const Attempt second = [=](const Context& ctx, codec::Body body,
                             AnswerMetadata) -> Task<absl::Status> {
    body.frame()->data = "half an ans";
    second_began->TrySet(true);
    co_return co_await Sleep(ctx, absl::InfiniteDuration());
  };
  EXPECT_THAT(Call({first, second}), IsOk());
  EXPECT_EQ(response_.data, "first");
}

TEST_F(Hedges, AFinalErrorCounts) {
  EXPECT_THAT(Call({Hanging(), Answering("no", absl::NotFoundError("no"))}),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(Hedges, AnErrorThatIsNotFinalWaitsForTheOthers) {
  EXPECT_THAT(
      Call({Hanging(), Answering("busy", absl::UnavailableError("busy")), Answering("third")}),
      IsOk());
  EXPECT_EQ(response_.data, "third");
}

TEST_F(Hedges, AnAttemptThatFailsAloneIsTheEnd) {
  EXPECT_THAT(Call({Answering("busy", absl::UnavailableError("busy")), Answering("second")}),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(begun_, ElementsAre("0"));
}

TEST_F(Hedges, AreNoMoreThanAllowed) {
  EXPECT_THAT(Call({Hanging(), Hanging(), Answering("third")}, kSoon, 1,
                   WithTimeout(Context(), absl::Milliseconds(50))),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(begun_, ElementsAre("0", "1"));
}

TEST_F(Hedges, EndWithTheCallersContext) {
  auto [ctx, cancel] = WithCancel(Context());
  const Attempt cancelling = [cancel = cancel](const Context& own, codec::Body,
                                               AnswerMetadata) -> Task<absl::Status> {
    cancel();
    co_return own.status();
  };
  EXPECT_THAT(Call({Hanging(), cancelling}, kSoon, 9, ctx), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(Hedges, AnExceptionIsAnError) {
  const Attempt throwing = [](const Context&, codec::Body, AnswerMetadata) -> Task<absl::Status> {
    throw std::runtime_error("out of ideas");
    co_return absl::OkStatus();
  };
  EXPECT_THAT(Call({throwing}), StatusIs(absl::StatusCode::kInternal, HasSubstr("out of ideas")));
}

TEST_F(Hedges, TellThatALoserWhoHadItsTimeIsSlow) {
  EXPECT_THAT(Call({Hanging(), Answering("second")}, absl::Milliseconds(5)), IsOk());
  // The two clocks differ by a thousandth.
  EXPECT_GE(states_[0]->latency(), absl::Milliseconds(4.9));
  EXPECT_GT(states_[1]->latency(), absl::ZeroDuration());
  for (const auto& state : states_) EXPECT_EQ(state->in_flight(), 0);
}

}  // namespace
}  // namespace micro
