// Random numbers for choices, jitter and names: quick, seeded per thread, not for secrets. All from
// any thread.
#pragma once

#include <cstdint>
#include <string>

namespace micro {

// Uniform in [0, bound), for a bound above zero.
uint64_t RandomBelow(uint64_t bound);

// Uniform in [0, 1).
double RandomUnit();

// A random UUID (version 4) as text.
std::string RandomUuid();

}  // namespace micro
