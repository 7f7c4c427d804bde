// An instance as due's values in etcd, JSON without what is empty:
//
//   {"id":"g1","name":"gate","kind":"gate","alias":"gate","state":"work","endpoint":"drpc://…"}
//   … "events":[1,3],"routes":[{"i":1},{"i":2,"s":true,"a":true},{"i":1001,"n":true}] …
//
// where a route has its id (i) and whether it is internal (n), stateful (s), authorized (a). Any
// thread; any bytes may be read.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "due/instances/instance.h"

namespace due {

std::string ToJson(const Instance& instance);

// Unknown members are passed over. INVALID_ARGUMENT: no JSON object, one that passes a limit (1 MiB,
// 50,000 values), no id or kind, or a number that is none or too large.
absl::StatusOr<Instance> ParseInstance(std::string_view json);

}  // namespace due
