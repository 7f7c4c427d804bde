// A Moment is a time in milliseconds that goes round at 2^32, or never. Internal.
#pragma once

#include <cstdint>
#include <optional>

#include "due/kcp/segment.h"

namespace due {

using Moment = std::optional<uint32_t>;

inline void KeepEarlier(Moment& moment, uint32_t other) {
  if (!moment.has_value() || Distance(other, *moment) < 0) moment = other;
}

inline bool HasCome(const Moment& moment, uint32_t now) {
  return moment.has_value() && Distance(now, *moment) >= 0;
}

}  // namespace due
