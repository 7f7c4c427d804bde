// The messages of go-micro's NATS registry, as JSON (docs/wire/nats.md).
//
// Any text may be read: more than 1 MiB, more than 32 levels, or a record that takes more than 1 MiB
// of memory is INVALID_ARGUMENT. All functions may be called from any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "registry/registry.h"

namespace micro::registry {

inline constexpr size_t kMaxNatsRecordBytes = 1 << 20;

// {"Service":{"name":…},"Action":"get"}, or "list" when `service` is empty.
std::string NatsQueryJson(std::string_view service);

// The name that is asked for; empty: all services.
absl::StatusOr<std::string> ParseNatsQuery(std::string_view json);

// {"Service":{…},"Action":"create"}.
std::string NatsEventJson(const Event& event);
absl::StatusOr<Event> ParseNatsEvent(std::string_view json);

// An answer is the record alone, as ToJson writes it.
absl::StatusOr<Service> ParseNatsAnswer(std::string_view json);

// About what a record takes in memory.
size_t NatsRecordBytes(const Service& service);

}  // namespace micro::registry
