#include "registry/record_json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace micro::registry {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxBytes = 1 << 20;
constexpr int kMaxDepth = 32;

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

}  // namespace

absl::StatusOr<Json> ParseObject(std::string_view text, std::string_view what) {
  if (text.size() > kMaxBytes) {
    return absl::InvalidArgumentError(fmt::format("{} of more than 1 MiB", what));
  }
  bool too_deep = false;
  const auto watch_depth = [&](int depth, Json::parse_event_t, Json&) {
    if (depth > kMaxDepth) too_deep = true;
    return depth <= kMaxDepth;
  };
  Json json = Json::parse(text, watch_depth, /*allow_exceptions=*/false);
  if (too_deep) {
    return absl::InvalidArgumentError(fmt::format("{} of more than {} levels", what, kMaxDepth));
  }
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

const Json& ArrayOf(const Json& json, const char* key) {
  static const Json& none = *new Json(Json::array());
  const auto field = json.find(key);
  return field != json.end() && field->is_array() ? *field : none;
}

}  // namespace micro::registry
