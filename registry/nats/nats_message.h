// The messages of go-micro's NATS registry, as JSON (docs/wire/nats.md).
//
// An answer is the record alone, as service_json.h has it. Any text may be read: the limits there are
// those of all messages. All functions may be called from any thread.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "registry/registry.h"

namespace micro::registry {

// {"Service":{"name":…},"Action":"get"}, or "list" when `service` is empty.
std::string NatsQueryJson(std::string_view service);

// The name that is asked for; empty: all services.
absl::StatusOr<std::string> ParseNatsQuery(std::string_view json);

// {"Service":{…},"Action":"create"}.
std::string NatsEventJson(const Event& event);
absl::StatusOr<Event> ParseNatsEvent(std::string_view json);

}  // namespace micro::registry
