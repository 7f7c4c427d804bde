#include "registry/service_json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/status_macros.h"

namespace micro::registry {
namespace {

using Json = nlohmann::ordered_json;

Json ValueJson(const Value& value) {
  Json json = {{"name", value.name}, {"type", value.type}, {"values", nullptr}};
  if (!value.values.empty()) {
    json["values"] = Json::array();
    for (const Value& child : value.values) json["values"].push_back(ValueJson(child));
  }
  return json;
}

std::string TextOf(const Json& json, const char* key) {
  const auto field = json.find(key);
  return field != json.end() && field->is_string() ? field->get<std::string>() : std::string();
}

Labels LabelsOf(const Json& json) {
  Labels labels;
  const auto field = json.find("metadata");
  if (field == json.end() || !field->is_object()) return labels;
  for (const auto& [key, value] : field->items()) {
    if (value.is_string()) labels.emplace(key, value.get<std::string>());
  }
  return labels;
}

const Json& ChildrenOf(const Json& json, const char* key) {
  static const Json& none = *new Json(Json::array());
  const auto field = json.find(key);
  return field != json.end() && field->is_array() ? *field : none;
}

Value ValueOf(const Json& json) {
  Value value;
  if (!json.is_object()) return value;
  value.name = TextOf(json, "name");
  value.type = TextOf(json, "type");
  for (const Json& child : ChildrenOf(json, "values")) value.values.push_back(ValueOf(child));
  return value;
}

Value ValueIn(const Json& json, const char* key) {
  const auto field = json.find(key);
  return field == json.end() ? Value() : ValueOf(*field);
}

}  // namespace

std::string ToJson(const Service& service) {
  Json json = {{"name", service.name}, {"version", service.version}, {"metadata", service.metadata}};
  json["endpoints"] = Json::array();
  for (const Endpoint& endpoint : service.endpoints) {
    json["endpoints"].push_back({{"name", endpoint.name},
                                 {"request", ValueJson(endpoint.request)},
                                 {"response", ValueJson(endpoint.response)},
                                 {"metadata", endpoint.metadata}});
  }
  json["nodes"] = Json::array();
  for (const Node& node : service.nodes) {
    json["nodes"].push_back({{"id", node.id}, {"address", node.address}, {"metadata", node.metadata}});
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

absl::StatusOr<Service> ParseService(std::string_view text) {
  if (text.size() > 1 << 20) return absl::InvalidArgumentError("a service record of more than 1 MiB");
  bool too_deep = false;
  const auto watch_depth = [&](int depth, Json::parse_event_t, Json&) { return depth > 32 ? too_deep = true, false : true; };
  const Json json = Json::parse(text, watch_depth, /*allow_exceptions=*/false);
  if (too_deep) return absl::InvalidArgumentError("a service record of more than 32 levels");
  if (!json.is_object()) return absl::InvalidArgumentError("a service record that is no JSON object");
  Service service{.name = TextOf(json, "name"), .version = TextOf(json, "version"), .metadata = LabelsOf(json),
                  .endpoints = {}, .nodes = {}};
  for (const Json& endpoint : ChildrenOf(json, "endpoints")) {
    if (!endpoint.is_object()) continue;
    service.endpoints.push_back({.name = TextOf(endpoint, "name"),
                                 .request = ValueIn(endpoint, "request"),
                                 .response = ValueIn(endpoint, "response"),
                                 .metadata = LabelsOf(endpoint)});
  }
  for (const Json& node : ChildrenOf(json, "nodes")) {
    if (!node.is_object()) continue;
    service.nodes.push_back({.id = TextOf(node, "id"), .address = TextOf(node, "address"), .metadata = LabelsOf(node)});
  }
  if (service.name.empty()) return absl::InvalidArgumentError("a service record without a name");
  return service;
}

}  // namespace micro::registry
