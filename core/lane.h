// Lanes spread what many threads count: each thread writes to one of a few places, so that threads
// on different cores do not take each other's cache lines away.
//
//   struct alignas(kCacheLine) Count { std::atomic<int64_t> value = 0; };
//   Count counts[kLanes];
//   counts[ThisLane()].value.fetch_add(1, std::memory_order_relaxed);
#pragma once

#include <atomic>
#include <cstddef>

namespace micro {

inline constexpr size_t kLanes = 8;
inline constexpr size_t kCacheLine = 64;

// This thread's lane, below kLanes: given out in turn, so that a few threads share none.
inline size_t ThisLane() {
  static constinit std::atomic<size_t> next = 0;
  static constinit thread_local size_t lane = kLanes;
  if (lane == kLanes) [[unlikely]]
    lane = next.fetch_add(1, std::memory_order_relaxed) % kLanes;
  return lane;
}

}  // namespace micro
