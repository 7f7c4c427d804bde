#include "due/locate/location_json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/status_macros.h"
#include "registry/record_json.h"

namespace due {
namespace {

using Json = nlohmann::ordered_json;

constexpr micro::registry::JsonLimits kLimits = {.bytes = 1 << 20, .values = 64, .members = 32};

absl::StatusOr<int64_t> NumberOf(const Json& json, const char* key) {
  const auto field = json.find(key);
  const bool is_number =
      field != json.end() && field->is_number_integer() &&
      (!field->is_number_unsigned() || field->get<uint64_t>() <= uint64_t{INT64_MAX});
  if (!is_number)
    return absl::InvalidArgumentError(fmt::format("an event of a locator without \"{}\"", key));
  return field->get<int64_t>();
}

}  // namespace

std::string ToJson(const LocationEvent& event) {
  return micro::registry::ToText(Json{{"uid", event.uid},
                                      {"type", static_cast<int>(event.type)},
                                      {"insID", event.ins_id},
                                      {"insKind", event.ins_kind},
                                      {"insName", event.ins_name}});
}

absl::StatusOr<LocationEvent> ParseLocationEvent(std::string_view text) {
  ASSIGN_OR_RETURN(const Json json,
                   micro::registry::ParseObject(text, "an event of a locator", kLimits));
  LocationEvent event;
  ASSIGN_OR_RETURN(event.uid, NumberOf(json, "uid"));
  ASSIGN_OR_RETURN(const int64_t type, NumberOf(json, "type"));
  if (type < LocationEvent::kBindGate || type > LocationEvent::kUnbindNode)
    return absl::InvalidArgumentError(fmt::format("an event of a locator of type {}", type));
  event.type = static_cast<LocationEvent::Type>(type);
  const bool gate = type == LocationEvent::kBindGate || type == LocationEvent::kUnbindGate;
  event.ins_kind = gate ? "gate" : "node";
  event.ins_id = micro::registry::TextOf(json, "insID");
  event.ins_name = micro::registry::TextOf(json, "insName");
  if (event.ins_id.empty() || (!gate && event.ins_name.empty()))
    return absl::InvalidArgumentError("an event of a locator without insID or insName");
  return event;
}

}  // namespace due
