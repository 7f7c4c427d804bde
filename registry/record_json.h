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

// What `text` says. INVALID_ARGUMENT, naming `what`, when it is no JSON object, larger than 1 MiB,
// deeper than 32 levels, or with more than 50000 values or 1024 keys in one of its objects.
absl::StatusOr<nlohmann::ordered_json> ParseObject(std::string_view text, std::string_view what);

// The text of `json`, escaped as Go does; bytes that are not UTF-8 become U+FFFD.
std::string ToText(const nlohmann::ordered_json& json);

// The member `key` of an object; empty when it is absent, null or of another type.
std::string TextOf(const nlohmann::ordered_json& json, const char* key);
Labels LabelsOf(const nlohmann::ordered_json& json, const char* key);

// [{"request":{…},"response":{…},"metadata":{…},"name":…}, …], and back: what is no object is left
// out.
nlohmann::ordered_json EndpointsJson(const std::vector<Endpoint>& endpoints);
std::vector<Endpoint> EndpointsOf(const nlohmann::ordered_json& json, const char* key);

// What parts of a record take in memory, about, which may be far more than their text.
size_t MemoryOf(const Labels& labels);
size_t MemoryOf(const std::vector<Endpoint>& endpoints);

// The array `key` of an object; an empty array when it is absent or of another type.
const nlohmann::ordered_json& ArrayOf(const nlohmann::ordered_json& json, const char* key);

}  // namespace micro::registry
