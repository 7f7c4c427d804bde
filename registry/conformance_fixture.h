// What the registry conformance suite (conformance.h) is told of an implementation, and the words
// its tests are written in.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "registry/registry.h"

namespace micro::registry {

// Opens a handle onto one set of records, as one process would.
using OpenRegistry = std::function<std::unique_ptr<Registry>()>;

struct Implementation {
  // Makes or finds a place for records and gives back the way in. It need not be empty: the suite's
  // names are unique.
  std::function<OpenRegistry()> start;

  // The shortest TTL that the implementation honours.
  absl::Duration ttl = absl::Seconds(1);

  // Whether a handle refreshes by itself what it registered, as long as it lives.
  bool refreshes_itself = false;
};

void PrintTo(const Implementation& implementation, std::ostream* out);

// Each test has two handles onto the same records, as two processes have.
class RegistryConformance : public testing::TestWithParam<Implementation> {
 protected:
  RegistryConformance() : open_(GetParam().start()), here_(open_()), there_(open_()) {}

  // A service name that no other test uses.
  static std::string UniqueName(std::string_view stem = "greeter");

  // A record with one node; its id is made from the service's name and `node`.
  static Service Record(const std::string& name, std::string_view version = "1.0.0", int node = 1);

  static absl::Status Register(Registry& registry, const Service& service,
                               absl::Duration ttl = absl::ZeroDuration());
  static absl::Status Deregister(Registry& registry, const Service& service);
  static absl::StatusOr<std::vector<Service>> Get(Registry& registry, const std::string& name);
  static std::unique_ptr<Watcher> Watch(Registry& registry, const std::string& service);

  // Looks a service up until `accept` likes what is found (empty: NOT_FOUND), for 20 s at most; the
  // last lookup's result.
  static std::vector<Service> GetUntil(
      Registry& registry, const std::string& name,
      const std::function<bool(const std::vector<Service>&)>& accept);
  static std::vector<Service> GetUntilNodes(Registry& registry, const std::string& name,
                                            size_t nodes);
  static std::vector<Service> GetUntilGone(Registry& registry, const std::string& name) {
    return GetUntilNodes(registry, name, 0);
  }

  // Takes events until one has this action ("there": kCreate or kUpdate) and node; other events go
  // by. Fails after 20 s.
  static absl::StatusOr<Event> NextThere(Watcher& watcher, const Node& node);
  static absl::StatusOr<Event> NextGone(Watcher& watcher, const Node& node);

  OpenRegistry open_;
  std::unique_ptr<Registry> here_;
  std::unique_ptr<Registry> there_;
};

size_t CountNodes(const std::vector<Service>& services);

// The ids of all nodes, sorted.
std::vector<std::string> NodeIds(const std::vector<Service>& services);

}  // namespace micro::registry
