// How go-micro lays nodes out in DNS records: the node "greeter-1" of "greeter" is the instance
// "greeter-1.greeter.micro.", to which "greeter.micro." points; "_services.micro." lists services.
//
// All functions may be called from any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "registry/mdns/dns_message.h"
#include "registry/registry.h"

namespace micro::registry {

inline constexpr std::string_view kListName = "_services.micro.";

// The TTL of records whose registration names none, in seconds.
inline constexpr uint32_t kDefaultTtl = 120;

// "<service>.micro." and "<id>.<service>.micro.".
std::string ServiceName(std::string_view service);
std::string InstanceName(std::string_view id, std::string_view service);

// One node as it is announced: a service with this node alone, its instance name and the TTL.
struct Instance {
  std::string name;
  uint32_t ttl = 0;  // seconds; 0: it has gone
  Service service;
  size_t bytes = 0;  // of memory that the service takes, about; of what was read
};

// What one record that is read may take, and all that are kept by a watcher or for a lookup.
inline constexpr size_t kMaxInstanceBytes = 1 << 20;
inline constexpr size_t kMaxInstancesBytes = 64 << 20;

// The SRV, A or AAAA, and TXT record of `instance`; `host` is this machine's name with a final dot.
// INVALID_ARGUMENT, with the limit: an address that is no IP address and port, a name or a record
// that no packet can hold.
absl::StatusOr<std::vector<dns::Record>> InstanceRecords(const Instance& instance,
                                                         const std::string& host);

// What answers a lookup of the service: a pointer to the instance, then its records.
std::vector<dns::Record> ServiceRecords(const Instance& instance,
                                        const std::vector<dns::Record>& instance_records);

// What answers a listing, for one service.
std::vector<dns::Record> ListRecords(const std::string& service, const std::string& host);

// What a response says, of at most 16 instances, none of more than kMaxInstanceBytes.
struct Announced {
  std::vector<Instance> instances;      // whose SRV, address and TXT are all there
  std::vector<std::string> incomplete;  // names of instances of which a part is missing
  std::vector<std::string> listed;      // services
};
Announced ReadResponse(const dns::Message& response);

}  // namespace micro::registry
