#include "registry/event_feed.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "core/task.h"
#include "core/testing/status_matchers.h"

namespace micro::registry {
namespace {

Event Created(const std::string& name) { return {Action::kCreate, {.name = name}}; }

TEST(EventFeed, HandsEventsOutInTheOrderOfPublishing) {
  EventFeed feed;
  const auto watcher = feed.Watch({});
  for (int i = 0; i < 100; ++i) feed.Publish(Created(std::to_string(i)));
  for (int i = 0; i < 100; ++i)
    EXPECT_EQ(BlockOn(watcher->Next(Context()))->service.name, std::to_string(i));
}

TEST(EventFeed, WakesAWatcherThatWaits) {
  EventFeed feed;
  const auto watcher = feed.Watch({.service = "b"});
  std::thread publisher([&] {
    feed.Publish(Created("a"));
    feed.Publish(Created("b"));
  });
  EXPECT_EQ(BlockOn(watcher->Next(Context()))->service.name, "b");
  publisher.join();
}

TEST(EventFeed, EndsAWatcherThatFellTooFarBehindAndLeavesTheOthers) {
  EventFeed feed(2);
  const auto slow = feed.Watch({}), fast = feed.Watch({});
  for (int i = 0; i < 3; ++i) {
    feed.Publish(Created("a"));
    EXPECT_THAT(BlockOn(fast->Next(Context())), IsOk());
  }
  EXPECT_THAT(BlockOn(slow->Next(Context())),
              StatusIs(absl::StatusCode::kUnavailable, "the watcher fell 2 events behind"));
  EXPECT_THAT(BlockOn(slow->Next(Context())),
              StatusIs(absl::StatusCode::kUnavailable, "the watcher fell 2 events behind"));
}

TEST(EventFeed, KnowsWhetherAnybodyWatches) {
  EventFeed feed;
  EXPECT_FALSE(feed.watched());
  auto watcher = feed.Watch({});
  EXPECT_TRUE(feed.watched());
  watcher.reset();
  EXPECT_FALSE(feed.watched());
}

TEST(EventFeed, ItsEndIsTheWatchersEndAfterWhatWasQueued) {
  auto feed = std::make_unique<EventFeed>();
  const auto watcher = feed->Watch({});
  feed->Publish(Created("a"));
  feed.reset();
  EXPECT_THAT(BlockOn(watcher->Next(Context())), IsOk());
  EXPECT_THAT(BlockOn(watcher->Next(Context())), StatusIs(absl::StatusCode::kUnavailable));
}

TEST(EventFeed, AWatcherMayStopWhileEventsArrive) {
  EventFeed feed(1 << 20);
  for (int round = 0; round < 50; ++round) {
    const auto watcher = feed.Watch({});
    std::thread publisher([&] {
      for (int i = 0; i < 20; ++i) feed.Publish(Created("a"));
      watcher->Stop();
    });
    while (BlockOn(watcher->Next(Context())).ok()) {
    }
    publisher.join();
  }
}

}  // namespace
}  // namespace micro::registry
