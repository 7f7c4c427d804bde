#include "registry/record_json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/status_macros.h"

namespace micro::registry {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxBytes = 1 << 20;
constexpr size_t kMaxDepth = 32;
constexpr int kMaxMembers = 4096;  // of one object: ordered_json looks each up among all others

Json ValueJson(const Value& value) {
  Json json = {{"name", value.name}, {"type", value.type}, {"values", nullptr}};
  if (!value.values.empty()) {
    json["values"] = Json::array();
    for (const Value& child : value.values) json["values"].push_back(ValueJson(child));
  }
  return json;
}

Value ValueFrom(const Json& json) {
  Value value;
  if (!json.is_object()) return value;
  value.name = TextOf(json, "name");
  value.type = TextOf(json, "type");
  for (const Json& child : ArrayOf(json, "values")) value.values.push_back(ValueFrom(child));
  return value;
}

Value ValueOf(const Json& json, const char* key) {
  const auto field = json.find(key);
  return field == json.end() ? Value() : ValueFrom(*field);
}

size_t MemoryOf(const Value& value) {
  size_t bytes = sizeof(Value) + value.name.size() + value.type.size();
  for (const Value& child : value.values) bytes += MemoryOf(child);
  return bytes;
}

// What would make the parser slow is refused beforehand: its own callback, which could watch the
// depth, makes it look at all elements of an array for each of them.
absl::Status CheckShape(std::string_view text, std::string_view what) {
  std::vector<int> members;  // of each object or array that is open
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') {
      in_string = !in_string;
    } else if (in_string) {
      if (c == '\\') ++i;
    } else if (c == '{' || c == '[') {
      members.push_back(0);
      if (members.size() > kMaxDepth) {
        return absl::InvalidArgumentError(
            fmt::format("{} of more than {} levels", what, kMaxDepth));
      }
    } else if ((c == '}' || c == ']') && !members.empty()) {
      members.pop_back();
    } else if (c == ':' && !members.empty() && ++members.back() > kMaxMembers) {
      return absl::InvalidArgumentError(
          fmt::format("{} with more than {} members in one object", what, kMaxMembers));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Json> ParseObject(std::string_view text, std::string_view what) {
  if (text.size() > kMaxBytes) {
    return absl::InvalidArgumentError(fmt::format("{} of more than 1 MiB", what));
  }
  RETURN_IF_ERROR(CheckShape(text, what));
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    return absl::InvalidArgumentError(fmt::format("{} that is no JSON object", what));
  }
  return json;
}

std::string ToText(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string TextOf(const Json& json, const char* key) {
  const auto field = json.find(key);
  return field != json.end() && field->is_string() ? field->get<std::string>() : std::string();
}

Labels LabelsOf(const Json& json, const char* key) {
  Labels labels;
  const auto field = json.find(key);
  if (field == json.end() || !field->is_object()) return labels;
  for (const auto& [name, value] : field->items()) {
    if (value.is_string()) labels.emplace(name, value.get<std::string>());
  }
  return labels;
}

Json EndpointsJson(const std::vector<Endpoint>& endpoints) {
  Json json = Json::array();
  for (const Endpoint& endpoint : endpoints) {
    json.push_back({{"name", endpoint.name},
                    {"request", ValueJson(endpoint.request)},
                    {"response", ValueJson(endpoint.response)},
                    {"metadata", endpoint.metadata}});
  }
  return json;
}

std::vector<Endpoint> EndpointsOf(const Json& json, const char* key) {
  std::vector<Endpoint> endpoints;
  for (const Json& endpoint : ArrayOf(json, key)) {
    if (!endpoint.is_object()) continue;
    endpoints.push_back({.name = TextOf(endpoint, "name"),
                         .request = ValueOf(endpoint, "request"),
                         .response = ValueOf(endpoint, "response"),
                         .metadata = LabelsOf(endpoint, "metadata")});
  }
  return endpoints;
}

Json ServiceJson(const Service& service) {
  Json json = {{"name", service.name},
               {"version", service.version},
               {"metadata", service.metadata},
               {"endpoints", EndpointsJson(service.endpoints)},
               {"nodes", Json::array()}};
  for (const Node& node : service.nodes) {
    json["nodes"].push_back(
        {{"id", node.id}, {"address", node.address}, {"metadata", node.metadata}});
  }
  return json;
}

Service ServiceFrom(const Json& json) {
  Service service;
  if (!json.is_object()) return service;
  service = {.name = TextOf(json, "name"),
             .version = TextOf(json, "version"),
             .metadata = LabelsOf(json, "metadata"),
             .endpoints = EndpointsOf(json, "endpoints")};
  for (const Json& node : ArrayOf(json, "nodes")) {
    if (!node.is_object()) continue;
    service.nodes.push_back({.id = TextOf(node, "id"),
                             .address = TextOf(node, "address"),
                             .metadata = LabelsOf(node, "metadata")});
  }
  return service;
}

const Json& ArrayOf(const Json& json, const char* key) {
  static const Json& none = *new Json(Json::array());
  const auto field = json.find(key);
  return field != json.end() && field->is_array() ? *field : none;
}

size_t MemoryOf(const Labels& labels) {
  size_t bytes = 0;
  for (const auto& [name, value] : labels)
    bytes += 2 * sizeof(std::string) + name.size() + value.size();
  return bytes;
}

size_t MemoryOf(const std::vector<Endpoint>& endpoints) {
  size_t bytes = 0;
  for (const Endpoint& endpoint : endpoints) {
    bytes += MemoryOf(endpoint.request) + MemoryOf(endpoint.response) +
             MemoryOf(endpoint.metadata) + sizeof(Endpoint) + endpoint.name.size();
  }
  return bytes;
}

}  // namespace micro::registry
