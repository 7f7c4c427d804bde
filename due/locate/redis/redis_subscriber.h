// A RedisSubscriber receives what is published on channels, over a connection of its own, and gets
// it back when it is lost.
//
// Its methods may be called from any thread; what it calls back runs on the thread of a loop and does
// not wait.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "core/context.h"
#include "core/task.h"
#include "due/locate/redis/redis_connection.h"

namespace due {

class RedisSubscriber {
 public:
  struct Callbacks {
    std::function<void(const std::string& channel, const std::string& message)> message;
    // Messages may have been missed: the connection was lost, and is back.
    std::function<void()> missed;
  };

  RedisSubscriber(std::shared_ptr<const RedisSettings> settings, Callbacks callbacks);
  ~RedisSubscriber();  // does not block: a callback may still run
  RedisSubscriber(const RedisSubscriber&) = delete;
  RedisSubscriber& operator=(const RedisSubscriber&) = delete;

  // Returns when what is published on `channel` from then on comes. UNAVAILABLE: Redis cannot be
  // reached, or does not answer in the settings' timeout; the channel is subscribed when it is back.
  micro::Task<absl::Status> Subscribe(micro::Context ctx, std::string channel);

 private:
  class Line;
  const std::shared_ptr<const RedisSettings> settings_;
  const std::shared_ptr<Line> line_;
};

}  // namespace due
