// A route or seq of an echo's answer, which goes round at the ends.
#pragma once

#include <cstdint>

namespace interop {

inline int32_t Shifted(int32_t value, int shift) {
  return static_cast<int32_t>(static_cast<uint32_t>(value) + static_cast<uint32_t>(shift));
}

}  // namespace interop
