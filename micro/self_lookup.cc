#include "micro/self_lookup.h"

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

namespace micro {

Task<absl::Status> LookUpSelf(Context ctx, registry::Registry& registry, registry::Service record) {
  absl::StatusOr<std::vector<registry::Service>> found =
      co_await registry.GetService(std::move(ctx), record.name);
  if (absl::IsNotFound(found.status())) found = std::vector<registry::Service>();
  if (!found.ok()) co_return found.status();
  const registry::Node& own = record.nodes[0];
  std::string elsewhere;
  size_t others = 0;
  for (const registry::Service& version : *found) {
    for (const registry::Node& node : version.nodes) {
      if (node.id != own.id) {
        ++others;
      } else if (node.address == own.address) {
        co_return absl::OkStatus();
      } else {
        elsewhere = node.address;
      }
    }
  }
  if (!elsewhere.empty()) {
    co_return absl::NotFoundError(fmt::format("registry {} has node {} at {} instead of {}",
                                              registry.name(), own.id, elsewhere, own.address));
  }
  co_return absl::NotFoundError(
      fmt::format("registry {} does not list node {} of service {} ({} others)", registry.name(),
                  own.id, record.name, others));
}

}  // namespace micro
