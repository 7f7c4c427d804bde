// gRPC's five bytes in front of a message: 0, or 1 where it is compressed, and its length.
#pragma once

#include <cstddef>
#include <string_view>

namespace micro::codec {

inline constexpr size_t kGrpcPrefix = 5;

// Writes the length of an uncompressed message into the prefix at `prefix`, whose bytes are zero.
inline void PutGrpcLength(char* prefix, size_t length) {
  for (size_t i = kGrpcPrefix - 1; i > 0; --i, length >>= 8)
    prefix[i] = static_cast<char>(length & 0xff);
}

// The length in a whole prefix.
inline size_t GrpcLength(std::string_view prefix) {
  size_t length = 0;
  for (const char byte : prefix.substr(1, kGrpcPrefix - 1))
    length = length << 8 | static_cast<unsigned char>(byte);
  return length;
}

}  // namespace micro::codec
