#include "core/backoff.h"

#include <gtest/gtest.h>

#include "core/testing/virtual_clock.h"

namespace micro {
namespace {

TEST(Backoff, PausesLongerEachTimeUpToTwoSecondsFromTheUpperHalf) {
  VirtualClock clock;
  Backoff backoff(clock);
  EXPECT_EQ(backoff.Next(), absl::ZeroDuration());
  for (const double longest : {0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0}) {
    const absl::Duration pause = backoff.Next();
    EXPECT_GE(pause, absl::Seconds(longest / 2));
    EXPECT_LE(pause, absl::Seconds(longest));
    clock.Advance(pause);
  }
}

TEST(Backoff, BeginsAnewAfterTenQuietSeconds) {
  VirtualClock clock;
  Backoff backoff(clock);
  for (int i = 0; i < 5; ++i) clock.Advance(backoff.Next());
  clock.Advance(absl::Seconds(9));
  EXPECT_GT(backoff.Next(), absl::ZeroDuration());
  clock.Advance(absl::Seconds(13));
  EXPECT_EQ(backoff.Next(), absl::ZeroDuration());
}

}  // namespace
}  // namespace micro
