// An instance as pairs of texts, the Meta of due's entries in Consul:
//
//   id, kind, alias, state, endpoint    always
//   weight                              "1", when above zero
//   events, services                    JSON arrays, when any: [1,3]
//   routes-0, routes-1 …                "<route>-<flags>" with commas between, flags = 1·internal +
//                                       2·stateful + 4·authorized, 512 characters at most
//   _<key>                              each pair of its metadata
//
// Any thread.
#pragma once

#include "absl/status/statusor.h"
#include "due/instances/instance.h"
#include "registry/registry.h"

namespace due {

micro::registry::Labels ToMeta(const Instance& instance);

// Pairs of other names, and routes that are none, are passed over. INVALID_ARGUMENT: no id, or a
// weight, events or services that are none.
absl::StatusOr<Instance> FromMeta(const micro::registry::Labels& meta);

}  // namespace due
