// Registry records as the JSON that go-micro's registries and tools show:
// {"name","version","metadata","endpoints","nodes"}.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "registry/registry.h"

namespace micro::registry {

// One line, without a line end.
std::string ToJson(const Service& service);

// Reads it back; absent and null parts are empty. INVALID_ARGUMENT for what is no such record,
// deeper than 32 levels or larger than 1 MiB.
absl::StatusOr<Service> ParseService(std::string_view json);

}  // namespace micro::registry
