// How long to wait before an agent is asked again. For one coroutine each.
#pragma once

#include <algorithm>

#include "absl/time/time.h"
#include "core/clock.h"
#include "core/random.h"

namespace micro::registry::consul {

// After failures: 0.1 s, 0.2 s … 2 s, each drawn from its upper half, so that those who lost an
// agent together do not return as one.
class Backoff {
 public:
  absl::Duration Next() {
    const double longest = std::min(2.0, 0.1 * (1 << std::min(failures_++, 5)));
    return absl::Seconds(longest * (0.5 + 0.5 * RandomUnit()));
  }
  void Reset() { failures_ = 0; }

 private:
  int failures_ = 0;
};

// Between answers that come one after the other without end: ten a second, after twenty at once.
class Pace {
 public:
  absl::Duration Next(absl::Time now) {
    tokens_ = std::min(20.0, tokens_ + absl::ToDoubleSeconds(now - last_) * kPerSecond) - 1;
    last_ = now;
    return tokens_ >= 0 ? absl::ZeroDuration() : absl::Seconds(-tokens_ / kPerSecond);
  }

 private:
  static constexpr double kPerSecond = 10;
  double tokens_ = 20;
  absl::Time last_ = Clock::Real().Now();
};

}  // namespace micro::registry::consul
