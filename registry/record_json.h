// The parts of registry records as go-micro writes them in JSON; for the registries whose formats
// are built from them.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "registry/registry.h"

namespace micro::registry {

struct JsonLimits {
  size_t bytes = 1 << 20;
  size_t values = 50'000;
  size_t members = 1024;  // of one object
  // Only the members of objects that have one of these names are kept, at any depth; empty: all.
  std::vector<std::string_view> keys = {};
};

// What `text` says. INVALID_ARGUMENT, naming `what`, when it is no JSON object (array), passes a
// limit or is deeper than 32 levels. The time it takes grows with the text's length alone.
absl::StatusOr<nlohmann::ordered_json> ParseObject(std::string_view text, std::string_view what,
                                                   const JsonLimits& limits = {});
absl::StatusOr<nlohmann::ordered_json> ParseArray(std::string_view text, std::string_view what,
                                                  const JsonLimits& limits = {});

// The text of `json`, escaped as Go does; bytes that are not UTF-8 become U+FFFD.
std::string ToText(const nlohmann::ordered_json& json);

// The member `key` of an object; empty when it is absent, null or of another type.
std::string TextOf(const nlohmann::ordered_json& json, const char* key);
Labels LabelsOf(const nlohmann::ordered_json& json, const char* key);

// {"request":{…},"response":{…},"metadata":{…},"name":…}, and back.
nlohmann::ordered_json EndpointJson(const Endpoint& endpoint);
Endpoint EndpointFrom(const nlohmann::ordered_json& object);

// [{…}, …], and back: what is no object is left out.
nlohmann::ordered_json EndpointsJson(const std::vector<Endpoint>& endpoints);
std::vector<Endpoint> EndpointsOf(const nlohmann::ordered_json& json, const char* key);

// {"name":…,"version":…,"metadata":{…},"endpoints":[…],"nodes":[…]}, and back: empty parts for what
// is absent, null or of another type. INVALID_ARGUMENT: it has no name, or takes more than 4 MiB of
// memory.
nlohmann::ordered_json ServiceJson(const Service& service);
absl::StatusOr<Service> ServiceFrom(const nlohmann::ordered_json& json);

// What parts of a record take in memory, about, which may be far more than their text.
size_t MemoryOf(const Labels& labels);
size_t MemoryOf(const std::vector<Endpoint>& endpoints);

// The array `key` of an object; an empty array when it is absent or of another type.
const nlohmann::ordered_json& ArrayOf(const nlohmann::ordered_json& json, const char* key);

}  // namespace micro::registry
