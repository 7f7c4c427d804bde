#include "core/random.h"

#include <fmt/format.h>

#include <random>

namespace micro {
namespace {

// splitmix64: one addition and two multiplications a number.
uint64_t Next() {
  thread_local uint64_t state = [] {
    std::random_device seed;
    return (uint64_t{seed()} << 32) | seed();
  }();
  uint64_t z = (state += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace

uint64_t RandomBelow(uint64_t bound) {
  return static_cast<uint64_t>((static_cast<unsigned __int128>(Next()) * bound) >> 64);
}

double RandomUnit() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }

std::string RandomUuid() {
  const uint64_t a = (Next() & 0xffffffffffff0fff) | 0x4000;
  const uint64_t b = (Next() & 0x3fffffffffffffff) | 0x8000000000000000;
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", a >> 32, (a >> 16) & 0xffff, a & 0xffff,
                     b >> 48, b & 0xffffffffffff);
}

}  // namespace micro
