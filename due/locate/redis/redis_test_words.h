// What the tests of the locator "redis" are written in.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "core/plugin_table.h"
#include "core/task.h"
#include "core/testing/eventually.h"
#include "core/testing/status_matchers.h"
#include "due/locate/locator.h"
#include "due/locate/redis/redis_client.h"
#include "tests/services/service_process.h"

namespace due {

inline std::unique_ptr<micro::services::ServiceProcess> NewRedis(
    micro::services::RedisOptions options = {}) {
  auto redis = micro::services::StartRedis(std::move(options));
  EXPECT_TRUE(redis.ok()) << redis.status();
  return redis.ok() ? *std::move(redis) : nullptr;
}

inline std::unique_ptr<Locator> OpenRedis(const LocatorOptions& options) {
  auto locator = micro::PluginTable<Locator>::Create("redis", options);
  EXPECT_TRUE(locator.ok()) << locator.status();
  return locator.ok() ? *std::move(locator) : nullptr;
}

// What Redis itself has, asked without the locator.
class RawRedis {
 public:
  explicit RawRedis(const std::string& address, int db = 0)
      : client_(
            std::make_shared<const RedisSettings>(RedisSettings{.address = address, .db = db})) {}

  RedisReply Do(RedisCommand command) {
    const auto reply = BlockOn(client_.Call({}, std::move(command)));
    EXPECT_TRUE(reply.ok()) << reply.status();
    return reply.value_or(RedisReply());
  }

 private:
  RedisClient client_;
};

}  // namespace due
