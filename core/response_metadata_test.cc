#include "core/response_metadata.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/testing/status_matchers.h"

namespace micro {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(ResponseMetadata, GathersWhatIsSetUnderTheContextOfItsCall) {
  const Context ctx = WithIncomingCall(Context(), {{"came", "with"}});
  EXPECT_EQ(ctx.metadata(), (Metadata{{"came", "with"}}));
  EXPECT_THAT(SetHeader(ctx, "x-host", "a"), IsOk());
  EXPECT_THAT(SetTrailer(ctx, "x-sum", "1"), IsOk());
  const auto [header, trailer] = ctx.response_metadata()->TakeRest();
  EXPECT_EQ(header, (Metadata{{"x-host", "a"}}));
  EXPECT_EQ(trailer, (Metadata{{"x-sum", "1"}}));
}

TEST(ResponseMetadata, BelongsToTheContextsThatDeriveFromItsCallsToo) {
  const Context ctx = WithIncomingCall(Context(), {});
  const Context derived = WithMetadata(WithTimeout(ctx, absl::Hours(1)), "user", "ada");
  EXPECT_THAT(SetHeader(derived, "x-host", "a"), IsOk());
  EXPECT_EQ(ctx.response_metadata()->TakeHeader(), (Metadata{{"x-host", "a"}}));
}

TEST(ResponseMetadata, TheLastValueOfAKeyCounts) {
  const Context ctx = WithIncomingCall(Context(), {});
  EXPECT_THAT(SetTrailer(ctx, "x-sum", "1"), IsOk());
  EXPECT_THAT(SetTrailer(ctx, "X-Sum", "2"), IsOk());
  EXPECT_EQ(ctx.response_metadata()->TakeRest().second, (Metadata{{"x-sum", "2"}}));
}

TEST(ResponseMetadata, AHeaderIsTakenOnceAndNoneIsSetBehindIt) {
  const Context ctx = WithIncomingCall(Context(), {});
  EXPECT_THAT(SetHeader(ctx, "a", "1"), IsOk());
  EXPECT_EQ(ctx.response_metadata()->TakeHeader().size(), 1u);
  EXPECT_THAT(SetHeader(ctx, "b", "2"),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       "header \"b\" is set too late: the header has been sent"));
  EXPECT_THAT(SetTrailer(ctx, "c", "3"), IsOk());
  const auto [header, trailer] = ctx.response_metadata()->TakeRest();
  EXPECT_THAT(header, IsEmpty());
  EXPECT_EQ(trailer, (Metadata{{"c", "3"}}));
}

TEST(ResponseMetadata, NothingIsSetBehindTheEndOfTheCall) {
  const Context ctx = WithIncomingCall(Context(), {});
  (void)ctx.response_metadata()->TakeRest();
  EXPECT_THAT(SetHeader(ctx, "a", "1"), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(SetTrailer(ctx, "a", "1"),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       "trailer \"a\" is set too late: the call has ended"));
}

TEST(ResponseMetadata, GoesNowhereWithoutACall) {
  EXPECT_THAT(SetHeader(Context(), "a", "1"), IsOk());
  EXPECT_THAT(SetTrailer(Context(), "a", "1"), IsOk());
}

TEST(ResponseMetadata, RefusesWhatNoHeaderCarriesEvenWithoutACall) {
  for (const Context& ctx : {Context(), WithIncomingCall(Context(), {})}) {
    for (const auto set : {&SetHeader, &SetTrailer}) {
      EXPECT_THAT(set(ctx, "city", "Z\xc3\xbcrich"),
                  StatusIs(absl::StatusCode::kInvalidArgument,
                           HasSubstr("metadata \"city\" has byte 0xc3")));
      EXPECT_THAT(set(ctx, "city-bin", "Z\xc3\xbcrich"), IsOk());
      EXPECT_THAT(set(ctx, "a key", "x"), StatusIs(absl::StatusCode::kInvalidArgument));
      EXPECT_THAT(set(ctx, "", "x"), StatusIs(absl::StatusCode::kInvalidArgument));
      for (const char* own : {"Content-Type", "grpc-status", ":status"}) {
        EXPECT_THAT(set(ctx, own, "x"),
                    StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is the wire's own")));
      }
    }
  }
}

}  // namespace
}  // namespace micro
