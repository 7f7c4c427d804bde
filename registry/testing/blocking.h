// A registry's methods for tests, which may block: the words that the tests of implementations share.
#pragma once

#include <gmock/gmock.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "core/plugin_table.h"
#include "core/task.h"
#include "core/testing/status_matchers.h"
#include "registry/registry.h"

namespace micro::registry {

// How long they wait for what is about to happen.
inline constexpr absl::Duration kPatience = absl::Seconds(20);

// A handle of its own, as another process would have one.
inline std::unique_ptr<Registry> Open(std::string_view name, const Options& options) {
  return PluginTable<Registry>::Create(name, options).value();
}

// A record with one node.
inline Service Record(const std::string& name) {
  return {
      .name = name, .version = "1.0.0", .nodes = {{name + "-1", "10.0.0.1:8080", {{"zone", "a"}}}}};
}

inline absl::Status Register(Registry& registry, const Service& service,
                             absl::Duration ttl = absl::ZeroDuration()) {
  return BlockOn(registry.Register(Context(), service, {.ttl = ttl}));
}

inline absl::Status Deregister(Registry& registry, const Service& service) {
  return BlockOn(registry.Deregister(Context(), service));
}

inline absl::StatusOr<std::vector<Service>> Get(Registry& registry, const std::string& name) {
  return BlockOn(registry.GetService(Context(), name));
}

// Looks a service up until it is found, or is not; the last answer.
inline absl::StatusOr<std::vector<Service>> GetUntil(Registry& registry, const std::string& name,
                                                     bool found) {
  const absl::Time end = Clock::Real().Now() + kPatience;
  while (true) {
    auto services = Get(registry, name);
    if (services.ok() == found || Clock::Real().Now() > end) return services;
  }
}

inline std::unique_ptr<Watcher> Watch(Registry& registry, const std::string& service = "") {
  auto watcher = BlockOn(registry.Watch(Context(), {.service = service}));
  EXPECT_THAT(watcher, IsOk());
  return watcher.ok() ? *std::move(watcher) : nullptr;
}

inline absl::StatusOr<Event> Next(Watcher& watcher) {
  return BlockOn(watcher.Next(WithTimeout(Context(), kPatience)));
}

// An event with this action.
inline auto Does(Action action) {
  return IsOkAndHolds(testing::Field("action", &Event::action, action));
}

}  // namespace micro::registry
