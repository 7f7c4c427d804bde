// Redis's protocol (RESP2): commands as bytes, and bytes as replies, over hiredis.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

struct redisReader;

namespace due {

using RedisCommand = std::vector<std::string>;  // {"GET", "key"}

std::string ToBytes(const RedisCommand& command);

struct RedisReply {
  enum Type { kNil, kText, kStatus, kError, kInteger, kArray };
  Type type = kNil;
  std::string text = {};  // of kText, kStatus, kError
  int64_t integer = 0;
  std::vector<RedisReply> elements = {};
  friend bool operator==(const RedisReply&, const RedisReply&) = default;
};

// Finds replies in what a connection carries. One thread at a time.
class RedisReader {
 public:
  static constexpr size_t kMaxBytes = 16 << 20;    // of one reply
  static constexpr size_t kMaxElements = 100'000;  // of one reply, nested ones included

  RedisReader();
  ~RedisReader();
  RedisReader(const RedisReader&) = delete;
  RedisReader& operator=(const RedisReader&) = delete;

  void Feed(std::string_view bytes);

  // The next reply; nothing when more bytes must come. INVALID_ARGUMENT: these are no replies, or one
  // passes a limit; nothing can be read any more.
  absl::StatusOr<std::optional<RedisReply>> Next();

 private:
  struct Build;
  redisReader* const reader_;
  size_t elements_left_ = kMaxElements;
  size_t fed_ = 0;  // since the last reply
  bool broken_ = false;
};

}  // namespace due
