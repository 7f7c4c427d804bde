#include "registry/memory/memory_registry.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <vector>

#include "core/plugin_table.h"
#include "core/testing/status_matchers.h"
#include "core/testing/virtual_clock.h"
#include "registry/conformance.h"

namespace micro::registry {
namespace {

std::string UniqueAddress() {
  static std::atomic<int> count = 0;
  return "test-" + std::to_string(++count);
}

INSTANTIATE_TEST_SUITE_P(
    Memory, RegistryConformance,
    testing::Values(Implementation{
        .start =
            [] {
              const Options options{.addresses = {UniqueAddress()}};
              return [=] { return PluginTable<Registry>::Create("memory", options).value(); };
            },
        .ttl = absl::Milliseconds(200)}));

Service Greeter() {
  return {.name = "greeter", .version = "1", .nodes = {{"greeter-1", "127.0.0.1:1", {}}}};
}

TEST(MemoryRegistry, TellsWatchersWhenATtlPasses) {
  VirtualClock clock;
  const auto registry = NewMemoryRegistry({.addresses = {UniqueAddress()}}, clock);
  const auto watcher = BlockOn(registry->Watch(Context(), {})).value();
  ASSERT_THAT(BlockOn(registry->Register(Context(), Greeter(), {.ttl = absl::Seconds(60)})),
              IsOk());
  EXPECT_EQ(BlockOn(watcher->Next(Context()))->action, Action::kCreate);
  clock.Advance(absl::Seconds(59));
  EXPECT_THAT(BlockOn(registry->GetService(Context(), "greeter")), IsOk());
  clock.Advance(absl::Seconds(1));
  const auto event = BlockOn(watcher->Next(Context()));
  ASSERT_TRUE(event.ok());
  EXPECT_EQ(event->action, Action::kDelete);
  EXPECT_EQ(event->service.nodes, Greeter().nodes);
  EXPECT_THAT(BlockOn(registry->GetService(Context(), "greeter")),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST(MemoryRegistry, ARefreshStartsTheTtlAnewAndIsNoEvent) {
  VirtualClock clock;
  const auto registry = NewMemoryRegistry({.addresses = {UniqueAddress()}}, clock);
  const auto watcher = BlockOn(registry->Watch(Context(), {})).value();
  for (int i = 0; i < 5; ++i) {
    ASSERT_THAT(BlockOn(registry->Register(Context(), Greeter(), {.ttl = absl::Seconds(60)})),
                IsOk());
    EXPECT_EQ(clock.NextTimer(), clock.Now() + absl::Seconds(60));
    clock.Advance(absl::Seconds(40));
  }
  EXPECT_THAT(BlockOn(registry->GetService(Context(), "greeter")), IsOk());
  ASSERT_THAT(BlockOn(registry->Deregister(Context(), Greeter())), IsOk());
  EXPECT_EQ(clock.NextTimer(), absl::InfiniteFuture());
  EXPECT_EQ(BlockOn(watcher->Next(Context()))->action, Action::kCreate);
  EXPECT_EQ(BlockOn(watcher->Next(Context()))->action, Action::kDelete);
}

TEST(MemoryRegistry, ReportsAChangedNodeAsAnUpdate) {
  const auto registry = NewMemoryRegistry({.addresses = {UniqueAddress()}});
  const auto watcher = BlockOn(registry->Watch(Context(), {})).value();
  Service greeter = Greeter();
  ASSERT_THAT(BlockOn(registry->Register(Context(), greeter, {})), IsOk());
  greeter.nodes[0].metadata["zone"] = "b";
  ASSERT_THAT(BlockOn(registry->Register(Context(), greeter, {})), IsOk());
  EXPECT_EQ(BlockOn(watcher->Next(Context()))->action, Action::kCreate);
  const auto event = BlockOn(watcher->Next(Context()));
  EXPECT_EQ(event->action, Action::kUpdate);
  EXPECT_EQ(event->service.nodes, greeter.nodes);
}

TEST(MemoryRegistry, KeepsTheServicesOwnMetadataAndListsWholeRecords) {
  const auto registry = NewMemoryRegistry({.addresses = {UniqueAddress()}});
  Service greeter = Greeter();
  greeter.metadata["team"] = "a";
  ASSERT_THAT(BlockOn(registry->Register(Context(), greeter, {})), IsOk());
  EXPECT_EQ(*BlockOn(registry->ListServices(Context())), std::vector<Service>{greeter});
}

TEST(MemoryRegistry, SharesRecordsByAddressWhileOneRegistryLives) {
  const Options one{.addresses = {UniqueAddress()}}, other{.addresses = {UniqueAddress()}};
  auto first = NewMemoryRegistry(one);
  ASSERT_THAT(BlockOn(first->Register(Context(), Greeter(), {})), IsOk());
  auto second = NewMemoryRegistry(one);
  first.reset();
  EXPECT_THAT(BlockOn(second->GetService(Context(), "greeter")), IsOk());
  EXPECT_THAT(BlockOn(NewMemoryRegistry(other)->GetService(Context(), "greeter")),
              StatusIs(absl::StatusCode::kNotFound));
  second.reset();
  EXPECT_THAT(BlockOn(NewMemoryRegistry(one)->GetService(Context(), "greeter")),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST(MemoryRegistry, AWatcherThatOutlivesTheRecordsEnds) {
  auto registry = NewMemoryRegistry({.addresses = {UniqueAddress()}});
  const auto watcher = BlockOn(registry->Watch(Context(), {})).value();
  registry.reset();
  EXPECT_THAT(BlockOn(watcher->Next(Context())), StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace micro::registry
