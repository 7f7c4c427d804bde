// When a failed call is tried again, and after what pause.
#include <cmath>

#include "core/errors.h"
#include "core/random.h"
#include "micro/client.h"
#include "micro/wire.h"

namespace micro {

absl::Duration ExponentialBackoff(const Request&, int attempt) {
  if (attempt <= 0) return absl::ZeroDuration();
  const double longest = attempt >= 14 ? 120.0 : 0.1 * std::floor(std::pow(attempt, M_E));
  return absl::Seconds(longest * (0.5 + 0.5 * RandomUnit()));
}

bool RetryOnError(const Request&, int, const absl::Status& error) {
  return errors::FromStatus(error).code == 408;
}

bool RetryOnErrorOrUnsent(const Request& request, int attempt, const absl::Status& error) {
  return IsUnsent(error) || RetryOnError(request, attempt, error);
}

bool RetryAlways(const Request&, int, const absl::Status&) { return true; }

}  // namespace micro
