// How records lie in etcd, as go-micro's etcd registry lays them: one key for each node, its value
// the service as JSON with this node alone.
//
//   /micro/registry/greeter/greeter-1 → {"name":"greeter",…,"nodes":[{…,"id":"greeter-1",…}]}
//
// All functions may be called from any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "registry/registry.h"

namespace micro::registry {

// What stands before all keys: `prefix` (Options.prefix) with a slash at its end, or go-micro's.
std::string EtcdPrefix(std::string_view prefix);

// "/micro/registry/greeter/" and "/micro/registry/greeter/greeter-1": a slash inside a name or id
// becomes a dash.
std::string EtcdServiceKey(std::string_view prefix, std::string_view service);
std::string EtcdNodeKey(std::string_view prefix, std::string_view service, std::string_view node);

// The key behind the last that begins with `prefix`, for ranges.
std::string EtcdRangeEnd(std::string prefix);

// What a key says; nothing for one that is not of this form.
struct EtcdKey {
  std::string service;
  std::string node;
  friend bool operator==(const EtcdKey&, const EtcdKey&) = default;
};
std::optional<EtcdKey> ParseEtcdKey(std::string_view prefix, std::string_view key);

// What the value of a key is: go-micro's JSON, or another system's that a registry is made with. Any
// thread.
class EtcdRecordCodec {
 public:
  virtual ~EtcdRecordCodec() = default;

  // The value for `service`, which has one node. INVALID_ARGUMENT: it cannot be written so.
  virtual absl::StatusOr<std::string> Write(const Service& service) const = 0;

  // What a value says. INVALID_ARGUMENT: it is no such value. Any bytes may come.
  virtual absl::StatusOr<Service> Read(std::string_view value) const = 0;
};

const EtcdRecordCodec& GoMicroEtcdRecords();

// The record at `key`. INVALID_ARGUMENT: no key or value of this form (of go-micro's,
// registry/service_json.h has the limits), or the value is not the key's: of another service, or with other nodes than this
// one.
absl::StatusOr<Service> ReadEtcdRecord(std::string_view prefix, std::string_view key,
                                       std::string_view value,
                                       const EtcdRecordCodec& codec = GoMicroEtcdRecords());

}  // namespace micro::registry
