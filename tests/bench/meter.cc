#include "tests/bench/meter.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace bench {

Meter::Meter(const Load& load)
    : seconds_(load.seconds),
      latencies_(static_cast<size_t>(load.concurrency)),
      warm_up_calls_(static_cast<size_t>(load.concurrency)) {}

void Meter::Begin() {
  begin_ = Now() + static_cast<int64_t>(seconds_ * 0.25e9);
  end_ = begin_ + static_cast<int64_t>(seconds_ * 1e9);
}

int64_t Meter::Now() {
  timespec time = {};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

void Meter::Add(int slot, int64_t start, int64_t end) {
  if (start < begin_) {
    ++warm_up_calls_[static_cast<size_t>(slot)];
  } else {
    latencies_[static_cast<size_t>(slot)].push_back(end - start);
  }
}

std::string Meter::Report() const {
  std::vector<int64_t> all;
  for (const auto& slot : latencies_) all.insert(all.end(), slot.begin(), slot.end());
  if (all.empty()) {
    std::fprintf(stderr, "no call was measured; give more --seconds\n");
    std::exit(1);
  }
  std::sort(all.begin(), all.end());
  int64_t total = static_cast<int64_t>(all.size());
  for (const int64_t calls : warm_up_calls_) total += calls;
  return fmt::format("{} {} {} {} {}", total, all.size(), static_cast<double>(end_ - begin_) * 1e-9,
                     all[all.size() / 2], all[all.size() * 99 / 100]);
}

}  // namespace bench
