// How many calls of one endpoint run now, and how many outlasted a stop's drain. Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>

#include "absl/time/time.h"
#include "core/clock.h"

namespace micro {

class CallCount {
 public:
  int running() const { return running_.load(std::memory_order_relaxed); }

  // Of those that have ended: how many did so after the time of CutAfter, cancelled.
  int cut() const { return cut_.load(std::memory_order_relaxed); }

  // What still runs `then` is cancelled.
  void CutAfter(absl::Time then) { cut_after_ns_ = absl::ToUnixNanos(then); }

 private:
  friend class RunningCallMark;
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

  std::atomic<int> running_ = 0, cut_ = 0;
  std::atomic<int64_t> cut_after_ns_ = kNever;
};

// A call that runs, for as long as this lives.
class RunningCallMark {
 public:
  explicit RunningCallMark(CallCount& count) : count_(count) {
    count_.running_.fetch_add(1, std::memory_order_relaxed);
  }
  ~RunningCallMark() {
    const int64_t cut_after = count_.cut_after_ns_.load(std::memory_order_relaxed);
    if (cut_after != CallCount::kNever && absl::ToUnixNanos(Clock::Real().Now()) >= cut_after)
      count_.cut_.fetch_add(1, std::memory_order_relaxed);
    count_.running_.fetch_sub(1, std::memory_order_relaxed);
  }
  RunningCallMark(const RunningCallMark&) = delete;
  RunningCallMark& operator=(const RunningCallMark&) = delete;

 private:
  CallCount& count_;
};

}  // namespace micro
