#include "core/plugin_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdio>
#include <cstdlib>
#include <map>

#include "core/mutex.h"

namespace micro::internal {

struct PluginNames::Table {
  struct Plugin {
    std::string place;
    Factory factory;
  };
  explicit Table(std::string_view kind) : kind(kind) {}

  const std::string kind;
  Mutex mutex;
  bool frozen ABSL_GUARDED_BY(mutex) = false;
  std::map<std::string, Plugin, std::less<>> plugins ABSL_GUARDED_BY(mutex);
};

PluginNames::PluginNames(std::string_view kind) : table_(std::make_unique<Table>(kind)) {}
PluginNames::~PluginNames() = default;

absl::Status PluginNames::Add(std::string_view name, std::string_view place, Factory factory) {
  MutexLock lock(table_->mutex);
  if (table_->frozen) {
    return absl::FailedPreconditionError(
        fmt::format("{} \"{}\" ({}): plugins are registered before the first service starts",
                    table_->kind, name, place));
  }
  const auto before = table_->plugins.find(name);
  if (before != table_->plugins.end()) {
    return absl::AlreadyExistsError(fmt::format("{} \"{}\" is registered twice: at {} and at {}",
                                                table_->kind, name, before->second.place, place));
  }
  table_->plugins.emplace(name, Table::Plugin{std::string(place), std::move(factory)});
  return absl::OkStatus();
}

absl::StatusOr<PluginNames::Factory> PluginNames::Find(std::string_view name) const {
  MutexLock lock(table_->mutex);
  const auto plugin = table_->plugins.find(name);
  if (plugin != table_->plugins.end()) return plugin->second.factory;
  std::vector<std::string_view> names;
  for (const auto& [linked, unused] : table_->plugins) names.push_back(linked);
  return absl::InvalidArgumentError(fmt::format(
      "{} \"{}\" is not linked; linked: {} (flag --{})", table_->kind, name,
      names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")), table_->kind));
}

std::vector<std::string> PluginNames::Names() const {
  MutexLock lock(table_->mutex);
  std::vector<std::string> names;
  for (const auto& [name, unused] : table_->plugins) names.push_back(name);
  return names;
}

PluginNames::Factory PluginNames::Swap(std::string_view name, Factory factory) {
  MutexLock lock(table_->mutex);
  Factory before;
  const auto plugin = table_->plugins.find(name);
  if (plugin != table_->plugins.end()) before = plugin->second.factory;
  if (factory == nullptr) {
    if (plugin != table_->plugins.end()) table_->plugins.erase(plugin);
  } else if (plugin != table_->plugins.end()) {
    plugin->second.factory = std::move(factory);
  } else {
    table_->plugins.emplace(name, Table::Plugin{"a ScopedPlugin", std::move(factory)});
  }
  return before;
}

void PluginNames::Freeze() {
  MutexLock lock(table_->mutex);
  table_->frozen = true;
}

bool AddedOrDie(const absl::Status& status) {
  if (status.ok()) return true;
  std::fprintf(stderr, "micro-cpp: %s\n", std::string(status.message()).c_str());
  std::abort();
}

}  // namespace micro::internal
