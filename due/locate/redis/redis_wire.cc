#include "due/locate/redis/redis_wire.h"

#include <fmt/format.h>
#include <hiredis/read.h>

#include <utility>

namespace due {

std::string ToBytes(const RedisCommand& command) {
  std::string bytes = fmt::format("*{}\r\n", command.size());
  for (const std::string& word : command)
    fmt::format_to(std::back_inserter(bytes), "${}\r\n{}\r\n", word.size(), word);
  return bytes;
}

// Where hiredis's parser puts what it finds: replies stand in the elements of their array, so that
// only the outermost is allocated and freed.
struct RedisReader::Build {
  static RedisReply* Place(const redisReadTask* task) {
    if (task->parent == nullptr) return new RedisReply;
    return &static_cast<RedisReply*>(task->parent->obj)->elements[static_cast<size_t>(task->idx)];
  }
  static void* String(const redisReadTask* task, char* text, size_t size) {
    RedisReply* const reply = Place(task);
    reply->type = task->type == REDIS_REPLY_STATUS  ? RedisReply::kStatus
                  : task->type == REDIS_REPLY_ERROR ? RedisReply::kError
                                                    : RedisReply::kText;
    reply->text.assign(text, size);
    return reply;
  }
  static void* Array(const redisReadTask* task, int size) {
    size_t& left = *static_cast<size_t*>(task->privdata);
    if (size < 0 || static_cast<size_t>(size) > left) return nullptr;
    left -= static_cast<size_t>(size);
    RedisReply* const reply = Place(task);
    reply->type = RedisReply::kArray;
    reply->elements.resize(static_cast<size_t>(size));
    return reply;
  }
  static void* Integer(const redisReadTask* task, long long value) {
    RedisReply* const reply = Place(task);
    reply->type = RedisReply::kInteger;
    reply->integer = value;
    return reply;
  }
  static void* Nil(const redisReadTask* task) { return Place(task); }
  static void Free(void* reply) { delete static_cast<RedisReply*>(reply); }

  static redisReader* NewReader(size_t& elements_left) {
    static redisReplyObjectFunctions functions = {String, Array, Integer, Nil, Free};
    redisReader* const reader = redisReaderCreateWithFunctions(&functions);
    reader->privdata = &elements_left;
    return reader;
  }
};

RedisReader::RedisReader() : reader_(Build::NewReader(elements_left_)) {}

RedisReader::~RedisReader() { redisReaderFree(reader_); }

void RedisReader::Feed(std::string_view bytes) {
  if (broken_) return;
  fed_ += bytes.size();
  broken_ = redisReaderFeed(reader_, bytes.data(), bytes.size()) != REDIS_OK;
}

absl::StatusOr<std::optional<RedisReply>> RedisReader::Next() {
  void* found = nullptr;
  if (broken_ || redisReaderGetReply(reader_, &found) != REDIS_OK) {
    broken_ = true;
    return absl::InvalidArgumentError(
        fmt::format("what came is no reply of Redis, or passes a limit ({} elements): {}",
                    kMaxElements, static_cast<const char*>(reader_->errstr)));
  }
  if (found == nullptr) {
    if (fed_ <= kMaxBytes) return std::optional<RedisReply>();
    broken_ = true;
    return absl::InvalidArgumentError(
        fmt::format("a reply of Redis is longer than {} MiB", kMaxBytes >> 20));
  }
  const std::unique_ptr<RedisReply> reply(static_cast<RedisReply*>(found));
  elements_left_ = kMaxElements;
  fed_ = 0;
  return std::optional<RedisReply>(std::move(*reply));
}

}  // namespace due
