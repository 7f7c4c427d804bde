// NatsRecords are the services that one registry object registered: what it answers for.
//
// It neither sends nor waits, and has no lock: the caller does, on its own clock.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "registry/registry.h"

namespace micro::registry {

class NatsRecords {
 public:
  // Adds or replaces the nodes of `service`, until `expires`. The number of this registration.
  uint64_t Register(const Service& service, absl::Time expires);
  void Deregister(const Service& service);

  // Takes out the nodes that came with this registration and have seen no other; what is left of
  // `service` in its answer are those.
  Service Withdraw(Service service, uint64_t registration);

  // The record of each version, sorted by name and version; of all services when `name` is empty.
  std::vector<Service> Find(std::string_view name) const;

  // Takes out what has expired: the nodes of each record that were lost.
  std::vector<Service> TakeExpired(absl::Time now);

  bool empty() const { return records_.empty(); }

 private:
  struct Entry {
    Node node = {};
    absl::Time expires = {};
    uint64_t first = 0, last = 0;  // registrations that brought it
  };
  struct Record {
    Service service;                     // without nodes
    std::map<std::string, Entry> nodes;  // by id
  };

  std::map<std::pair<std::string, std::string>, Record> records_;  // by name and version
  uint64_t registrations_ = 0;
};

}  // namespace micro::registry
