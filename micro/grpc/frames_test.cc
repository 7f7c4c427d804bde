#include "micro/grpc/frames.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/testing/status_matchers.h"

namespace micro::grpc_wire {
namespace {

using testing::ElementsAre;

std::string Frame(std::string_view message) {
  return Framed(*codec::ForContentType("application/grpc+bytes").value(),
                codec::Frame{.data = std::string(message)}, 1 << 20)
      .value();
}

// What a reader makes of bytes that come `step` at a time.
absl::StatusOr<std::vector<std::string>> Read(std::string_view bytes, size_t step,
                                              int limit = 1 << 20) {
  FrameReader reader(limit);
  std::vector<std::string> messages;
  for (size_t i = 0; i < bytes.size(); i += step) {
    const absl::Status status = reader.Take(
        bytes.substr(i, step), [&](std::string m) { messages.push_back(std::move(m)); });
    if (!status.ok()) return status;
  }
  return messages;
}

TEST(Frames, HaveALengthOfFourBytes) {
  EXPECT_EQ(Frame("abc"), std::string("\0\0\0\0\3abc", 8));
  EXPECT_EQ(Frame(std::string(0x10203, 'x')).substr(0, 5), std::string("\0\0\1\2\3", 5));
}

TEST(Frames, AreReadInPiecesOfAnySize) {
  const std::string bytes = Frame("first") + Frame("") + Frame(std::string(1000, 'y'));
  for (const size_t step : {1, 2, 5, 7, 4096}) {
    EXPECT_THAT(Read(bytes, step), IsOkAndHolds(ElementsAre("first", "", std::string(1000, 'y'))));
  }
}

TEST(Frames, ThatPassTheLimitAreRefusedBeforeTheyCome) {
  EXPECT_THAT(Read(std::string("\0\xff\xff\xff\xff", 5), 5),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(Read(Frame("12345"), 100, 4), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(Framed(*codec::ForContentType("application/grpc+bytes").value(),
                     codec::Frame{.data = "12345"}, 4),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST(Frames, ThatAreCompressedAreRefused) {
  EXPECT_THAT(Read(std::string("\1\0\0\0\1a", 6), 1), StatusIs(absl::StatusCode::kUnimplemented));
}

TEST(TimeoutText, HasAtMostEightDigitsInTheFinestUnit) {
  EXPECT_EQ(TimeoutText(absl::Nanoseconds(7)), "7n");
  EXPECT_EQ(TimeoutText(absl::Milliseconds(300)), "300000u");
  EXPECT_EQ(TimeoutText(absl::Seconds(30)), "30000000u");
  EXPECT_EQ(TimeoutText(absl::Hours(2)), "7200000m");
  EXPECT_EQ(TimeoutText(absl::Hours(24 * 365 * 100)), "52560000M");
  EXPECT_EQ(TimeoutText(-absl::Seconds(1)), "1n");
}

TEST(PercentDecoded, TakesAnyText) {
  EXPECT_EQ(PercentDecoded("no such user"), "no such user");
  EXPECT_EQ(PercentDecoded("gr%C3%BC%C3%9Fe%0A"), "grüße\n");
  EXPECT_EQ(PercentDecoded("100% %2 %zz %"), "100% %2 %zz %");
}

}  // namespace
}  // namespace micro::grpc_wire
