// A ScriptedRegistry is a memory registry that fails when a test says so.
//
//   registry::RegistryScript script;
//   ScopedPlugin<registry::Registry> plugin("scripted", registry::ScriptedRegistryFactory(script));
//   auto service = NewService({.name = "greeter", .registry = "scripted"});
//   script.down = true;
//
// The script outlives the registry; both may be used from any thread.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/async.h"
#include "core/plugin_table.h"
#include "registry/registry.h"

namespace micro::registry {

struct RegistryScript {
  std::atomic<bool> down = false;  // every request is answered UNAVAILABLE
  std::atomic<bool> answers_get_lost =
      false;                          // registrations are made, but their answers never come
  std::atomic<bool> forgets = false;  // registrations are answered OK, and not kept
  std::atomic<bool> deregistrations_hang = false;  // as long as the caller waits
  std::function<void()> on_deregister = nullptr;   // called before a node is taken out
  std::atomic<int> registrations = 0;              // asked for, successful or not
  std::atomic<int> lookups = 0;                    // likewise, of one service
  std::atomic<int64_t> ttl_seconds = 0;            // of the last one
};

class ScriptedRegistry final : public Registry {
 public:
  ScriptedRegistry(RegistryScript& script, std::unique_ptr<Registry> memory)
      : script_(script), memory_(std::move(memory)) {}

  std::string_view name() const override { return "scripted"; }
  absl::Duration spread_time() const override { return memory_->spread_time(); }

  Task<absl::Status> Register(Context ctx, Service service, RegisterOptions options) override {
    ++script_.registrations;
    script_.ttl_seconds = absl::ToInt64Seconds(options.ttl);
    if (script_.down) co_return Down();
    if (script_.forgets) co_return absl::OkStatus();
    absl::Status status = co_await memory_->Register(ctx, std::move(service), options);
    if (script_.answers_get_lost) status = co_await Sleep(ctx, absl::InfiniteDuration());
    co_return status;
  }
  Task<absl::Status> Deregister(Context ctx, Service service) override {
    if (script_.on_deregister != nullptr) script_.on_deregister();
    if (script_.deregistrations_hang) co_return co_await Sleep(ctx, absl::InfiniteDuration());
    if (script_.down) co_return Down();
    co_return co_await memory_->Deregister(std::move(ctx), std::move(service));
  }
  Task<absl::StatusOr<std::vector<Service>>> GetService(Context ctx, std::string name) override {
    ++script_.lookups;
    if (script_.down) co_return Down();
    co_return co_await memory_->GetService(std::move(ctx), std::move(name));
  }
  Task<absl::StatusOr<std::vector<Service>>> ListServices(Context ctx) override {
    if (script_.down) co_return Down();
    co_return co_await memory_->ListServices(std::move(ctx));
  }
  Task<absl::StatusOr<std::unique_ptr<Watcher>>> Watch(Context ctx, WatchOptions options) override {
    if (script_.down) co_return Down();
    co_return co_await memory_->Watch(std::move(ctx), std::move(options));
  }

 private:
  static absl::Status Down() { return absl::UnavailableError("the registry is down"); }

  RegistryScript& script_;
  const std::unique_ptr<Registry> memory_;
};

// Makes scripted registries, each over the memory registry of its options.
inline PluginTable<Registry>::Factory ScriptedRegistryFactory(RegistryScript& script) {
  return [&script](const Options& options) -> absl::StatusOr<std::unique_ptr<Registry>> {
    auto memory = PluginTable<Registry>::Create("memory", options);
    if (!memory.ok()) return memory.status();
    return std::make_unique<ScriptedRegistry>(script, *std::move(memory));
  };
}

}  // namespace micro::registry
