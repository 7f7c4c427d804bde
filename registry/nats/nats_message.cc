#include "registry/nats/nats_message.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/status_macros.h"
#include "registry/record_json.h"

namespace micro::registry {
namespace {

using Json = nlohmann::ordered_json;

absl::StatusOr<Action> ActionFrom(std::string_view text) {
  if (text == "create" || text == "put") return Action::kCreate;  // go-micro can be told to say put
  if (text == "update") return Action::kUpdate;
  if (text == "delete") return Action::kDelete;
  return absl::InvalidArgumentError(fmt::format("action \"{}\"", text.substr(0, 100)));
}

}  // namespace

std::string NatsQueryJson(std::string_view service) {
  if (service.empty()) return ToText({{"Service", nullptr}, {"Action", "list"}});
  return ToText({{"Service",
                  {{"name", service},
                   {"version", ""},
                   {"metadata", nullptr},
                   {"endpoints", nullptr},
                   {"nodes", nullptr}}},
                 {"Action", "get"}});
}

absl::StatusOr<std::string> ParseNatsQuery(std::string_view text) {
  ASSIGN_OR_RETURN(const Json json, ParseObject(text, "a query"));
  const std::string action = TextOf(json, "Action");
  if (action == "list") return std::string();
  if (action != "get") {
    return absl::InvalidArgumentError(fmt::format("a query to \"{}\"", action.substr(0, 100)));
  }
  const auto service = json.find("Service");
  std::string name =
      service != json.end() && service->is_object() ? TextOf(*service, "name") : std::string();
  if (name.empty()) return absl::InvalidArgumentError("a query for a service without a name");
  return name;
}

std::string NatsEventJson(const Event& event) {
  return ToText({{"Service", ServiceJson(event.service)}, {"Action", ToString(event.action)}});
}

absl::StatusOr<Event> ParseNatsEvent(std::string_view text) {
  ASSIGN_OR_RETURN(const Json json, ParseObject(text, "an event"));
  Event event;
  ASSIGN_OR_RETURN(event.action, ActionFrom(TextOf(json, "Action")));
  const auto service = json.find("Service");
  if (service == json.end()) return absl::InvalidArgumentError("an event of no service");
  ASSIGN_OR_RETURN(event.service, ServiceFrom(*service));
  return event;
}

}  // namespace micro::registry
