// Integers and texts as they stand in link frames. Internal.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "due/link/frames.h"

namespace due::link {

inline constexpr size_t kSizeBytes = 4;
inline constexpr size_t kHeadBytes = 10;  // header, route and seq
inline constexpr size_t kFixedBytes = kSizeBytes + kHeadBytes;
inline constexpr uint8_t kHeartbeat = 0x80;
inline constexpr uint8_t kDisconnectAfter = 0x40;

template <class Integer>
Integer ReadAt(const char* at) {
  std::make_unsigned_t<Integer> value = 0;
  for (size_t i = 0; i < sizeof(Integer); ++i)
    value = static_cast<decltype(value)>(value << 7 << 1) | static_cast<uint8_t>(at[i]);
  return static_cast<Integer>(value);
}

template <class Integer>
void WriteAt(Integer value, char* at) {
  const auto bits = static_cast<std::make_unsigned_t<Integer>>(value);
  for (size_t i = 0; i < sizeof(Integer); ++i)
    at[i] = static_cast<char>(bits >> (8 * (sizeof(Integer) - 1 - i)));
}

// Reads a body from its front; what it does not have is zero, and told at the end.
class Reader {
 public:
  explicit Reader(std::string_view body) : rest_(body) {}

  template <class Integer>
  Integer Next() {
    if (rest_.size() < sizeof(Integer)) {
      is_short_ = true;
      return 0;
    }
    const auto value = ReadAt<Integer>(rest_.data());
    rest_.remove_prefix(sizeof(Integer));
    return value;
  }
  std::string_view Next(size_t bytes) {
    if (rest_.size() < bytes) is_short_ = true;
    const std::string_view text = rest_.substr(0, bytes);
    rest_.remove_prefix(text.size());
    return text;
  }
  std::span<const int64_t> NextTargets(std::vector<int64_t>& targets) {
    const auto count = Next<uint16_t>();
    const std::string_view bytes = Next(count * sizeof(int64_t));
    targets.clear();
    if (is_short_) return {};
    for (size_t i = 0; i < count; ++i)
      targets.push_back(ReadAt<int64_t>(bytes.data() + i * sizeof(int64_t)));
    return targets;
  }
  std::string_view Rest() { return std::exchange(rest_, {}); }

  bool is_at_end() const { return rest_.empty() && !is_short_; }
  size_t left() const { return rest_.size(); }

 private:
  std::string_view rest_;
  bool is_short_ = false;
};

// Puts what comes before a body's last text on the stack; only targets may be too many for that.
class Writer {
 public:
  template <class Integer>
  Writer& Put(Integer value) {
    WriteAt(value, room_.data() + size_);
    size_ += sizeof(Integer);
    return *this;
  }
  std::string_view bytes() const { return {room_.data(), size_}; }

 private:
  std::array<char, 48> room_;
  size_t size_ = 0;
};

inline Writer& PutHead(Writer& writer, size_t body_bytes, uint8_t header, Route route,
                       uint64_t seq) {
  return writer.Put(static_cast<uint32_t>(kHeadBytes + body_bytes))
      .Put(header)
      .Put(static_cast<uint8_t>(route))
      .Put(seq);
}

}  // namespace due::link
