#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "due/locate/conformance.h"
#include "due/locate/redis/redis_test_words.h"

namespace due {
namespace {

using absl::StatusCode;
using micro::IsOk;
using micro::StatusIs;
using testing::HasSubstr;

INSTANTIATE_TEST_SUITE_P(Redis, LocatorConformance,
                         testing::Values(LocatorImplementation{.start = [] {
                           const std::shared_ptr<micro::services::ServiceProcess> redis =
                               NewRedis();
                           return [redis] { return OpenRedis({.addresses = {redis->address()}}); };
                         }}));

TEST(RedisLocator, LaysUsersWhereDueLooksForThem) {
  const auto redis = NewRedis();
  const auto locator = OpenRedis({.addresses = {redis->address()}});
  EXPECT_THAT(BlockOn(locator->BindGate({}, 1001, "g1")), IsOk());
  EXPECT_THAT(BlockOn(locator->BindNode({}, 1001, "hall", "n1")), IsOk());
  RawRedis raw(redis->address());
  EXPECT_EQ(raw.Do({"GET", "due:locate:locate:user:1001:gate"}).text, "g1");
  EXPECT_EQ(raw.Do({"HGET", "due:locate:locate:user:1001:node", "hall"}).text, "n1");
  EXPECT_EQ(raw.Do({"TTL", "due:locate:locate:user:1001:gate"}).integer, -1);
  EXPECT_EQ(raw.Do({"DBSIZE"}).integer, 2);
  EXPECT_TRUE(BlockOn(locator->UnbindGate({}, 1001, "g1")).value());
  EXPECT_TRUE(BlockOn(locator->UnbindNode({}, 1001, "hall", "n1")).value());
  EXPECT_EQ(raw.Do({"DBSIZE"}).integer, 0);
}

TEST(RedisLocator, KeepsTheTtlThatAnOperatorGaveAKey) {
  const auto redis = NewRedis();
  const auto locator = OpenRedis({.addresses = {redis->address()}});
  RawRedis raw(redis->address());
  raw.Do({"SET", "due:locate:locate:user:1:gate", "g0", "EX", "1000"});
  EXPECT_THAT(BlockOn(locator->BindGate({}, 1, "g1")), IsOk());
  EXPECT_GT(raw.Do({"TTL", "due:locate:locate:user:1:gate"}).integer, 0);
}

TEST(RedisLocator, HonoursPrefixAndDatabase) {
  const auto redis = NewRedis();
  const auto locator = OpenRedis({.addresses = {redis->address()}, .prefix = "due", .db = 3});
  EXPECT_THAT(BlockOn(locator->BindGate({}, 7, "g1")), IsOk());
  RawRedis raw(redis->address(), 3);
  EXPECT_EQ(raw.Do({"GET", "due:locate:user:7:gate"}).text, "g1");
}

TEST(RedisLocator, ReadsWhatDuePublishesAndSurvivesWhatNobodyShould) {
  const auto redis = NewRedis();
  const auto locator = OpenRedis({.addresses = {redis->address()}});
  const auto watcher = BlockOn(locator->Watch({}, {})).value();
  RawRedis raw(redis->address());
  const std::string channel = "due:locate:locate:cluster:node:event";
  raw.Do({"PUBLISH", channel, "{\"uid\":"});
  EXPECT_EQ(BlockOn(watcher->Next({}))->type, LocationEvent::kMissed);
  raw.Do({"PUBLISH", channel,
          R"({"uid":1001,"type":2,"insID":"n1","insKind":"node","insName":"hall"})"});
  EXPECT_EQ(BlockOn(watcher->Next({})).value(),
            (LocationEvent{LocationEvent::kBindNode, 1001, "n1", "node", "hall"}));
}

TEST(RedisLocator, SubscribesToTheChannelsThatAreWatchedAlone) {
  const auto redis = NewRedis();
  const auto locator = OpenRedis({.addresses = {redis->address()}});
  const auto watcher = BlockOn(locator->Watch({}, {.gates = false})).value();
  const RedisReply channels = RawRedis(redis->address()).Do({"PUBSUB", "CHANNELS"});
  ASSERT_EQ(channels.elements.size(), 1u);
  EXPECT_EQ(channels.elements[0].text, "due:locate:locate:cluster:node:event");
}

TEST(RedisLocator, SaysWhoItIs) {
  const auto redis = NewRedis({.arguments = {"--requirepass", "secret", "--user", "ann", "on",
                                             ">word", "~*", "&*", "+@all"}});
  for (const LocatorOptions& options :
       {LocatorOptions{.addresses = {redis->address()}, .password = "secret"},
        LocatorOptions{.addresses = {redis->address()}, .username = "ann", .password = "word"}}) {
    const auto locator = OpenRedis(options);
    EXPECT_THAT(BlockOn(locator->BindGate({}, 1, "g1")), IsOk());
    EXPECT_THAT(BlockOn(locator->Watch({}, {})).status(), IsOk());
  }
  for (const LocatorOptions& options :
       {LocatorOptions{.addresses = {redis->address()}},
        LocatorOptions{.addresses = {redis->address()}, .password = "wrong"},
        LocatorOptions{.addresses = {redis->address()}, .username = "bob", .password = "word"}}) {
    const auto locator = OpenRedis(options);
    const auto is_refused = StatusIs(StatusCode::kPermissionDenied, HasSubstr(redis->address()));
    EXPECT_THAT(BlockOn(locator->BindGate({}, 1, "g1")), is_refused);
    EXPECT_THAT(BlockOn(locator->Watch({}, {})).status(), is_refused);
  }
}

TEST(RedisLocator, SaysWhatIsWrongWithItsOptions) {
  const auto why = [](const LocatorOptions& options) {
    return micro::PluginTable<Locator>::Create("redis", options).status();
  };
  EXPECT_THAT(why({.addresses = {"a:1", "b:1"}}),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("Cluster")));
  EXPECT_THAT(why({.addresses = {"localhost"}}),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("localhost")));
  EXPECT_THAT(why({.db = -1}), StatusIs(StatusCode::kInvalidArgument, HasSubstr("db")));
  EXPECT_THAT(why({.username = "ann"}),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("password")));
  EXPECT_THAT(why({.ca_file = "/nowhere.pem"}),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("/nowhere.pem")));
}

}  // namespace
}  // namespace due
