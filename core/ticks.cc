#include "core/ticks.h"

#include <time.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace micro::internal {
namespace {

#if defined(__x86_64__)
// Whether the counter runs at one rate through all of the processor's states ("invariant TSC").
bool IsSteady() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(0x80000007, &a, &b, &c, &d) != 0 && (d & (1u << 8)) != 0;
}

// Both clocks over a millisecond: the rate to about a thousandth, enough to compare latencies by.
TicksScale Measure() {
  if (!IsSteady()) return {};
  const Ticks start = MonotonicNanos();
  const auto first = static_cast<Ticks>(__rdtsc());
  Ticks end = start;
  while (end - start < 1'000'000) end = MonotonicNanos();
  const Ticks counted = static_cast<Ticks>(__rdtsc()) - first;
  if (counted <= 0) return {};
  return {true, static_cast<double>(end - start) / static_cast<double>(counted)};
}
#else
TicksScale Measure() { return {}; }
#endif

}  // namespace

Ticks MonotonicNanos() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

const TicksScale ticks_scale = Measure();

}  // namespace micro::internal
