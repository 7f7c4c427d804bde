// NatsRecords are the services that one registry object registered: what it answers for.
//
// It neither sends nor waits, and has no lock: the caller does, on its own clock.
#pragma once

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
  // Adds or replaces the nodes of `service`, until `expires`.
  void Register(const Service& service, absl::Time expires);
  void Deregister(const Service& service);

  // The record of each version, sorted by name and version; of all services when `name` is empty.
  std::vector<Service> Find(std::string_view name) const;

  // Takes out what has expired: the nodes of each record that were lost.
  std::vector<Service> TakeExpired(absl::Time now);

  bool empty() const { return records_.empty(); }

 private:
  struct Entry {
    Node node;
    absl::Time expires;
  };
  struct Record {
    Service service;                     // without nodes
    std::map<std::string, Entry> nodes;  // by id
  };

  std::map<std::pair<std::string, std::string>, Record> records_;  // by name and version
};

}  // namespace micro::registry
