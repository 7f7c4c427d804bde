#include "registry/cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <utility>

#include "core/async.h"
#include "core/mutex.h"
#include "core/task_scope.h"
#include "core/testing/eventually.h"
#include "core/testing/status_matchers.h"

namespace micro::registry {
namespace {

using ::testing::ElementsAre;

// Answers what the test says, when the test says so, and counts what it is asked.
class FakeRegistry final : public Registry {
 public:
  using Answer = absl::StatusOr<std::vector<Service>>;

  std::string_view name() const override { return "fake"; }
  Task<absl::Status> Register(Context, Service, RegisterOptions) override {
    co_return absl::UnimplementedError("");
  }
  Task<absl::Status> Deregister(Context, Service) override {
    co_return absl::UnimplementedError("");
  }
  Task<absl::StatusOr<std::vector<Service>>> ListServices(Context) override {
    co_return absl::UnimplementedError("");
  }

  Task<Answer> GetService(Context ctx, std::string) override {
    ++lookups;
    const auto held = Held();
    if (held != nullptr) {
      const absl::StatusOr<bool> released = co_await Await(ctx, held);
      if (!released.ok()) co_return released.status();
    }
    MutexLock lock(mutex_);
    co_return answer_;
  }

  Task<absl::StatusOr<std::unique_ptr<Watcher>>> Watch(Context, WatchOptions) override {
    ++watches;
    MutexLock lock(mutex_);
    if (!watch_status_.ok()) co_return watch_status_;
    news_.push_back(std::make_shared<Queue<Event>>(100));
    co_return std::make_unique<FakeWatcher>(news_.back());
  }

  void Set(Answer answer) {
    MutexLock lock(mutex_);
    answer_ = std::move(answer);
  }
  void SetWatch(absl::Status status) {
    MutexLock lock(mutex_);
    watch_status_ = std::move(status);
  }
  // From now on lookups wait for Release.
  void Hold() {
    MutexLock lock(mutex_);
    holding_ = true;
  }
  void Release() {
    std::vector<std::shared_ptr<OneShot<bool>>> held;
    {
      MutexLock lock(mutex_);
      holding_ = false;
      held.swap(held_);
    }
    for (const auto& lookup : held) lookup->TrySet(true);
  }
  void Tell(Action action, const Service& service) {
    for (const auto& queue : News()) queue->Push({action, service});
  }
  void BreakWatches(const absl::Status& why) {
    for (const auto& queue : News()) queue->Close(why);
  }

  std::atomic<int> lookups = 0, watches = 0;

 private:
  class FakeWatcher final : public Watcher {
   public:
    explicit FakeWatcher(std::shared_ptr<Queue<Event>> news) : news_(std::move(news)) {}
    Task<absl::StatusOr<Event>> Next(Context ctx) override { return news_->Pop(std::move(ctx)); }
    void Stop() override { news_->Close(absl::CancelledError("watcher stopped")); }

   private:
    const std::shared_ptr<Queue<Event>> news_;
  };

  std::shared_ptr<OneShot<bool>> Held() {
    MutexLock lock(mutex_);
    if (!holding_) return nullptr;
    return held_.emplace_back(std::make_shared<OneShot<bool>>());
  }
  std::vector<std::shared_ptr<Queue<Event>>> News() {
    MutexLock lock(mutex_);
    return news_;
  }

  Mutex mutex_;
  Answer answer_ ABSL_GUARDED_BY(mutex_) = absl::NotFoundError("no such service");
  absl::Status watch_status_ ABSL_GUARDED_BY(mutex_);
  bool holding_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::shared_ptr<OneShot<bool>>> held_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<Queue<Event>>> news_ ABSL_GUARDED_BY(mutex_);
};

Service Greeter(const std::string& version, const std::vector<std::string>& ids) {
  Service service{.name = "greeter", .version = version};
  for (const std::string& id : ids) service.nodes.push_back({.id = id, .address = id + ":80"});
  return service;
}

// No lookup follows the first one by itself, and one that found nothing may be repeated at once.
constexpr CacheOptions kQuiet = {.ttl = absl::Hours(1), .retry_after = absl::ZeroDuration()};
// Lookups follow each other closely.
constexpr CacheOptions kBusy = {.ttl = absl::Milliseconds(5), .retry_after = absl::ZeroDuration()};

class CacheTest : public ::testing::Test {
 protected:
  Cache& Make(CacheOptions options) { return cache_.emplace(registry_, options); }

  absl::StatusOr<std::shared_ptr<const Snapshot>> Get(const std::string& service = "greeter",
                                                      Context ctx = {}) {
    return BlockOn(cache_->Get(ctx, service));
  }
  // The ids of the nodes that are known now, of all versions.
  std::vector<std::string> Known() {
    std::vector<std::string> ids;
    if (const auto snapshot = cache_->Peek("greeter")) {
      for (const Service& service : snapshot->services) {
        for (const Node& node : service.nodes) ids.push_back(node.id);
      }
    }
    return ids;
  }
  void GetWith(const std::vector<Service>& services, CacheOptions options = kQuiet) {
    registry_->Set(services);
    Make(options);
    ASSERT_THAT(Get(), IsOk());
  }

  const std::shared_ptr<FakeRegistry> registry_ = std::make_shared<FakeRegistry>();
  std::optional<Cache> cache_;
};

// ---- Lookups ----

TEST_F(CacheTest, AsksTheRegistryOnceHoweverManyAskAtOnce) {
  registry_->Set(std::vector{Greeter("1", {"a"})});
  registry_->Hold();
  Make(kQuiet);
  std::atomic<int> right = 0;
  const auto get = [&]() -> Task<void> {
    const auto known = co_await cache_->Get(Context(), "greeter");
    if (known.ok() && (*known)->node_count() == 1) ++right;
  };
  TaskScope scope;
  for (int i = 0; i < 20; ++i) Spawn(scope, get());
  EXPECT_EQ(scope.running(), 20);
  registry_->Release();
  scope.Join();
  EXPECT_EQ(right, 20);
  EXPECT_EQ(registry_->lookups, 1);
  EXPECT_EQ(registry_->watches, 1);
}

TEST_F(CacheTest, AnswersFromMemoryOnceItKnows) {
  Make(kQuiet);
  registry_->Set(std::vector{Greeter("1", {"a"}), Greeter("2", {"b", "c"})});
  EXPECT_EQ(cache_->Peek("greeter"), nullptr);
  const auto known = Get();
  ASSERT_THAT(known, IsOk());
  EXPECT_THAT((*known)->services, ElementsAre(Greeter("1", {"a"}), Greeter("2", {"b", "c"})));
  EXPECT_EQ((*known)->node_count(), 3u);
  EXPECT_THAT((*known)->registry_status, IsOk());
  EXPECT_EQ(cache_->Peek("greeter"), *known);
  EXPECT_THAT(Get(), IsOkAndHolds(*known));
  EXPECT_EQ(registry_->lookups, 1);
}

TEST_F(CacheTest, LeavesOutVersionsWithoutNodes) {
  GetWith({Greeter("1", {}), Greeter("2", {"b"})});
  EXPECT_THAT(cache_->Peek("greeter")->services, ElementsAre(Greeter("2", {"b"})));
}

TEST_F(CacheTest, TellsThatThereIsNoSuchService) {
  Make(kQuiet);
  EXPECT_THAT(Get(), StatusIs(absl::StatusCode::kNotFound, "service greeter: not found"));
  registry_->Set(std::vector<Service>());
  EXPECT_THAT(Get(), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(CacheTest, FindsAServiceThatAppearsByItsNextLookup) {
  Make(kQuiet);
  EXPECT_THAT(Get(), StatusIs(absl::StatusCode::kNotFound));
  registry_->Set(std::vector{Greeter("1", {"a"})});
  EXPECT_THAT(Get(), IsOk());
  EXPECT_EQ(registry_->lookups, 2);
}

TEST_F(CacheTest, DoesNotAskAgainSoonAfterALookupThatFoundNothing) {
  Make({.ttl = absl::Hours(1), .retry_after = absl::Hours(1)});
  EXPECT_THAT(Get(), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(Get(), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(registry_->lookups, 1);
}

TEST_F(CacheTest, GivesTheRegistrysErrorWhereNothingIsKnown) {
  registry_->Set(absl::UnavailableError("agent down"));
  Make({.ttl = absl::Hours(1), .retry_after = absl::Hours(1)});
  EXPECT_THAT(Get(), StatusIs(absl::StatusCode::kUnavailable, "agent down"));
  EXPECT_THAT(Get(), StatusIs(absl::StatusCode::kUnavailable, "agent down"));
  EXPECT_EQ(cache_->Peek("greeter"), nullptr);
  EXPECT_EQ(registry_->lookups, 1);
}

TEST_F(CacheTest, AGetEndsWithItsContext) {
  registry_->Hold();
  Make(kQuiet);
  EXPECT_THAT(Get("greeter", WithTimeout(Context(), absl::Milliseconds(20))),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  registry_->Set(std::vector{Greeter("1", {"a"})});
  registry_->Release();
  EXPECT_THAT(Get(), IsOk());
  EXPECT_EQ(registry_->lookups, 1);
}

TEST_F(CacheTest, LooksUpAgainWithinItsTtl) {
  GetWith({Greeter("1", {"a"})}, kBusy);
  registry_->Set(std::vector{Greeter("1", {"b"})});
  EXPECT_TRUE(Eventually([&] { return Known() == std::vector<std::string>{"b"}; }));
}

// ---- The registry's failures ----

TEST_F(CacheTest, KeepsTheLastGoodNodesAndTellsWhyTheyMayBeOld) {
  GetWith({Greeter("1", {"a"})}, kBusy);
  registry_->Set(absl::UnavailableError("agent down"));
  ASSERT_TRUE(Eventually([&] { return !cache_->Peek("greeter")->registry_status.ok(); }));
  const auto old = cache_->Peek("greeter");
  EXPECT_THAT(old->registry_status, StatusIs(absl::StatusCode::kUnavailable, "agent down"));
  EXPECT_THAT(Known(), ElementsAre("a"));
  EXPECT_THAT(Get(), IsOk());

  const int before = registry_->lookups;
  ASSERT_TRUE(Eventually([&] { return registry_->lookups >= before + 3; }));
  EXPECT_EQ(cache_->Peek("greeter")->confirmed, old->confirmed) << "nothing has confirmed it";

  registry_->Set(std::vector{Greeter("1", {"a"})});
  ASSERT_TRUE(Eventually([&] { return cache_->Peek("greeter")->registry_status.ok(); }));
  EXPECT_GT(cache_->Peek("greeter")->confirmed, old->confirmed);
}

TEST_F(CacheTest, ALookupThatFindsNothingTakesTheNodesAway) {
  GetWith({Greeter("1", {"a"})}, kBusy);
  registry_->Set(absl::NotFoundError("gone"));
  EXPECT_TRUE(Eventually([&] { return Known().empty(); }));
  EXPECT_THAT(Get(), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(CacheTest, ResumesAWatchThatBroke) {
  GetWith({Greeter("1", {"a"})});
  registry_->Set(std::vector{Greeter("1", {"a", "missed"})});
  registry_->BreakWatches(absl::UnavailableError("connection lost"));
  EXPECT_TRUE(Eventually([&] { return Known() == (std::vector<std::string>{"a", "missed"}); }));
  EXPECT_EQ(registry_->watches, 2);
  registry_->Tell(Action::kCreate, Greeter("1", {"new"}));
  EXPECT_TRUE(
      Eventually([&] { return Known() == (std::vector<std::string>{"a", "missed", "new"}); }));
}

TEST_F(CacheTest, LooksUpWhereNothingCanBeWatchedAndTriesToWatchAgain) {
  registry_->SetWatch(absl::UnavailableError("no watches today"));
  GetWith({Greeter("1", {"a"})});
  EXPECT_THAT(Known(), ElementsAre("a"));
  EXPECT_TRUE(Eventually([&] { return registry_->watches >= 2; }));
  registry_->SetWatch(absl::OkStatus());
  EXPECT_TRUE(Eventually([&] {
    registry_->Tell(Action::kCreate, Greeter("1", {"new"}));
    return Known().size() == 2;
  }));
}

// ---- News ----

TEST_F(CacheTest, AddsNodesThatAppear) {
  GetWith({Greeter("1", {"a"})});
  registry_->Tell(Action::kCreate, Greeter("1", {"b"}));
  registry_->Tell(Action::kUpdate, Greeter("1", {"c"}));
  registry_->Tell(Action::kCreate, Greeter("2", {"d"}));
  EXPECT_TRUE(
      Eventually([&] { return Known() == (std::vector<std::string>{"a", "b", "c", "d"}); }));
  EXPECT_EQ(cache_->Peek("greeter")->services.size(), 2u);
  EXPECT_EQ(registry_->lookups, 1);
}

TEST_F(CacheTest, ReplacesANodeThatChanged) {
  GetWith({Greeter("1", {"a", "b"})});
  Service moved = Greeter("1", {"a"});
  moved.nodes[0].address = "elsewhere:80";
  registry_->Tell(Action::kUpdate, moved);
  EXPECT_TRUE(Eventually([&] {
    return cache_->Peek("greeter")->services.at(0).nodes.at(0).address == "elsewhere:80";
  }));
  EXPECT_THAT(Known(), ElementsAre("a", "b"));
}

TEST_F(CacheTest, RemovesNodesThenTheirVersion) {
  GetWith({Greeter("1", {"a", "b"}), Greeter("2", {"c"})});
  registry_->Tell(Action::kDelete, Greeter("1", {"a"}));
  EXPECT_TRUE(Eventually([&] { return Known() == (std::vector<std::string>{"b", "c"}); }));
  registry_->Tell(Action::kDelete, Greeter("1", {"b"}));
  EXPECT_TRUE(Eventually([&] { return cache_->Peek("greeter")->services.size() == 1; }));
  EXPECT_THAT(Known(), ElementsAre("c"));
}

TEST_F(CacheTest, RemovesAWholeVersionWhoseNodesAreNotNamed) {
  GetWith({Greeter("1", {"a", "b"}), Greeter("2", {"c"})});
  registry_->Tell(Action::kDelete, Greeter("1", {}));
  EXPECT_TRUE(Eventually([&] { return Known() == std::vector<std::string>{"c"}; }));
}

TEST_F(CacheTest, RemovesANodeFromAllVersionsWhereItsOwnIsNotNamed) {
  GetWith({Greeter("1", {"a", "b"}), Greeter("2", {"c"})});
  registry_->Tell(Action::kDelete, Greeter("", {"c"}));
  EXPECT_TRUE(Eventually([&] { return Known() == (std::vector<std::string>{"a", "b"}); }));
}

TEST_F(CacheTest, LooksAgainAtOnceWhenTheLastNodeHasGone) {
  GetWith({Greeter("1", {"a"})}, {.ttl = absl::Hours(1), .retry_after = absl::Hours(1)});
  registry_->Tell(Action::kDelete, Greeter("1", {"a"}));
  ASSERT_TRUE(Eventually([&] { return Known().empty(); }));
  registry_->Set(std::vector{Greeter("1", {"new"})});
  EXPECT_THAT(Get(), IsOk());
  EXPECT_THAT(Known(), ElementsAre("new"));
}

TEST_F(CacheTest, FindsAServiceThatAppearsByTheNews) {
  Make({.ttl = absl::Hours(1), .retry_after = absl::Hours(1)});
  EXPECT_THAT(Get(), StatusIs(absl::StatusCode::kNotFound));
  registry_->Tell(Action::kCreate, Greeter("1", {"a"}));
  EXPECT_TRUE(Eventually([&] { return Get().ok(); }));
  EXPECT_EQ(registry_->lookups, 1);
}

TEST_F(CacheTest, LeavesNewsOfOthersAlone) {
  GetWith({Greeter("1", {"a"})});
  registry_->Tell(Action::kDelete, {.name = "other", .version = "1"});
  registry_->Tell(Action::kCreate, Greeter("1", {"b"}));
  EXPECT_TRUE(Eventually([&] { return Known() == (std::vector<std::string>{"a", "b"}); }));
  EXPECT_EQ(cache_->Peek("other"), nullptr);
}

TEST_F(CacheTest, ANewSnapshotLeavesTheOldOneAsItWas) {
  GetWith({Greeter("1", {"a"})});
  const auto old = cache_->Peek("greeter");
  registry_->Tell(Action::kDelete, Greeter("1", {"a"}));
  ASSERT_TRUE(Eventually([&] { return Known().empty(); }));
  EXPECT_THAT(old->services, ElementsAre(Greeter("1", {"a"})));
}

TEST_F(CacheTest, TheVersionRisesWithEveryChange) {
  Make(kQuiet);
  uint64_t last = cache_->version();
  EXPECT_THAT(Get(), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_GT(cache_->version(), std::exchange(last, cache_->version()));
  registry_->Tell(Action::kCreate, Greeter("1", {"a"}));
  EXPECT_TRUE(Eventually([&] { return cache_->version() > last; }));
  last = cache_->version();
  registry_->Tell(Action::kDelete, Greeter("1", {"a"}));
  EXPECT_TRUE(Eventually([&] { return cache_->version() > last; }));
  last = cache_->version();
  (void)cache_->Peek("greeter");
  EXPECT_EQ(cache_->version(), last);
}

TEST_F(CacheTest, TellsObserversOfEveryChangeUntilItIsStopped) {
  registry_->Set(std::vector{Greeter("1", {"a"})});
  Make(kQuiet);
  Mutex mutex;
  std::vector<std::pair<std::string, size_t>> told;  // service, and how many nodes it has
  const auto all_told = [&](std::vector<std::pair<std::string, size_t>> expected) {
    return Eventually([&] {
      MutexLock lock(mutex);
      return told == expected;
    });
  };
  cache_->Observe([&](const std::string& service, const Snapshot& snapshot) {
    MutexLock lock(mutex);
    told.emplace_back(service, snapshot.node_count());
  });
  ASSERT_THAT(Get(), IsOk());
  EXPECT_TRUE(all_told({{"greeter", 1}}));
  registry_->Tell(Action::kCreate, Greeter("1", {"b"}));
  EXPECT_TRUE(all_told({{"greeter", 1}, {"greeter", 2}}));
  registry_->Tell(Action::kDelete, Greeter("1", {}));
  EXPECT_TRUE(all_told({{"greeter", 1}, {"greeter", 2}, {"greeter", 0}}));
  cache_->Stop();
  registry_->Tell(Action::kCreate, Greeter("1", {"c"}));
  EXPECT_TRUE(all_told({{"greeter", 1}, {"greeter", 2}, {"greeter", 0}}));
}

// ---- Limits and the end ----

TEST_F(CacheTest, RefusesToFollowMoreServicesThanItsLimit) {
  registry_->Set(std::vector{Greeter("1", {"a"})});
  Make({.ttl = absl::Hours(1), .max_services = 2});
  EXPECT_THAT(Get("one"), IsOk());
  EXPECT_THAT(Get("two"), IsOk());
  EXPECT_THAT(Get("three"), StatusIs(absl::StatusCode::kResourceExhausted,
                                     "the registry cache already follows 2 services"));
  EXPECT_THAT(Get("one"), IsOk());
}

TEST_F(CacheTest, ForgetsWhatHasNoNodesAndIsNoLongerAskedFor) {
  Make({.ttl = absl::Milliseconds(5), .retry_after = absl::ZeroDuration(), .max_services = 1});
  EXPECT_THAT(Get("nobody"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_TRUE(Eventually([&] { return cache_->Peek("nobody") == nullptr; }));
  registry_->Set(std::vector{Greeter("1", {"a"})});
  EXPECT_THAT(Get(), IsOk()) << "its place is free again";
}

TEST_F(CacheTest, KeepsFollowingWhatHasNodesThoughNobodyAsks) {
  GetWith({Greeter("1", {"a"})}, kBusy);
  const int before = registry_->lookups;
  ASSERT_TRUE(Eventually([&] { return registry_->lookups >= before + 3; }));
  EXPECT_THAT(Known(), ElementsAre("a"));
  EXPECT_EQ(registry_->watches, 1);
}

TEST_F(CacheTest, StopEndsALookupAndTheGetsThatWaitForIt) {
  registry_->Hold();
  Make(kQuiet);
  absl::Status ended;
  const auto get = [&]() -> Task<void> {
    ended = (co_await cache_->Get(Context(), "greeter")).status();
  };
  TaskScope scope;
  Spawn(scope, get());
  cache_->Stop();
  scope.Join();
  EXPECT_THAT(ended, StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(CacheTest, StopEndsTheWatchesAndKeepsWhatIsKnown) {
  GetWith({Greeter("1", {"a"})});
  cache_->Stop();
  cache_->Stop();
  EXPECT_THAT(Known(), ElementsAre("a"));
  EXPECT_THAT(Get(), StatusIs(absl::StatusCode::kCancelled, "the registry cache was stopped"));
  EXPECT_THAT(Get("other"), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(CacheTest, ManyThreadsAskWhileTheNewsCome) {
  GetWith({Greeter("1", {"steady"})}, kBusy);
  std::atomic<int> running = 4, failed = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int ask = 0; ask < 1000; ++ask) {
        const auto known = Get();
        if (!known.ok() || (*known)->services.empty()) ++failed;
        if (Known().empty()) ++failed;
      }
      --running;
    });
  }
  while (running > 0) {
    registry_->Tell(Action::kCreate, Greeter("1", {"passing"}));
    registry_->Tell(Action::kDelete, Greeter("1", {"passing"}));
    std::this_thread::yield();
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failed, 0);
}

}  // namespace
}  // namespace micro::registry
