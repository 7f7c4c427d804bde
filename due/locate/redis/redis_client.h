// A RedisClient asks one Redis: commands of many callers over one connection, without waiting for
// each other's answers.
//
//   RedisClient client(settings);
//   CO_ASSIGN_OR_RETURN(const RedisReply reply, co_await client.Call(ctx, {"GET", "key"}));
//
// A connection that is lost is replaced, with pauses between attempts; what was asked on it is asked
// once more on the next, as every command here may be repeated. While Redis cannot be reached calls
// fail at once. All methods may be called from any thread; callers go on on the thread of a loop.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "core/context.h"
#include "core/task.h"
#include "due/locate/redis/redis_connection.h"
#include "due/locate/redis/redis_wire.h"

namespace due {

class RedisClient {
 public:
  explicit RedisClient(std::shared_ptr<const RedisSettings> settings);
  ~RedisClient();  // calls that wait fail; does not block
  RedisClient(const RedisClient&) = delete;
  RedisClient& operator=(const RedisClient&) = delete;

  // The reply, which is no error of Redis's. UNAVAILABLE: no answer, within the settings' timeout;
  // RESOURCE_EXHAUSTED: too many wait; else as RedisSettings::Refusal, or the context's.
  micro::Task<absl::StatusOr<RedisReply>> Call(micro::Context ctx, RedisCommand command);

  // Redis can be reached, as somebody else has found: calls after this one do not fail without an
  // attempt.
  void Retry();

 private:
  class Line;
  const std::shared_ptr<const RedisSettings> settings_;
  const std::shared_ptr<Line> line_;
};

}  // namespace due
