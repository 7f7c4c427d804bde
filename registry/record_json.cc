#include "registry/record_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/status_macros.h"

namespace micro::registry {
namespace {

using Json = nlohmann::ordered_json;

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

// Discarded when it is no JSON.
absl::StatusOr<Json> Parse(std::string_view text, std::string_view what, const JsonLimits& limits) {
  if (text.size() > limits.bytes) {
    return absl::InvalidArgumentError(
        fmt::format("{} of more than {} MiB", what, limits.bytes >> 20));
  }
  std::string refusal;
  size_t members[kMaxDepth + 2] = {};  // of the object that is open at this depth
  const auto keep = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (!refusal.empty()) return false;
    if (depth > kMaxDepth) {
      refusal = fmt::format("{} of more than {} levels", what, kMaxDepth);
      return false;
    }
    if (event == Json::parse_event_t::object_start) members[depth + 1] = 0;
    if (event != Json::parse_event_t::key) return true;
    if (!limits.keys.empty() &&
        std::find(limits.keys.begin(), limits.keys.end(), parsed.get_ref<const std::string&>()) ==
            limits.keys.end()) {
      return false;
    }
    // Each member is compared with all before it.
    if (++members[depth] <= limits.members) return true;
    refusal = fmt::format("{} with an object of more than {} members", what, limits.members);
    return false;
  };
  Json json = Json::parse(text, keep, /*allow_exceptions=*/false);
  if (!refusal.empty()) return absl::InvalidArgumentError(refusal);
  return json;
}

}  // namespace

absl::StatusOr<Json> ParseObject(std::string_view text, std::string_view what,
                                 const JsonLimits& limits) {
  ASSIGN_OR_RETURN(Json json, Parse(text, what, limits));
  if (!json.is_object()) {
    return absl::InvalidArgumentError(fmt::format("{} that is no JSON object", what));
  }
  return json;
}

absl::StatusOr<Json> ParseArray(std::string_view text, std::string_view what,
                                const JsonLimits& limits) {
  ASSIGN_OR_RETURN(Json json, Parse(text, what, limits));
  if (!json.is_array()) {
    return absl::InvalidArgumentError(fmt::format("{} that is no JSON array", what));
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

Json EndpointJson(const Endpoint& endpoint) {
  return {{"name", endpoint.name},
          {"request", ValueJson(endpoint.request)},
          {"response", ValueJson(endpoint.response)},
          {"metadata", endpoint.metadata}};
}

Endpoint EndpointFrom(const Json& object) {
  return {.name = TextOf(object, "name"),
          .request = ValueOf(object, "request"),
          .response = ValueOf(object, "response"),
          .metadata = LabelsOf(object, "metadata")};
}

Json EndpointsJson(const std::vector<Endpoint>& endpoints) {
  Json json = Json::array();
  for (const Endpoint& endpoint : endpoints) json.push_back(EndpointJson(endpoint));
  return json;
}

std::vector<Endpoint> EndpointsOf(const Json& json, const char* key) {
  std::vector<Endpoint> endpoints;
  for (const Json& endpoint : ArrayOf(json, key)) {
    if (endpoint.is_object()) endpoints.push_back(EndpointFrom(endpoint));
  }
  return endpoints;
}

const Json& ArrayOf(const Json& json, const char* key) {
  static const Json& none = *new Json(Json::array());
  const auto field = json.find(key);
  return field != json.end() && field->is_array() ? *field : none;
}

}  // namespace micro::registry
