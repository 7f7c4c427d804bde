#include "tests/interop/crowd_counts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace interop {
namespace {

using ::testing::HasSubstr;

TEST(CrowdCounts, PercentilesAreThoseOfWhatWasCounted) {
  for (const int64_t us : {0, 1, 63, 64, 65, 1000, 18944, 999'999}) {
    CrowdCounts counts;
    for (int i = 0; i < 98; ++i) counts.Answered(absl::Microseconds(us));
    for (int i = 0; i < 2; ++i) counts.Answered(absl::Seconds(3000));
    const std::string line = counts.Line();
    int64_t p50 = -1, p99 = -1;
    std::sscanf(line.c_str() + line.find("p50_us="), "p50_us=%ld p99_us=%ld", &p50, &p99);
    EXPECT_LE(p50, us) << line;
    EXPECT_GE(p50, us - us / 32) << line;
    EXPECT_GE(p99, INT32_MAX - INT32_MAX / 32) << line;
  }
}

TEST(CrowdCounts, ALineTellsOfAllAndTheOtherOfWhatIsNew) {
  CrowdCounts counts;
  counts.Add(CrowdCounts::kSent, 2);
  counts.Gap(absl::Milliseconds(70));
  EXPECT_EQ(counts.LineSince(),
            "sent=2 answered=0 lost_echo=0 lost_stateful=0 wrong=0 connections_lost=0 "
            "logins_again=0 rebound=0 p50_us=0 p99_us=0 longest_gap_ms=70");
  counts.Add(CrowdCounts::kSent);
  counts.Add(CrowdCounts::kWrong);
  counts.Gap(absl::Milliseconds(5));
  EXPECT_THAT(counts.LineSince(), HasSubstr("sent=1 answered=0"));
  EXPECT_THAT(counts.Line(), HasSubstr("sent=3 answered=0"));
  EXPECT_THAT(counts.Line(), HasSubstr("wrong=1"));
  EXPECT_THAT(counts.Line(), HasSubstr("longest_gap_ms=70"));
}

}  // namespace
}  // namespace interop
