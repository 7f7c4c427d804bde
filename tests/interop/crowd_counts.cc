#include "tests/interop/crowd_counts.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <string_view>

namespace interop {
namespace {

constexpr int kStepBits = 5;  // of a bucket's place within a power of two

constexpr std::array<std::string_view, CrowdCounts::kWhats> kNames = {
    "sent",  "answered",         "lost_echo",    "lost_stateful",
    "wrong", "connections_lost", "logins_again", "rebound"};

size_t BucketOf(absl::Duration took) {
  const auto us =
      static_cast<uint32_t>(std::clamp<int64_t>(absl::ToInt64Microseconds(took), 0, INT32_MAX));
  const int shift = std::max(static_cast<int>(std::bit_width(us)) - kStepBits - 1, 0);
  return (static_cast<size_t>(shift) << kStepBits) + (us >> shift);
}

// What is in a bucket at least.
int64_t MicrosecondsOf(size_t bucket) {
  const size_t shift = std::max<size_t>(bucket >> kStepBits, 1) - 1;
  return static_cast<int64_t>(bucket - (shift << kStepBits)) << shift;
}

template <class Took>
int64_t Percentile(const Took& took, double share) {
  int64_t all = 0, seen = 0;
  for (const int64_t count : took) all += count;
  for (size_t bucket = 0; bucket < took.size(); ++bucket) {
    seen += took[bucket];
    if (seen > 0 && static_cast<double>(seen) >= share * static_cast<double>(all))
      return MicrosecondsOf(bucket);
  }
  return 0;
}

void Raise(std::atomic<int64_t>& most, int64_t value) {
  int64_t before = most.load(std::memory_order_relaxed);
  while (before < value && !most.compare_exchange_weak(before, value)) {
  }
}

}  // namespace

void CrowdCounts::Add(What what, int64_t count) {
  for (Tally* tally : {&all_, &since_})
    tally->counts[what].fetch_add(count, std::memory_order_relaxed);
}

void CrowdCounts::Answered(absl::Duration took) {
  Add(kAnswered);
  const size_t bucket = BucketOf(took);
  for (Tally* tally : {&all_, &since_}) tally->took[bucket].fetch_add(1, std::memory_order_relaxed);
}

void CrowdCounts::Gap(absl::Duration gap) {
  for (Tally* tally : {&all_, &since_}) Raise(tally->gap_ms, absl::ToInt64Milliseconds(gap));
}

std::string CrowdCounts::Line() const {
  Numbers now{.gap_ms = all_.gap_ms};
  std::ranges::copy(all_.counts, now.counts.begin());
  std::ranges::copy(all_.took, now.took.begin());
  return ToText(now);
}

std::string CrowdCounts::LineSince() {
  const auto take = [](std::atomic<int64_t>& number) { return number.exchange(0); };
  Numbers now{.gap_ms = take(since_.gap_ms)};
  std::ranges::transform(since_.counts, now.counts.begin(), take);
  std::ranges::transform(since_.took, now.took.begin(), take);
  return ToText(now);
}

std::string CrowdCounts::ToText(const Numbers& numbers) {
  std::string text;
  for (size_t i = 0; i < kWhats; ++i) text += fmt::format("{}={} ", kNames[i], numbers.counts[i]);
  return text + fmt::format("p50_us={} p99_us={} longest_gap_ms={}", Percentile(numbers.took, 0.5),
                            Percentile(numbers.took, 0.99), numbers.gap_ms);
}

}  // namespace interop
