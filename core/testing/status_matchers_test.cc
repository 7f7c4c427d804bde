#include "core/testing/status_matchers.h"

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace micro {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::Pointee;

template <class Matcher, class Value>
std::string Explain(const Matcher& matcher, const Value& value) {
  testing::StringMatchResultListener listener;
  testing::ExplainMatchResult(matcher, value, &listener);
  return listener.str();
}

TEST(IsOk, TakesAStatusAndAStatusOr) {
  EXPECT_THAT(absl::OkStatus(), IsOk());
  EXPECT_THAT(absl::StatusOr<int>(1), IsOk());
  EXPECT_THAT(absl::UnavailableError("down"), Not(IsOk()));
  EXPECT_THAT(absl::StatusOr<int>(absl::UnavailableError("down")), Not(IsOk()));
}

TEST(IsOk, SaysWhichStatusItWas) {
  EXPECT_EQ(Explain(IsOk(), absl::UnavailableError("down")), "whose status is UNAVAILABLE: down");
}

TEST(IsOkAndHolds, TakesAMatcherOrAValue) {
  EXPECT_THAT(absl::StatusOr<int>(5), IsOkAndHolds(5));
  EXPECT_THAT(absl::StatusOr<int>(5), Not(IsOkAndHolds(6)));
  EXPECT_THAT(absl::StatusOr<std::string>("helloworld"), IsOkAndHolds(HasSubstr("world")));
  EXPECT_THAT((absl::StatusOr<std::vector<int>>({1, 2})), IsOkAndHolds(ElementsAre(1, 2)));
  EXPECT_THAT(absl::StatusOr<int>(absl::UnavailableError("down")), Not(IsOkAndHolds(5)));
}

TEST(IsOkAndHolds, TakesAValueThatOnlyMoves) {
  EXPECT_THAT(absl::StatusOr<std::unique_ptr<int>>(std::make_unique<int>(5)),
              IsOkAndHolds(Pointee(5)));
}

TEST(IsOkAndHolds, SaysWhatItHeld) {
  EXPECT_THAT(Explain(IsOkAndHolds(6), absl::StatusOr<int>(5)), HasSubstr("which holds 5"));
  EXPECT_EQ(Explain(IsOkAndHolds(6), absl::StatusOr<int>(absl::UnavailableError("down"))),
            "whose status is UNAVAILABLE: down");
}

TEST(StatusIs, ComparesCodeAndMessage) {
  const absl::Status status = absl::NotFoundError("no user 7");
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound, "no user 7"));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound, HasSubstr("user")));
  EXPECT_THAT(status, StatusIs(Not(absl::StatusCode::kOk)));
  EXPECT_THAT(status, Not(StatusIs(absl::StatusCode::kInternal)));
  EXPECT_THAT(status, Not(StatusIs(absl::StatusCode::kNotFound, "no user 8")));
  EXPECT_THAT(absl::StatusOr<int>(status),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("user")));
}

TEST(IsMicroError, ComparesCodeIdAndDetail) {
  const absl::Status status = errors::NotFound("helloworld", "no user 7");
  EXPECT_THAT(status, IsMicroError(404));
  EXPECT_THAT(status, IsMicroError(404, "helloworld"));
  EXPECT_THAT(status, IsMicroError(404, "helloworld", HasSubstr("user 7")));
  EXPECT_THAT(absl::StatusOr<int>(status), IsMicroError(404));
  EXPECT_THAT(status, Not(IsMicroError(500)));
  EXPECT_THAT(status, Not(IsMicroError(404, "greeter")));
  EXPECT_THAT(status, Not(IsMicroError(404, "helloworld", "another")));
}

TEST(IsMicroError, TakesAPlainStatusForTheErrorItStandsFor) {
  EXPECT_THAT(absl::UnavailableError("down"), IsMicroError(503, "go.micro.client", "down"));
  EXPECT_THAT(absl::OkStatus(), Not(IsMicroError(200)));
}

}  // namespace
}  // namespace micro
