#include "registry/service_json.h"

#include <nlohmann/json.hpp>

#include "core/status_macros.h"
#include "registry/record_json.h"

namespace micro::registry {

std::string ToJson(const Service& service) { return ToText(ServiceJson(service)); }

absl::StatusOr<Service> ParseService(std::string_view text) {
  ASSIGN_OR_RETURN(const nlohmann::ordered_json json, ParseObject(text, "a service record"));
  return ServiceFrom(json);
}

}  // namespace micro::registry
