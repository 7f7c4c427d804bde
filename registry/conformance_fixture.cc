#include "registry/conformance_fixture.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <ostream>
#include <thread>
#include <utility>

#include "core/task.h"

namespace micro::registry {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(20);

bool Names(const Event& event, const Node& node) {
  return std::any_of(event.service.nodes.begin(), event.service.nodes.end(),
                     [&](const Node& n) { return n.id == node.id; });
}

absl::StatusOr<Event> NextWhere(Watcher& watcher, const std::function<bool(const Event&)>& accept) {
  const Context ctx = WithTimeout(Context(), kPatience);
  while (true) {
    absl::StatusOr<Event> event = BlockOn(watcher.Next(ctx));
    if (!event.ok() || accept(*event)) return event;
  }
}

}  // namespace

void PrintTo(const Implementation& implementation, std::ostream* out) {
  *out << "TTL " << absl::FormatDuration(implementation.ttl);
}

std::string RegistryConformance::UniqueName(std::string_view stem) {
  static std::atomic<int> count = 0;
  return fmt::format("{}-{}-{}", stem, getpid(), ++count);
}

Service RegistryConformance::Record(const std::string& name, std::string_view version, int node) {
  return {.name = name,
          .version = std::string(version),
          .nodes = {{.id = fmt::format("{}-node{}", name, node),
                     .address = fmt::format("127.0.0.1:{}", 8000 + node),
                     .metadata = {{"protocol", "grpc"}}}}};
}

absl::Status RegistryConformance::Register(Registry& registry, const Service& service,
                                           absl::Duration ttl) {
  return BlockOn(registry.Register(Context(), service, {.ttl = ttl}));
}

absl::Status RegistryConformance::Deregister(Registry& registry, const Service& service) {
  return BlockOn(registry.Deregister(Context(), service));
}

absl::StatusOr<std::vector<Service>> RegistryConformance::Get(Registry& registry,
                                                              const std::string& name) {
  return BlockOn(registry.GetService(Context(), name));
}

std::unique_ptr<Watcher> RegistryConformance::Watch(Registry& registry,
                                                    const std::string& service) {
  auto watcher = BlockOn(registry.Watch(Context(), {.service = service}));
  EXPECT_TRUE(watcher.ok()) << watcher.status();
  return watcher.ok() ? *std::move(watcher) : nullptr;
}

std::vector<Service> RegistryConformance::GetUntil(
    Registry& registry, const std::string& name,
    const std::function<bool(const std::vector<Service>&)>& accept) {
  const absl::Time end = Clock::Real().Now() + kPatience;
  std::vector<Service> services;
  while (true) {
    absl::StatusOr<std::vector<Service>> found = Get(registry, name);
    if (!found.ok() && !absl::IsNotFound(found.status())) {
      ADD_FAILURE() << "looking up " << name << ": " << found.status();
      return {};
    }
    services = found.ok() ? *std::move(found) : std::vector<Service>{};
    if (accept(services) || Clock::Real().Now() > end) return services;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

std::vector<Service> RegistryConformance::GetUntilNodes(Registry& registry, const std::string& name,
                                                        size_t nodes) {
  return GetUntil(registry, name,
                  [&](const std::vector<Service>& found) { return CountNodes(found) == nodes; });
}

absl::StatusOr<Event> RegistryConformance::NextThere(Watcher& watcher, const Node& node) {
  return NextWhere(watcher, [&](const Event& event) {
    return event.action != Action::kDelete && Names(event, node);
  });
}

absl::StatusOr<Event> RegistryConformance::NextGone(Watcher& watcher, const Node& node) {
  return NextWhere(watcher, [&](const Event& event) {
    return event.action == Action::kDelete && (event.service.nodes.empty() || Names(event, node));
  });
}

size_t CountNodes(const std::vector<Service>& services) {
  size_t count = 0;
  for (const Service& service : services) count += service.nodes.size();
  return count;
}

std::vector<std::string> NodeIds(const std::vector<Service>& services) {
  std::vector<std::string> ids;
  for (const Service& service : services) {
    for (const Node& node : service.nodes) ids.push_back(node.id);
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

}  // namespace micro::registry
