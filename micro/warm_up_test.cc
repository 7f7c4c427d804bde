// Which nodes are connected to, and how many at a time. That wires do connect is tested in
// tests/integration/policy_test.cc.
#include "micro/warm_up.h"

#include <gmock/gmock.h>

#include <atomic>
#include <optional>
#include <set>

#include "core/async.h"
#include "core/plugin_table.h"
#include "core/testing/eventually.h"
#include "core/testing/status_matchers.h"

namespace micro {
namespace {

using ::testing::UnorderedElementsAre;

class WarmUpTest : public ::testing::Test {
 protected:
  WarmUpTest() {
    static std::atomic<int> last = 0;
    registry_ = *PluginTable<registry::Registry>::Create(
        "memory", {.addresses = {"warm-up-" + std::to_string(++last)}, .timeout = {}});
    cache_.emplace(registry_);
  }

  // Connecting takes until it is let go on, or its context ends.
  void Follow() {
    warm_up_.emplace(
        [this](const Context& ctx, const registry::Node& node) -> Task<void> {
          auto slot = std::make_shared<OneShot<bool>>();
          {
            MutexLock lock(mutex_);
            ++begun_[node.address];
            ++running_;
            most_ = std::max(most_, running_);
            if (held_) slots_.push_back(slot);
            if (!held_) slot->TrySet(true);
          }
          if (!(co_await Await(ctx, slot)).ok()) ++cancelled_;
          MutexLock lock(mutex_);
          --running_;
        },
        *cache_);
  }

  void Register(const std::string& service, int first, int count) {
    registry::Service record{.name = service, .version = "1"};
    for (int i = first; i < first + count; ++i) {
      record.nodes.push_back({.id = service + "-" + std::to_string(i),
                              .address = "10.0.0.1:" + std::to_string(i),
                              .metadata = {}});
    }
    ASSERT_THAT(BlockOn(registry_->Register(Context(), record, {})), IsOk());
  }
  void Discover(const std::string& service) {
    ASSERT_THAT(BlockOn(cache_->Get(Context(), service)), IsOk());
  }

  void Hold() {
    MutexLock lock(mutex_);
    held_ = true;
  }
  void LetGo() {
    std::vector<std::shared_ptr<OneShot<bool>>> slots;
    {
      MutexLock lock(mutex_);
      held_ = false;
      slots.swap(slots_);
    }
    for (const auto& slot : slots) slot->TrySet(true);
  }
  std::map<std::string, int> begun() {
    MutexLock lock(mutex_);
    return begun_;
  }
  int running() {
    MutexLock lock(mutex_);
    return running_;
  }

  Mutex mutex_;
  bool held_ ABSL_GUARDED_BY(mutex_) = false;
  int running_ ABSL_GUARDED_BY(mutex_) = 0;
  int most_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, int> begun_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<OneShot<bool>>> slots_ ABSL_GUARDED_BY(mutex_);
  std::atomic<int> cancelled_ = 0;
  std::shared_ptr<registry::Registry> registry_;
  std::optional<registry::Cache> cache_;
  std::optional<WarmUp> warm_up_;
};

TEST_F(WarmUpTest, ConnectsOnceToEachNodeOfServicesThatWereAskedFor) {
  Follow();
  Register("greeter", 1, 2);
  Register("nobody-asks", 8, 1);
  Discover("greeter");
  ASSERT_TRUE(Eventually([&] { return begun().size() == 2; }));
  Register("greeter", 3, 1);
  EXPECT_TRUE(Eventually([&] { return begun().size() == 3; }));
  EXPECT_THAT(begun(), UnorderedElementsAre(std::pair("10.0.0.1:1", 1), std::pair("10.0.0.1:2", 1),
                                            std::pair("10.0.0.1:3", 1)));
}

TEST_F(WarmUpTest, ConnectsAgainToANodeThatCameBack) {
  Follow();
  Register("greeter", 1, 2);
  Discover("greeter");
  ASSERT_TRUE(Eventually([&] { return begun().size() == 2; }));
  const registry::Service gone{
      .name = "greeter",
      .version = "1",
      .nodes = {{.id = "greeter-1", .address = "10.0.0.1:1", .metadata = {}}}};
  ASSERT_THAT(BlockOn(registry_->Deregister(Context(), gone)), IsOk());
  ASSERT_TRUE(Eventually([&] { return cache_->Peek("greeter")->node_count() == 1; }));
  Register("greeter", 1, 1);
  EXPECT_TRUE(Eventually([&] { return begun()["10.0.0.1:1"] == 2; }));
}

TEST_F(WarmUpTest, ConnectsToSixteenAtATime) {
  Hold();
  Follow();
  Register("greeter", 1, 40);
  Discover("greeter");
  ASSERT_TRUE(Eventually([&] { return running() == 16; }));
  LetGo();
  EXPECT_TRUE(Eventually([&] { return begun().size() == 40 && running() == 0; }));
  MutexLock lock(mutex_);
  EXPECT_EQ(most_, 16);
}

TEST_F(WarmUpTest, LeavesNodesBeyondItsRoomToTheCalls) {
  Hold();
  Follow();
  Register("greeter", 1, 1000);
  Discover("greeter");
  ASSERT_TRUE(Eventually([&] { return running() == 16; }));
  LetGo();
  EXPECT_TRUE(Eventually([&] { return begun().size() == 256 && running() == 0; }));
}

TEST_F(WarmUpTest, EndsWhatGoesOnWhenItGoes) {
  Hold();
  Follow();
  Register("greeter", 1, 40);
  Discover("greeter");
  ASSERT_TRUE(Eventually([&] { return running() == 16; }));
  warm_up_.reset();
  EXPECT_EQ(cancelled_, 16);
  EXPECT_EQ(running(), 0);
  Register("greeter", 50, 1);
  ASSERT_TRUE(Eventually([&] { return cache_->Peek("greeter")->node_count() == 41; }));
  EXPECT_EQ(begun().size(), 16u);
}

}  // namespace
}  // namespace micro
