// What the tests of registries of instances share: instances, and what every registry does with them.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "core/task.h"
#include "core/testing/eventually.h"
#include "core/testing/status_matchers.h"
#include "due/instances/instance_registry.h"

namespace due {

// A node whose endpoint is on this machine.
inline Instance NodeAt(const std::string& id, int port) {
  Instance node = {.id = id,
                   .kind = "node",
                   .alias = "hall",
                   .state = "work",
                   .events = {1, 3},
                   .endpoint = "drpc://127.0.0.1:" + std::to_string(port) + "?is_secure=false",
                   .weight = 1,
                   .metadata = {{"region", "eu"}}};
  for (int route = 1; route <= 300; ++route)
    node.routes.push_back({.id = route, .stateful = route % 2 == 0, .authorized = route > 5});
  return node;
}

inline std::vector<Instance> Next(InstanceWatcher& watcher) {
  auto now = BlockOn(watcher.Next(micro::WithTimeout(micro::Context(), absl::Minutes(1))));
  EXPECT_TRUE(now.ok()) << now.status();
  return now.ok() ? *std::move(now) : std::vector<Instance>();
}

// Calls Next until it says `expected`, which it does in a minute.
inline void ExpectNext(InstanceWatcher& watcher, const std::vector<Instance>& expected) {
  std::vector<Instance> now;
  do {
    now = Next(watcher);
  } while (now != expected && !testing::Test::HasFailure());
  EXPECT_EQ(now, expected);
}

// Registers, changes and deregisters through one handle what another watches. `port` accepts
// connections.
inline void ExpectLivesOfInstances(InstanceRegistry& here, InstanceRegistry& there, int port) {
  using micro::IsOk;
  const micro::Context ctx;
  const auto made = BlockOn(there.Watch(ctx, "node"));
  ASSERT_TRUE(made.ok()) << made.status();
  InstanceWatcher& watcher = **made;
  EXPECT_THAT(Next(watcher), testing::IsEmpty());

  Instance first = NodeAt("a", port), second = NodeAt("b", port);
  Instance gate = {
      .id = "a", .kind = "gate", .alias = "gate", .state = "work", .endpoint = first.endpoint};
  ASSERT_THAT(BlockOn(here.Register(ctx, gate)), IsOk());
  ASSERT_THAT(BlockOn(here.Register(ctx, second)), IsOk());
  ExpectNext(watcher, {second});
  ASSERT_THAT(BlockOn(here.Register(ctx, first)), IsOk());
  ExpectNext(watcher, {first, second});
  second.state = "hang";
  second.routes.pop_back();
  ASSERT_THAT(BlockOn(here.Register(ctx, second)), IsOk());
  ExpectNext(watcher, {first, second});
  EXPECT_TRUE(micro::Eventually([&] {
    return BlockOn(there.Instances(ctx, "node")).value() == std::vector<Instance>{first, second};
  }));
  EXPECT_EQ(BlockOn(there.Instances(ctx, "gate")).value(), std::vector<Instance>{gate});
  ASSERT_THAT(BlockOn(here.Deregister(ctx, first)), IsOk());
  ExpectNext(watcher, {second});
  ASSERT_THAT(BlockOn(here.Deregister(ctx, second)), IsOk());
  ExpectNext(watcher, {});
  ASSERT_THAT(BlockOn(here.Deregister(ctx, second)), IsOk());
  watcher.Stop();
  EXPECT_THAT(BlockOn(watcher.Next(ctx)).status(), micro::StatusIs(absl::StatusCode::kCancelled));
}

}  // namespace due
