#include "registry/record_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/status_macros.h"
#include "core/strings.h"

namespace micro::registry {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxDepth = 32;
constexpr size_t kMaxMemory = 4 << 20;

// Builds what keeps to the limits. (nlohmann's own filter, a callback of its parser, takes time that
// grows with the square of an array.)
class Reader final : public nlohmann::json_sax<Json> {
 public:
  explicit Reader(const JsonLimits& limits) : limits_(limits) {}

  const std::string& passed() const { return passed_; }  // the limit; empty: none
  Json Take() { return std::move(root_); }

  bool null() override { return Add(nullptr); }
  bool boolean(bool value) override { return Add(value); }
  bool number_integer(number_integer_t value) override { return Add(value); }
  bool number_unsigned(number_unsigned_t value) override { return Add(value); }
  bool number_float(number_float_t value, const string_t&) override { return Add(value); }
  bool string(string_t& value) override { return Add(std::move(value)); }
  bool binary(binary_t&) override { return Add(nullptr); }
  bool start_object(size_t) override { return Enter(Json::object()); }
  bool end_object() override { return Leave(); }
  bool start_array(size_t) override { return Enter(Json::array()); }
  bool end_array() override { return Leave(); }
  bool key(string_t& name) override {
    // An ordered object looks each of its keys up among all others.
    if (!Keep(++open_.back().members, limits_.members, "members in one object")) return false;
    skips_next_ = !limits_.keys.empty() &&
                  std::find(limits_.keys.begin(), limits_.keys.end(), name) == limits_.keys.end();
    key_ = std::move(name);
    return true;
  }
  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }

 private:
  struct Open {
    Json* json = nullptr;  // null: it is left out
    size_t members = 0;
  };

  // Where the value is now; null: it is left out.
  Json* Place(Json value) {
    if (open_.empty()) return &(root_ = std::move(value));
    Json* parent = open_.back().json;
    const bool skipped = std::exchange(skips_next_, false);
    if (parent == nullptr || skipped) return nullptr;
    if (parent->is_array()) return &parent->emplace_back(std::move(value));
    return &((*parent)[key_] = std::move(value));
  }
  bool Add(Json value) {
    Place(std::move(value));
    return Keep(++values_, limits_.values, "values");
  }
  bool Enter(Json value) {
    open_.push_back({.json = Place(std::move(value))});
    return Keep(open_.size(), kMaxDepth, "levels") && Keep(++values_, limits_.values, "values");
  }
  bool Leave() {
    open_.pop_back();
    return true;
  }
  bool Keep(size_t count, size_t limit, std::string_view what) {
    if (count > limit) passed_ = fmt::format("{} {}", limit, what);
    return count <= limit;
  }

  const JsonLimits& limits_;
  Json root_;
  std::vector<Open> open_;
  std::string key_;
  bool skips_next_ = false;
  size_t values_ = 0;
  std::string passed_;
};

// A value of any type; null when it is no JSON.
absl::StatusOr<Json> Parse(std::string_view text, std::string_view what, const JsonLimits& limits) {
  if (text.size() > limits.bytes) {
    return absl::InvalidArgumentError(
        fmt::format("{} of more than {} MiB", what, limits.bytes >> 20));
  }
  Reader reader(limits);
  const bool valid = Json::sax_parse(text, &reader);
  if (!reader.passed().empty())
    return absl::InvalidArgumentError(fmt::format("{} of more than {}", what, reader.passed()));
  return valid ? reader.Take() : Json();
}

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

}  // namespace

absl::StatusOr<Json> ParseObject(std::string_view text, std::string_view what,
                                 const JsonLimits& limits) {
  ASSIGN_OR_RETURN(Json json, Parse(text, what, limits));
  if (json.is_object()) return json;
  return absl::InvalidArgumentError(fmt::format("{} that is no JSON object", what));
}

absl::StatusOr<Json> ParseArray(std::string_view text, std::string_view what,
                                const JsonLimits& limits) {
  ASSIGN_OR_RETURN(Json json, Parse(text, what, limits));
  if (json.is_array()) return json;
  return absl::InvalidArgumentError(fmt::format("{} that is no JSON array", what));
}

std::string ToText(const Json& json) {
  return EscapeJsonAsGo(json.dump(-1, ' ', false, Json::error_handler_t::replace));
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
  return {{"request", ValueJson(endpoint.request)},
          {"response", ValueJson(endpoint.response)},
          {"metadata", endpoint.metadata},
          {"name", endpoint.name}};
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

Json ServiceJson(const Service& service) {
  Json json = {{"name", service.name}, {"version", service.version}, {"metadata", nullptr}};
  if (!service.metadata.empty()) json["metadata"] = service.metadata;
  json["endpoints"] = EndpointsJson(service.endpoints);
  json["nodes"] = Json::array();
  for (const Node& node : service.nodes) {
    json["nodes"].push_back(
        {{"metadata", node.metadata}, {"id", node.id}, {"address", node.address}});
  }
  return json;
}

absl::StatusOr<Service> ServiceFrom(const Json& json) {
  Service service;
  if (json.is_object()) {
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
  }
  if (service.name.empty()) return absl::InvalidArgumentError("a service record without a name");
  size_t bytes = MemoryOf(service.metadata) + MemoryOf(service.endpoints);
  for (const Node& node : service.nodes) bytes += sizeof(Node) + MemoryOf(node.metadata);
  if (bytes > kMaxMemory)
    return absl::InvalidArgumentError("a service record that takes more than 4 MiB of memory");
  return service;
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

const Json& ArrayOf(const Json& json, const char* key) {
  static const Json& none = *new Json(Json::array());
  const auto field = json.find(key);
  return field != json.end() && field->is_array() ? *field : none;
}

}  // namespace micro::registry
