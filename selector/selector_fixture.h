// What the tests of the Selector share: a selector on a registry of its own.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/async.h"
#include "core/plugin_table.h"
#include "core/testing/eventually.h"
#include "core/testing/status_matchers.h"
#include "registry/testing/scripted_registry.h"
#include "selector/selector.h"

namespace micro::selector {

inline registry::Options OwnWorld() {
  static std::atomic<int> last = 0;
  return {.addresses = {"selector-test-" + std::to_string(++last)}, .timeout = {}};
}

inline std::unique_ptr<Strategy> NewStrategy(const std::string& name) {
  return *PluginTable<Strategy>::Create(name, {});
}

// One version of "greeter" with these nodes, each of which has its id as label "id".
inline registry::Service Greeter(const std::string& version, const std::vector<std::string>& ids) {
  registry::Service service{
      .name = "greeter", .version = version, .endpoints = {{.name = "Greeter.Hello"}}};
  for (const std::string& id : ids)
    service.nodes.push_back({.id = id, .address = id + ":80", .metadata = {{"id", id}}});
  return service;
}

inline constexpr EjectionOptions kForLong{.unreachable_for = absl::Hours(1),
                                          .longest = absl::Hours(1)};

inline SelectOptions Only(const std::string& id) { return {.filters = {Label("id", id)}}; }

// A selector on a registry of its own.
class World {
 public:
  explicit World(std::unique_ptr<Strategy> strategy, Options options = {})
      : registry_(*registry::ScriptedRegistryFactory(script)(OwnWorld())),
        cache_(std::make_shared<registry::Cache>(registry_)),
        selector(std::move(strategy), cache_, std::move(options)) {}
  explicit World(const std::string& strategy, EjectionOptions ejection = {})
      : World(NewStrategy(strategy), {.ejection = ejection}) {}
  World(const std::string& strategy, Options options)
      : World(NewStrategy(strategy), std::move(options)) {}
  ~World() { cache_->Stop(); }

  void Register(const registry::Service& service) {
    EXPECT_THAT(BlockOn(registry_->Register(Context(), service, {})), IsOk());
  }
  void Deregister(const registry::Service& service) {
    EXPECT_THAT(BlockOn(registry_->Deregister(Context(), service)), IsOk());
  }
  absl::Status Discover(const std::string& service = "greeter") {
    return BlockOn(selector.Discover(Context(), service));
  }
  void RegisterAndDiscover(const registry::Service& service) {
    Register(service);
    EXPECT_THAT(Discover(), IsOk());
  }

  // How often each node is chosen in `count` calls that end well at once.
  std::map<std::string, int> Count(int count, const SelectOptions& options = {}) {
    std::map<std::string, int> chosen;
    for (int i = 0; i < count; ++i) {
      absl::StatusOr<Pick> pick = selector.Select("greeter", options);
      if (!pick.ok()) {
        ADD_FAILURE() << pick.status();
        break;
      }
      ++chosen[pick->node().id];
    }
    return chosen;
  }

  void End(const SelectOptions& options, const absl::Status& status, bool unreachable = false) {
    absl::StatusOr<Pick> pick = selector.Select("greeter", options);
    ASSERT_THAT(pick, IsOk());
    pick->Done(status, unreachable);
  }
  // Has a node left out for an hour.
  void MarkForLong(const std::string& id) {
    End(Only(id), absl::UnavailableError("refused"), /*unreachable=*/true);
  }

  registry::RegistryScript script;

 private:
  const std::shared_ptr<registry::Registry> registry_;
  const std::shared_ptr<registry::Cache> cache_;

 public:
  Selector selector;
};

}  // namespace micro::selector
