// An Instance is one running gate, node or mesh, as due's registries know it.
//
// Its two written forms are instance_meta.h (Consul's Meta) and instance_json.h (etcd's values); both
// keep all of it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "registry/registry.h"

namespace due {

struct InstanceRoute {
  int32_t id = 0;
  bool internal = false;
  bool stateful = false;
  bool authorized = false;
  friend bool operator==(const InstanceRoute&, const InstanceRoute&) = default;
};

struct Instance {
  std::string id = {};
  std::string kind = {};                   // "gate", "node" or "mesh"
  std::string alias = {};                  // its name; of nodes, what users are bound in
  std::string state = {};                  // "work", "busy", "hang" or "shut"
  std::vector<int32_t> events = {};        // nodes: those with a handler
  std::vector<InstanceRoute> routes = {};  // nodes
  std::vector<std::string> services = {};  // meshes
  std::string endpoint = {};               // "drpc://10.0.0.7:40000?is_secure=false"
  int32_t weight = 0;                      // nodes
  micro::registry::Labels metadata = {};
  friend bool operator==(const Instance&, const Instance&) = default;
};

// "drpc://10.0.0.7:40000?is_secure=false" in parts.
struct Endpoint {
  std::string scheme = {};
  std::string address = {};  // host:port
};
absl::StatusOr<Endpoint> ParseEndpoint(std::string_view text);

// An instance as a record of any registry: its kind is the service, it is the one node, and the node's
// metadata are Meta (instance_meta.h). INVALID_ARGUMENT: no id, kind or host:port in its endpoint.
absl::StatusOr<micro::registry::Service> ToService(const Instance& instance);

// And back, a node of `service`. INVALID_ARGUMENT: its metadata are not Meta.
absl::StatusOr<Instance> FromNode(const micro::registry::Service& service,
                                  const micro::registry::Node& node);

}  // namespace due
