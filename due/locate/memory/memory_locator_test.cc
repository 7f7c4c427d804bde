#include <gtest/gtest.h>

#include <atomic>
#include <string>

#include "core/plugin_table.h"
#include "due/locate/conformance.h"
#include "due/locate/location_feed.h"

namespace due {
namespace {

using micro::PluginTable;

std::string UniquePrefix() {
  static std::atomic<int> count = 0;
  return "test-" + std::to_string(++count);
}

INSTANTIATE_TEST_SUITE_P(Memory, LocatorConformance,
                         testing::Values(LocatorImplementation{.start = [] {
                           const LocatorOptions options{.prefix = UniquePrefix()};
                           return [=] {
                             return PluginTable<Locator>::Create("memory", options).value();
                           };
                         }}));

TEST(MemoryLocator, ForgetsAllWhenItsLastHandleGoes) {
  const LocatorOptions options{.prefix = UniquePrefix()};
  auto first = PluginTable<Locator>::Create("memory", options).value();
  ASSERT_TRUE(BlockOn(first->BindGate({}, 1, "g1")).ok());
  auto second = PluginTable<Locator>::Create("memory", options).value();
  first.reset();
  EXPECT_EQ(BlockOn(second->LocateGate({}, 1)).value(), "g1");
  const auto watcher = BlockOn(second->Watch({}, {})).value();
  second.reset();
  EXPECT_THAT(BlockOn(watcher->Next({})).status(), micro::StatusIs(absl::StatusCode::kUnavailable));
  const auto third = PluginTable<Locator>::Create("memory", options).value();
  EXPECT_EQ(BlockOn(third->LocateGate({}, 1)).value(), "");
}

TEST(MemoryLocator, RefusesWhatItHasNoUseFor) {
  EXPECT_THAT(PluginTable<Locator>::Create("memory", {.password = "x"}).status(),
              micro::StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(LocationFeed, AWatcherThatFallsBehindIsToldThatItMissedEvents) {
  LocationFeed feed(3);
  const auto watcher = feed.Watch({});
  for (int uid = 1; uid <= 5; ++uid)
    feed.Publish({LocationEvent::kBindGate, uid, "g1", "gate", ""});
  EXPECT_EQ(BlockOn(watcher->Next({}))->type, LocationEvent::kMissed);
  EXPECT_EQ(BlockOn(watcher->Next({}))->uid, 4);
  EXPECT_EQ(BlockOn(watcher->Next({}))->uid, 5);
}

}  // namespace
}  // namespace due
