// A hash of texts that is the same in every process and release. Not against attackers.
#pragma once

#include <cstdint>
#include <string_view>

namespace micro::selector {

// FNV-1a, then splitmix64's mixing: FNV alone leaves texts that differ in their last letters close
// together.
inline uint64_t StableHash(std::string_view text, uint64_t seed = 0) {
  uint64_t hash = 0xcbf29ce484222325 ^ seed;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111eb;
  return hash ^ (hash >> 31);
}

}  // namespace micro::selector
