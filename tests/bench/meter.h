// What a load client of a benchmark was told to do, and what it measured.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bench {

// What one client run does.
struct Load {
  std::string address;
  int concurrency = 1;
  int payload = 32;    // bytes
  double seconds = 1;  // measured, after a quarter as long of warming up
};

// Counts calls and keeps their latencies; shared by the callers of one run.
class Meter {
 public:
  explicit Meter(const Load& load);

  // The time runs from here: the client is connected.
  void Begin();

  // The time, in nanoseconds of the monotonic clock.
  static int64_t Now();

  bool over() const { return Now() >= end_; }
  // One caller's record of one call; `slot` is the caller's own number.
  void Add(int slot, int64_t start, int64_t end);

  // "all_calls measured_calls seconds p50_ns p99_ns"
  std::string Report() const;

 private:
  const double seconds_;
  int64_t begin_ = 0, end_ = 0;
  std::vector<std::vector<int64_t>> latencies_;  // by slot, nanoseconds
  std::vector<int64_t> warm_up_calls_;           // by slot
};

}  // namespace bench
