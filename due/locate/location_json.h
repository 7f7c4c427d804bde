// Events as due publishes them: {"uid":1001,"type":1,"insID":"g1","insKind":"gate","insName":""}.
// Any bytes may be read; any thread.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "due/locate/locator.h"

namespace due {

std::string ToJson(const LocationEvent& event);

// INVALID_ARGUMENT: no such event (its type is 1 to 4 and decides the kind; due v2.1's, with other
// names, is none), or longer than 1 MiB.
absl::StatusOr<LocationEvent> ParseLocationEvent(std::string_view json);

}  // namespace due
