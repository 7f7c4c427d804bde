#include "due/instances/instance_json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/status_macros.h"
#include "registry/record_json.h"

namespace due {
namespace {

using Json = nlohmann::ordered_json;
using micro::registry::ArrayOf;
using micro::registry::TextOf;

Json RouteJson(const InstanceRoute& route) {
  Json json = Json::object();
  if (route.id != 0) json["i"] = route.id;
  if (route.internal) json["n"] = true;
  if (route.stateful) json["s"] = true;
  if (route.authorized) json["a"] = true;
  return json;
}

absl::StatusOr<int32_t> ToNumber(const Json& json, const char* what) {
  if (json.is_number_integer()) {
    const bool fits = json.is_number_unsigned()
                          ? json.get<uint64_t>() <= uint64_t{INT32_MAX}
                          : json.get<int64_t>() >= INT32_MIN && json.get<int64_t>() <= INT32_MAX;
    if (fits) return json.get<int32_t>();
  }
  return absl::InvalidArgumentError(fmt::format("an instance's {} is no number of 32 bits", what));
}

// Zero when it is absent or null.
absl::StatusOr<int32_t> NumberOf(const Json& object, const char* key, const char* what) {
  const auto field = object.find(key);
  if (field == object.end() || field->is_null()) return 0;
  return ToNumber(*field, what);
}

bool IsTrue(const Json& object, const char* key) {
  const auto field = object.find(key);
  return field != object.end() && field->is_boolean() && field->get<bool>();
}

}  // namespace

std::string ToJson(const Instance& instance) {
  Json json = Json::object();
  const auto text = [&](const char* key, const std::string& value) {
    if (!value.empty()) json[key] = value;
  };
  text("id", instance.id);
  text("name", instance.kind);
  text("kind", instance.kind);
  text("alias", instance.alias);
  text("state", instance.state);
  if (!instance.events.empty()) json["events"] = instance.events;
  if (!instance.routes.empty()) {
    Json& routes = json["routes"] = Json::array();
    for (const InstanceRoute& route : instance.routes) routes.push_back(RouteJson(route));
  }
  if (!instance.services.empty()) json["services"] = instance.services;
  text("endpoint", instance.endpoint);
  if (instance.weight != 0) json["weight"] = instance.weight;
  if (!instance.metadata.empty()) json["metadata"] = instance.metadata;
  return micro::registry::ToText(json);
}

absl::StatusOr<Instance> ParseInstance(std::string_view text) {
  ASSIGN_OR_RETURN(const Json json, micro::registry::ParseObject(text, "an instance"));
  Instance instance = {.id = TextOf(json, "id"),
                       .kind = TextOf(json, "kind"),
                       .alias = TextOf(json, "alias"),
                       .state = TextOf(json, "state"),
                       .endpoint = TextOf(json, "endpoint"),
                       .metadata = micro::registry::LabelsOf(json, "metadata")};
  if (instance.kind.empty()) instance.kind = TextOf(json, "name");
  if (instance.id.empty() || instance.kind.empty())
    return absl::InvalidArgumentError("an instance without id or kind");
  for (const Json& event : ArrayOf(json, "events")) {
    ASSIGN_OR_RETURN(const int32_t number, ToNumber(event, "event"));
    instance.events.push_back(number);
  }
  for (const Json& route : ArrayOf(json, "routes")) {
    if (!route.is_object()) return absl::InvalidArgumentError("an instance's route is no object");
    ASSIGN_OR_RETURN(const int32_t id, NumberOf(route, "i", "route"));
    instance.routes.push_back({.id = id,
                               .internal = IsTrue(route, "n"),
                               .stateful = IsTrue(route, "s"),
                               .authorized = IsTrue(route, "a")});
  }
  for (const Json& service : ArrayOf(json, "services")) {
    if (!service.is_string()) return absl::InvalidArgumentError("an instance's service is no text");
    instance.services.push_back(service.get<std::string>());
  }
  ASSIGN_OR_RETURN(instance.weight, NumberOf(json, "weight", "weight"));
  return instance;
}

}  // namespace due
