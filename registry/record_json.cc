#include "registry/record_json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/strings.h"

namespace micro::registry {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxBytes = 1 << 20;
constexpr size_t kMaxDepth = 32;
constexpr size_t kMaxValues = 50'000;
constexpr size_t kMaxKeys =
    1024;  // of one object; nlohmann's ordered objects look keys up one by one

// Reads JSON without building anything: whether it keeps to the limits. (nlohmann's own filter, a
// callback, takes time that grows with the square of an array.)
class LimitCheck final : public nlohmann::json_sax<Json> {
 public:
  const std::string& passed() const { return passed_; }  // the limit; empty: none

  bool null() override { return Count(); }
  bool boolean(bool) override { return Count(); }
  bool number_integer(number_integer_t) override { return Count(); }
  bool number_unsigned(number_unsigned_t) override { return Count(); }
  bool number_float(number_float_t, const string_t&) override { return Count(); }
  bool string(string_t&) override { return Count(); }
  bool binary(binary_t&) override { return Count(); }
  bool start_object(size_t) override { return Enter(); }
  bool end_object() override { return Leave(); }
  bool start_array(size_t) override { return Enter(); }
  bool end_array() override { return Leave(); }
  bool key(string_t&) override { return Keep(++keys_.back(), kMaxKeys, "keys in one object"); }
  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }

 private:
  bool Count() { return Keep(++values_, kMaxValues, "values"); }
  bool Enter() {
    keys_.push_back(0);
    return Keep(keys_.size(), kMaxDepth, "levels") && Count();
  }
  bool Leave() {
    keys_.pop_back();
    return true;
  }
  bool Keep(size_t count, size_t limit, std::string_view what) {
    if (count > limit) passed_ = fmt::format("{} {}", limit, what);
    return count <= limit;
  }

  size_t values_ = 0;
  std::vector<size_t> keys_;  // of each object that is open
  std::string passed_;
};

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

absl::StatusOr<Json> ParseObject(std::string_view text, std::string_view what) {
  if (text.size() > kMaxBytes) {
    return absl::InvalidArgumentError(fmt::format("{} of more than 1 MiB", what));
  }
  LimitCheck check;
  const bool valid = Json::sax_parse(text, &check);
  if (!check.passed().empty())
    return absl::InvalidArgumentError(fmt::format("{} of more than {}", what, check.passed()));
  Json json = valid ? Json::parse(text, nullptr, /*allow_exceptions=*/false) : Json();
  if (!json.is_object()) {
    return absl::InvalidArgumentError(fmt::format("{} that is no JSON object", what));
  }
  return json;
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

Json EndpointsJson(const std::vector<Endpoint>& endpoints) {
  Json json = Json::array();
  for (const Endpoint& endpoint : endpoints) {
    json.push_back({{"request", ValueJson(endpoint.request)},
                    {"response", ValueJson(endpoint.response)},
                    {"metadata", endpoint.metadata},
                    {"name", endpoint.name}});
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
