#include "registry/registry.h"

#include <fmt/format.h>

#include <algorithm>

namespace micro::registry {

std::string_view ToString(Action action) {
  switch (action) {
    case Action::kCreate:
      return "create";
    case Action::kUpdate:
      return "update";
    case Action::kDelete:
      return "delete";
  }
  return "unknown";
}

absl::Status RefuseUnused(std::string_view registry, const Options& options,
                          std::initializer_list<std::string_view> used) {
  const std::pair<std::string_view, bool> set[] = {
      {"username", !options.username.empty()},     {"password", !options.password.empty()},
      {"token", !options.token.empty()},           {"tls", options.UsesTls()},
      {"datacenter", !options.datacenter.empty()}, {"prefix", !options.prefix.empty()},
  };
  for (const auto& [flag, is_set] : set) {
    if (is_set && std::find(used.begin(), used.end(), flag) == used.end()) {
      return absl::InvalidArgumentError(
          fmt::format("registry \"{}\" has no use for --registry_{}", registry, flag));
    }
  }
  return absl::OkStatus();
}

absl::Status Validate(const Service& service) {
  if (service.name.empty())
    return absl::InvalidArgumentError("a service needs a name (flag --server_name)");
  if (service.nodes.empty()) {
    return absl::InvalidArgumentError(
        fmt::format("service \"{}\" has no nodes to register", service.name));
  }
  for (const Node& node : service.nodes) {
    if (node.id.empty()) {
      return absl::InvalidArgumentError(
          fmt::format("a node of service \"{}\" has no id", service.name));
    }
    const size_t colon = node.address.rfind(':');
    if (colon == std::string::npos || colon == 0 || colon + 1 == node.address.size()) {
      return absl::InvalidArgumentError(
          fmt::format("node \"{}\" of service \"{}\": address \"{}\" is not host:port", node.id,
                      service.name, node.address));
    }
  }
  return absl::OkStatus();
}

void MergeNodes(Service& into, const Service& from) {
  std::vector<Node> nodes = std::move(into.nodes);
  for (const Node& node : from.nodes) {
    const auto same =
        std::find_if(nodes.begin(), nodes.end(), [&](const Node& n) { return n.id == node.id; });
    if (same == nodes.end()) {
      nodes.push_back(node);
    } else {
      *same = node;
    }
  }
  into = from;
  into.nodes = std::move(nodes);
}

bool RemoveNodes(Service& service, const Service& gone) {
  std::erase_if(service.nodes, [&](const Node& node) {
    return std::any_of(gone.nodes.begin(), gone.nodes.end(),
                       [&](const Node& g) { return g.id == node.id; });
  });
  return service.nodes.empty();
}

}  // namespace micro::registry
