// Whatever Redis sends, whole or in pieces, is read or refused; the pieces make no difference.
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "due/locate/redis/redis_wire.h"

namespace {

// What is read when `step` bytes come at a time, and whether it ended in a refusal.
std::pair<std::vector<due::RedisReply>, bool> ReadAll(std::string_view bytes, size_t step) {
  due::RedisReader reader;
  std::vector<due::RedisReply> replies;
  while (!bytes.empty()) {
    reader.Feed(bytes.substr(0, step));
    bytes.remove_prefix(std::min(step, bytes.size()));
    while (true) {
      auto reply = reader.Next();
      if (!reply.ok()) return {std::move(replies), true};
      if (!reply->has_value()) break;
      replies.push_back(**std::move(reply));
    }
  }
  return {std::move(replies), false};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto whole = ReadAll(bytes, size + 1);
  const auto pieces = ReadAll(bytes, 7);
  if (whole != pieces) std::abort();
  return 0;
}
