#include "registry/service_json.h"

#include <nlohmann/json.hpp>

#include "core/status_macros.h"
#include "registry/record_json.h"

namespace micro::registry {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxMemory = 4 << 20;

size_t MemoryOfAll(const Service& service) {
  size_t bytes = MemoryOf(service.metadata) + MemoryOf(service.endpoints);
  for (const Node& node : service.nodes) bytes += sizeof(Node) + MemoryOf(node.metadata);
  return bytes;
}

}  // namespace

std::string ToJson(const Service& service) {
  Json json = {{"name", service.name}, {"version", service.version}, {"metadata", nullptr}};
  if (!service.metadata.empty()) json["metadata"] = service.metadata;
  json["endpoints"] = EndpointsJson(service.endpoints);
  json["nodes"] = Json::array();
  for (const Node& node : service.nodes) {
    json["nodes"].push_back(
        {{"metadata", node.metadata}, {"id", node.id}, {"address", node.address}});
  }
  return ToText(json);
}

absl::StatusOr<Service> ParseService(std::string_view text) {
  ASSIGN_OR_RETURN(const Json json, ParseObject(text, "a service record"));
  Service service{.name = TextOf(json, "name"),
                  .version = TextOf(json, "version"),
                  .metadata = LabelsOf(json, "metadata"),
                  .endpoints = EndpointsOf(json, "endpoints")};
  for (const Json& node : ArrayOf(json, "nodes")) {
    if (!node.is_object()) continue;
    service.nodes.push_back({.id = TextOf(node, "id"),
                             .address = TextOf(node, "address"),
                             .metadata = LabelsOf(node, "metadata")});
  }
  if (service.name.empty()) return absl::InvalidArgumentError("a service record without a name");
  if (MemoryOfAll(service) > kMaxMemory)
    return absl::InvalidArgumentError("a service record that takes more than 4 MiB of memory");
  return service;
}

}  // namespace micro::registry
