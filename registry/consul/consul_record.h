// How services lie in Consul, as go-micro's Consul registry lays them there: a node is an instance
// of the service, and its tags carry what Consul has no place for. docs/wire/consul.md describes the
// format.
//
// Any bytes may be read. All functions may be called from any thread.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "registry/registry.h"

namespace micro::registry::consul {

// What the tags of one node say.
struct Tags {
  Labels metadata = {};  // the node's
  std::vector<Endpoint> endpoints = {};
  std::string version = {};
  friend bool operator==(const Tags&, const Tags&) = default;
};

// One tag for each pair of metadata, one for each endpoint, one for the version.
std::vector<std::string> EncodeTags(const Tags& tags);

struct DecodedTags {
  Tags tags = {};
  bool has_version = false;                  // what tells go-micro's services from others
  std::vector<std::string> unreadable = {};  // a line for each tag that was passed over, and why
};

// Tags in both of go-micro's formats; of each kind of tag the first format met counts. Tags that
// are not go-micro's are passed over in silence. `budget` is how many bytes may still come out of
// packed tags; what is used of it is taken off.
DecodedTags DecodeTags(const std::vector<std::string>& tags, size_t& budget);

// A duration as Go prints it: "1m0s", "1.5s", "250ms".
std::string GoDuration(absl::Duration duration);

// What registers one node of `service` with an agent, as JSON; `name` is what Consul is to call the
// service. With a TTL it brings a check, which passes at first. INVALID_ARGUMENT: the port of its
// address is no number.
absl::StatusOr<std::string> RegistrationJson(const Service& service, const Node& node,
                                             std::string_view name, absl::Duration ttl);

// What an agent says of one service.
struct Health {
  std::vector<Service> services = {};        // one per version with live nodes, sorted by version
  std::set<std::string> critical = {};       // the ids of nodes that fail a check
  std::vector<std::string> unreadable = {};  // what was passed over, naming service and node
};

// Reads the answer of /v1/health/service/`name`. INVALID_ARGUMENT: it is no such answer, or passes
// a limit (64 MiB; 64 MiB of inflated tags are read, later ones count as unreadable).
absl::StatusOr<Health> ParseHealth(std::string_view json, std::string_view name);

// Reads the answer of /v1/catalog/services: the names of go-micro's services, sorted.
absl::StatusOr<std::vector<std::string>> ParseCatalog(std::string_view json);

// Which services an agent has failing checks of.
struct CriticalServices {
  std::set<std::string> names = {};
  bool machines = false;  // a check of a whole machine fails: any service may be concerned
};

// Reads the answer of /v1/health/state/critical.
absl::StatusOr<CriticalServices> ParseCritical(std::string_view json);

}  // namespace micro::registry::consul
