// A RecordCodec says how the services of one system lie in Consul; connections, refreshing, following
// and outages are the same for all. go-micro's is the default; others' are handed to
// NewConsulRegistry. Any thread; none of it waits.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "registry/consul/consul_record.h"
#include "registry/registry.h"

namespace micro::registry::consul {

class RecordCodec {
 public:
  virtual ~RecordCodec() = default;

  // What Consul is to call one node of `service`. Its TTL check is "service:<id>".
  virtual std::string IdInConsul(const Service& service, const Node& node) const = 0;

  // As RegistrationJson, ParseHealth (`name` is Consul's, and the services') and ParseCatalog.
  virtual absl::StatusOr<std::string> Registration(const Service& service, const Node& node,
                                                   std::string_view name,
                                                   absl::Duration ttl) const = 0;
  virtual absl::StatusOr<Health> ReadHealth(std::string_view json, std::string_view name) const = 0;
  virtual absl::StatusOr<std::vector<std::string>> ReadCatalog(std::string_view json) const = 0;
};

// Services as go-micro's Consul registry lays them out (consul_record.h).
const RecordCodec& GoMicroRecords();

}  // namespace micro::registry::consul
