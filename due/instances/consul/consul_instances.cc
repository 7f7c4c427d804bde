#include "due/instances/consul/consul_instances.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/net/host_port.h"
#include "core/plugin_table.h"
#include "core/status_macros.h"
#include "due/instances/instance.h"
#include "due/instances/instance_registry.h"
#include "registry/consul/consul_registry.h"
#include "registry/record_json.h"

namespace due {
namespace {

using Json = nlohmann::ordered_json;
using micro::registry::ArrayOf;
using micro::registry::LabelsOf;
using micro::registry::Node;
using micro::registry::Service;
using micro::registry::TextOf;
using micro::registry::consul::GoDuration;
using micro::registry::consul::Health;

// Consul's own limits, and due's times.
constexpr size_t kMaxPairs = 64, kMaxKey = 128, kMaxValue = 512;
constexpr const char* kTcpInterval = "10s";
constexpr const char* kTcpTimeout = "5s";
constexpr const char* kGoneAfter = "30s";

constexpr size_t kMaxUnreadable = 100;  // lines kept

absl::Status CheckMeta(const Node& node) {
  if (node.metadata.size() > kMaxPairs) {
    return absl::InvalidArgumentError(fmt::format(
        "instance \"{}\" has {} pairs of Meta, of which Consul takes {}: give it fewer routes or "
        "less metadata",
        node.id, node.metadata.size(), kMaxPairs));
  }
  for (const auto& [key, value] : node.metadata) {
    const bool plain = std::all_of(key.begin(), key.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             c == '-' || c == '_';
    });
    if (plain && key.size() <= kMaxKey && value.size() <= kMaxValue) continue;
    return absl::InvalidArgumentError(fmt::format(
        "instance \"{}\": Consul does not take its Meta \"{}\" (keys of letters, digits, "
        "- and _, {} at most; {} bytes of a value)",
        node.id, key, kMaxKey, kMaxValue));
  }
  return absl::OkStatus();
}

class ConsulInstanceCodec final : public micro::registry::consul::RecordCodec {
 public:
  std::string IdInConsul(const Service& service, const Node& node) const override {
    return fmt::format("{}-{}", service.name, node.id);
  }

  absl::StatusOr<std::string> Registration(const Service& service, const Node& node,
                                           std::string_view name,
                                           absl::Duration ttl) const override {
    ASSIGN_OR_RETURN(const Instance instance, FromNode(service, node));
    ASSIGN_OR_RETURN(const Endpoint endpoint, ParseEndpoint(instance.endpoint));
    ASSIGN_OR_RETURN(const auto address, micro::net::ParseHostPort(endpoint.address));
    RETURN_IF_ERROR(CheckMeta(node));
    const std::string id = IdInConsul(service, node);
    const Json where = {{"Address", address.host}, {"Port", address.port}};
    // Its id is "service:<id>:1", as the first of several.
    Json checks = Json::array({{{"TCP", endpoint.address},
                                {"Interval", kTcpInterval},
                                {"Timeout", kTcpTimeout},
                                {"DeregisterCriticalServiceAfter", kGoneAfter},
                                {"Status", "passing"}}});
    if (ttl > absl::ZeroDuration()) {
      checks.push_back({{"CheckID", "service:" + id},
                        {"TTL", GoDuration(ttl)},
                        {"DeregisterCriticalServiceAfter", kGoneAfter},
                        {"Status", "passing"}});
    }
    return micro::registry::ToText(Json{{"ID", id},
                                        {"Name", name},
                                        {"Address", address.host},
                                        {"Port", address.port},
                                        {"TaggedAddresses", {{endpoint.scheme, where}}},
                                        {"Meta", node.metadata},
                                        {"Checks", std::move(checks)}});
  }

  absl::StatusOr<Health> ReadHealth(std::string_view text, std::string_view name) const override {
    ASSIGN_OR_RETURN(const Json json,
                     micro::registry::ParseArray(text, "a health answer of Consul",
                                                 {.bytes = 64 << 20, .values = 2'000'000}));
    Health health;
    Service service = {.name = std::string(name)};
    std::set<std::string> ids;
    for (const Json& entry : json) {
      const auto instance = entry.is_object() ? entry.find("Service") : entry.end();
      if (!entry.is_object() || instance == entry.end() || !instance->is_object()) continue;
      if (TextOf(*instance, "Service") != name) continue;
      Node node = {.metadata = LabelsOf(*instance, "Meta")};
      node.id = node.metadata["id"];
      const absl::StatusOr<Endpoint> endpoint = ParseEndpoint(node.metadata["endpoint"]);
      if (node.id.empty() || !endpoint.ok()) {
        if (health.unreadable.size() < kMaxUnreadable) {
          health.unreadable.push_back(fmt::format("service \"{}\", entry \"{}\": no id or endpoint",
                                                  name, TextOf(*instance, "ID")));
        }
        continue;
      }
      if (!Passes(entry)) {
        health.critical.insert(node.id);
        continue;
      }
      node.address = endpoint->address;
      // An id that is there already is the same instance, registered with two agents.
      if (ids.insert(node.id).second) service.nodes.push_back(std::move(node));
    }
    for (const std::string& id : ids) health.critical.erase(id);
    if (!service.nodes.empty()) health.services.push_back(std::move(service));
    return health;
  }

  // Only names and tags are listed, and due's services have no tags: they are known by their names.
  absl::StatusOr<std::vector<std::string>> ReadCatalog(std::string_view text) const override {
    ASSIGN_OR_RETURN(
        const Json json,
        micro::registry::ParseObject(text, "Consul's list of services",
                                     {.bytes = 64 << 20, .values = 2'000'000, .members = 16384}));
    std::vector<std::string> names;
    for (const char* name : {"gate", "mesh", "node"}) {
      if (json.contains(name)) names.push_back(name);
    }
    return names;
  }

 private:
  static bool Passes(const Json& entry) {
    const Json& checks = ArrayOf(entry, "Checks");
    return std::all_of(checks.begin(), checks.end(), [](const Json& check) {
      return !check.is_object() || TextOf(check, "Status") == "passing";
    });
  }
};

MICRO_PLUGIN(InstanceRegistry, "consul",
             [](const micro::registry::Options& options)
                 -> absl::StatusOr<std::unique_ptr<InstanceRegistry>> {
               ASSIGN_OR_RETURN(auto registry, micro::registry::NewConsulRegistry(
                                                   options, absl::Minutes(1), ConsulInstances()));
               return std::make_unique<InstanceRegistry>(std::move(registry));
             });

}  // namespace

const micro::registry::consul::RecordCodec& ConsulInstances() {
  static const ConsulInstanceCodec codec;
  return codec;
}

}  // namespace due
