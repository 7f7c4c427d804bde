#include "core/status_macros.h"

#include <memory>

#include "core/task.h"
#include "core/testing/status_matchers.h"
#include "gtest/gtest.h"

namespace micro {
namespace {

absl::StatusOr<int> Half(int number) {
  if (number % 2 != 0) return absl::InvalidArgumentError("odd");
  return number / 2;
}

absl::Status CheckEven(int number) {
  RETURN_IF_ERROR(Half(number).status());
  return absl::OkStatus();
}

absl::StatusOr<int> Quarter(int number) {
  ASSIGN_OR_RETURN(const int half, Half(number));
  ASSIGN_OR_RETURN(const int quarter, Half(half));
  return quarter;
}

Task<absl::StatusOr<int>> LaterHalf(int number) { co_return Half(number); }

Task<absl::StatusOr<int>> LaterQuarter(int number) {
  CO_RETURN_IF_ERROR(CheckEven(number));
  CO_RETURN_IF_ERROR((co_await LaterHalf(number)).status());
  CO_ASSIGN_OR_RETURN(int half, co_await LaterHalf(number));
  CO_ASSIGN_OR_RETURN(half, co_await LaterHalf(half));
  co_return half;
}

TEST(StatusMacros, LeaveAFunctionAtTheFirstFailure) {
  EXPECT_THAT(CheckEven(2), IsOk());
  EXPECT_THAT(CheckEven(3), StatusIs(absl::StatusCode::kInvalidArgument, "odd"));
  EXPECT_THAT(Quarter(8), IsOkAndHolds(2));
  EXPECT_THAT(Quarter(6), StatusIs(absl::StatusCode::kInvalidArgument, "odd"));
}

TEST(StatusMacros, LeaveACoroutineAtTheFirstFailure) {
  EXPECT_THAT(BlockOn(LaterQuarter(8)), IsOkAndHolds(2));
  EXPECT_THAT(BlockOn(LaterQuarter(6)), StatusIs(absl::StatusCode::kInvalidArgument, "odd"));
  EXPECT_THAT(BlockOn(LaterQuarter(5)), StatusIs(absl::StatusCode::kInvalidArgument, "odd"));
}

TEST(StatusMacros, MoveTheValueOut) {
  const auto unwrap = [](absl::StatusOr<std::unique_ptr<int>> wrapped) -> absl::StatusOr<int> {
    ASSIGN_OR_RETURN(const std::unique_ptr<int> value, std::move(wrapped));
    return *value;
  };
  EXPECT_THAT(unwrap(std::make_unique<int>(7)), IsOkAndHolds(7));
}

}  // namespace
}  // namespace micro
