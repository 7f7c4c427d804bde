// A Backoff says how long to pause between attempts to get back to a server: not at all before the
// first, then 0.1 s, 0.2 s … 2 s, each drawn from its upper half, so that the clients of a cluster
// do not return as one. After 10 s without a failure it begins anew. Not for several threads at once.
#pragma once

#include <algorithm>

#include "absl/time/time.h"
#include "core/clock.h"
#include "core/random.h"

namespace micro {

class Backoff {
 public:
  explicit Backoff(Clock& clock = Clock::Real()) : clock_(clock) {}

  // How long to pause after one more failure.
  absl::Duration Next() {
    const absl::Time now = clock_.Now();
    if (now - last_ > absl::Seconds(10)) failures_ = 0;
    const double longest = failures_ == 0 ? 0 : std::min(2.0, 0.1 * (1 << (failures_ - 1)));
    failures_ = std::min(failures_ + 1, 10);
    const absl::Duration pause = absl::Seconds(longest * (0.5 + 0.5 * RandomUnit()));
    last_ = now + pause;
    return pause;
  }

 private:
  Clock& clock_;
  int failures_ = 0;
  absl::Time last_ = absl::InfinitePast();
};

}  // namespace micro
