#include "due/locate/cached_locator.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "core/plugin_table.h"
#include "core/testing/eventually.h"
#include "due/locate/conformance.h"
#include "due/locate/location_feed.h"

namespace due {
namespace {

using micro::Context;
using micro::Eventually;
using micro::Task;

std::shared_ptr<Locator> NewMemory(const std::string& prefix) {
  return micro::PluginTable<Locator>::Create("memory", {.prefix = prefix}).value();
}

std::string UniquePrefix() {
  static std::atomic<int> count = 0;
  return "cached-" + std::to_string(++count);
}

INSTANTIATE_TEST_SUITE_P(Cached, LocatorConformance,
                         testing::Values(LocatorImplementation{.start = [] {
                           const std::string prefix = UniquePrefix();
                           return [=] {
                             return std::make_unique<CachedLocator>(NewMemory(prefix),
                                                                    CachedLocator::Options());
                           };
                         }}));

// Passes questions on and counts them; its events are the test's.
class CountedLocator final : public Locator {
 public:
  std::string_view name() const override { return "counted"; }
  Task<absl::StatusOr<std::string>> LocateGate(Context, int64_t) override {
    ++asked;
    if (meanwhile) meanwhile();
    co_return gate;
  }
  Task<absl::StatusOr<std::string>> LocateNode(Context, int64_t, std::string) override {
    ++asked;
    co_return gate;
  }
  Task<absl::StatusOr<Nodes>> LocateNodes(Context, int64_t) override { co_return Nodes(); }
  Task<absl::Status> BindGate(Context, int64_t, std::string) override { co_return bind; }
  Task<absl::Status> BindNode(Context, int64_t, std::string, std::string) override {
    co_return bind;
  }
  Task<absl::StatusOr<bool>> UnbindGate(Context, int64_t, std::string) override { co_return true; }
  Task<absl::StatusOr<bool>> UnbindNode(Context, int64_t, std::string, std::string) override {
    co_return true;
  }
  Task<absl::StatusOr<std::unique_ptr<LocationWatcher>>> Watch(Context,
                                                               LocationWatch watch) override {
    if (refuses) co_return absl::UnavailableError("away");
    co_return feed.Watch(watch);
  }

  std::atomic<int> asked = 0;
  std::atomic<bool> refuses = false;
  std::string gate = "g1";
  absl::Status bind;
  std::function<void()> meanwhile;
  LocationFeed feed;
};

struct Scene {
  explicit Scene(CachedLocator::Options options = {})
      : below(std::make_shared<CountedLocator>()), cached(below, options) {
    EXPECT_TRUE(Eventually([&] { return cached.following(); }));
  }
  std::string Gate(int64_t uid) { return BlockOn(cached.LocateGate({}, uid)).value(); }
  void Tell(LocationEvent::Type type, int64_t uid, const std::string& id) {
    below->feed.Publish({type, uid, id, "gate", ""});
  }
  bool Knows(int64_t uid, const std::optional<std::string>& gate) {
    return Eventually([&] { return cached.KnownGate(uid) == gate; });
  }

  const std::shared_ptr<CountedLocator> below;
  CachedLocator cached;
};

TEST(CachedLocator, AsksOnceForEachUser) {
  Scene scene;
  EXPECT_EQ(scene.cached.KnownGate(1), std::nullopt);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(scene.Gate(1), "g1");
  EXPECT_EQ(scene.below->asked, 1);
  EXPECT_EQ(scene.cached.KnownGate(1), "g1");
  EXPECT_EQ(scene.Gate(2), "g1");
  EXPECT_EQ(scene.below->asked, 2);
}

TEST(CachedLocator, DoesNotRememberThatAUserIsNowhere) {
  Scene scene;
  scene.below->gate = "";
  EXPECT_EQ(scene.Gate(1), "");
  scene.below->gate = "g1";
  EXPECT_EQ(scene.Gate(1), "g1");
}

TEST(CachedLocator, FollowsEvents) {
  Scene scene;
  scene.Gate(1);
  scene.Tell(LocationEvent::kBindGate, 1, "g2");
  EXPECT_TRUE(scene.Knows(1, "g2"));
  scene.Tell(LocationEvent::kUnbindGate, 1, "g1");  // an old one
  scene.Tell(LocationEvent::kBindGate, 2, "g2");    // nobody asked
  scene.Tell(LocationEvent::kUnbindGate, 1, "g2");
  EXPECT_TRUE(scene.Knows(1, std::nullopt));
  EXPECT_EQ(scene.cached.KnownGate(2), std::nullopt);
}

TEST(CachedLocator, DropsAllWhenEventsWereMissed) {
  Scene scene;
  scene.Gate(1);
  scene.Gate(2);
  scene.below->feed.Publish({});
  EXPECT_TRUE(scene.Knows(1, std::nullopt));
  EXPECT_TRUE(scene.Knows(2, std::nullopt));
}

TEST(CachedLocator, ForgetsWhereAUserWasNotFound) {
  Scene scene;
  scene.Gate(1);
  scene.cached.ForgetGate(1, "other");
  EXPECT_EQ(scene.cached.KnownGate(1), "g1");
  scene.cached.ForgetGate(1, "g1");
  EXPECT_EQ(scene.cached.KnownGate(1), std::nullopt);
}

TEST(CachedLocator, AnAnswerThatAnEventOvertookIsNotRemembered) {
  Scene scene;
  scene.below->meanwhile = [&] { scene.cached.ForgetGate(1, "g0"); };
  EXPECT_EQ(scene.Gate(1), "g1");
  EXPECT_EQ(scene.cached.KnownGate(1), std::nullopt);
}

TEST(CachedLocator, OwnOperationsAreKnownAtOnceAndFailedOnesForgotten) {
  Scene scene;
  ASSERT_TRUE(BlockOn(scene.cached.BindGate({}, 1, "g5")).ok());
  EXPECT_EQ(scene.cached.KnownGate(1), "g5");
  scene.below->bind = absl::UnavailableError("away");
  EXPECT_FALSE(BlockOn(scene.cached.BindGate({}, 1, "g6")).ok());
  EXPECT_EQ(scene.cached.KnownGate(1), std::nullopt);
  scene.below->bind = absl::OkStatus();
  ASSERT_TRUE(BlockOn(scene.cached.BindNode({}, 1, "hall", "n1")).ok());
  EXPECT_EQ(scene.cached.KnownNode(1, "hall"), "n1");
  EXPECT_TRUE(BlockOn(scene.cached.UnbindNode({}, 1, "hall", "n1")).value());
  EXPECT_EQ(scene.cached.KnownNode(1, "hall"), std::nullopt);
}

TEST(CachedLocator, RemembersNothingWhileEventsCannotCome) {
  const auto below = std::make_shared<CountedLocator>();
  below->refuses = true;
  CachedLocator cached(below, {});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(BlockOn(cached.LocateGate({}, 1)).value(), "g1");
  EXPECT_EQ(below->asked, 3);
  below->refuses = false;
  EXPECT_TRUE(Eventually([&] { return cached.following(); }));
  BlockOn(cached.LocateGate({}, 1)).IgnoreError();
  EXPECT_EQ(cached.KnownGate(1), "g1");
}

TEST(CachedLocator, RemembersOnlyTheKindsItWasToldTo) {
  Scene scene({.gates = false});
  scene.Gate(1);
  EXPECT_EQ(scene.cached.KnownGate(1), std::nullopt);
  EXPECT_EQ(BlockOn(scene.cached.LocateNode({}, 1, "hall")).value(), "g1");
  EXPECT_EQ(scene.cached.KnownNode(1, "hall"), "g1");
}

TEST(LocationCache, KeepsWhatWasAskedForLast) {
  LocationCache cache(6400);
  for (int uid = 0; uid < 100'000; ++uid) {
    cache.Set(uid, "", "g", /*add=*/true);
    EXPECT_EQ(cache.Find(0, ""), "g");  // never old
  }
  EXPECT_LE(cache.size(), 64 * 101u);
  EXPECT_GE(cache.size(), 6000u);
  EXPECT_EQ(cache.Find(99'999, ""), "g");
}

TEST(LocationCache, MayBeUsedByManyThreads) {
  LocationCache cache(1000);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&cache, t] {
      for (int i = 0; i < 20'000; ++i) {
        const int64_t uid = (i * 7 + t) % 3000;
        const auto now = cache.Now(uid);
        cache.Fill(uid, "hall", "n", now);
        cache.Find(uid + 1, "hall");
        if (i % 5 == 0) cache.Erase(uid, "hall", "n");
        if (i % 5000 == 0) cache.Clear();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(cache.size(), 1064u);
}

}  // namespace
}  // namespace due
