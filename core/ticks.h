// Ticks measure short times at the least cost: the processor's time stamp counter where that runs
// steadily, else the monotonic clock (10 and 26 ns a reading on the machine this was made on).
//
//   const Ticks start = TicksNow();
//   … TicksToNanos(TicksNow() - start) …
//
// For durations within a process, not for points in time: over minutes the two clocks drift apart.
// Any thread.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace micro {

using Ticks = int64_t;

namespace internal {

// How ticks are counted here.
struct TicksScale {
  bool is_counter = false;  // by the processor's counter
  double nanos = 1;         // of one tick
};
extern const TicksScale ticks_scale;
Ticks MonotonicNanos();

}  // namespace internal

inline Ticks TicksNow() {
#if defined(__x86_64__)
  if (internal::ticks_scale.is_counter) return static_cast<Ticks>(__rdtsc());
#endif
  return internal::MonotonicNanos();
}

inline int64_t TicksToNanos(Ticks ticks) {
  return static_cast<int64_t>(static_cast<double>(ticks) * internal::ticks_scale.nanos);
}

}  // namespace micro
