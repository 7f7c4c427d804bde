// Registry records as the JSON that go-micro's registries and tools show:
// {"name","version","metadata","endpoints","nodes"}, written to the byte as go-micro does.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "registry/registry.h"

namespace micro::registry {

// One line, without a line end.
std::string ToJson(const Service& service);

// Reads it back; absent and null parts are empty. INVALID_ARGUMENT for what is no such record,
// deeper than 32 levels, of more than 50000 values or 1024 keys in one object, larger than 1 MiB, or
// larger than 4 MiB once it is read.
absl::StatusOr<Service> ParseService(std::string_view json);

}  // namespace micro::registry
