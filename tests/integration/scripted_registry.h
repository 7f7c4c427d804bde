// A registry in front of a memory registry, which fails when a test tells it to.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/async.h"
#include "core/plugin_table.h"
#include "registry/registry.h"

namespace micro {

// What a test says, and what it may ask; outlives the registry.
struct RegistryScript {
  std::atomic<bool> down = false;      // every request is answered UNAVAILABLE
  std::atomic<bool> answers_get_lost = false;  // registrations are made, but their answers never come
  std::atomic<int> registrations = 0;          // asked for, successful or not
  std::atomic<int64_t> ttl_seconds = 0;        // of the last one
};

class ScriptedRegistry final : public registry::Registry {
 public:
  ScriptedRegistry(RegistryScript& script, std::unique_ptr<registry::Registry> memory)
      : script_(script), memory_(std::move(memory)) {}

  std::string_view name() const override { return "scripted"; }

  Task<absl::Status> Register(Context ctx, registry::Service service, registry::RegisterOptions options) override {
    ++script_.registrations;
    script_.ttl_seconds = absl::ToInt64Seconds(options.ttl);
    if (script_.down) co_return Down();
    absl::Status status = co_await memory_->Register(ctx, std::move(service), options);
    if (script_.answers_get_lost) status = co_await Sleep(ctx, absl::InfiniteDuration());
    co_return status;
  }
  Task<absl::Status> Deregister(Context ctx, registry::Service service) override {
    if (script_.down) co_return Down();
    co_return co_await memory_->Deregister(std::move(ctx), std::move(service));
  }
  Task<absl::StatusOr<std::vector<registry::Service>>> GetService(Context ctx, std::string name) override {
    if (script_.down) co_return Down();
    co_return co_await memory_->GetService(std::move(ctx), std::move(name));
  }
  Task<absl::StatusOr<std::vector<registry::Service>>> ListServices(Context ctx) override {
    if (script_.down) co_return Down();
    co_return co_await memory_->ListServices(std::move(ctx));
  }
  Task<absl::StatusOr<std::unique_ptr<registry::Watcher>>> Watch(Context ctx, registry::WatchOptions options) override {
    if (script_.down) co_return Down();
    co_return co_await memory_->Watch(std::move(ctx), std::move(options));
  }

 private:
  static absl::Status Down() { return absl::UnavailableError("the registry is down"); }

  RegistryScript& script_;
  const std::unique_ptr<registry::Registry> memory_;
};

// The plugin "scripted", for a test's scope.
inline ScopedPlugin<registry::Registry>::Factory ScriptedRegistryFactory(RegistryScript& script) {
  return [&script](const registry::Options& options) -> absl::StatusOr<std::unique_ptr<registry::Registry>> {
    auto memory = PluginTable<registry::Registry>::Create("memory", options);
    if (!memory.ok()) return memory.status();
    return std::make_unique<ScriptedRegistry>(script, *std::move(memory));
  };
}

}  // namespace micro
