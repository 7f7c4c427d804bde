// What the tests of the registry "etcd" are written in: a server, what is in it, and what a registry
// says.
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/plugin_table.h"
#include "core/task.h"
#include "core/testing/eventually.h"
#include "core/testing/status_matchers.h"
#include "registry/etcd/etcd_client.h"
#include "registry/etcd/etcd_record.h"
#include "registry/registry.h"
#include "registry/service_json.h"
#include "tests/services/service_process.h"

namespace micro::registry {

inline std::unique_ptr<services::ServiceProcess> NewEtcd(services::EtcdOptions options = {}) {
  auto etcd = services::StartEtcd(std::move(options));
  EXPECT_TRUE(etcd.ok()) << etcd.status();
  return etcd.ok() ? *std::move(etcd) : nullptr;
}

inline std::unique_ptr<Registry> OpenEtcd(const Options& options) {
  auto registry = PluginTable<Registry>::Create("etcd", options);
  EXPECT_TRUE(registry.ok()) << registry.status();
  return registry.ok() ? *std::move(registry) : nullptr;
}

// A record with one node, "<name>-<node>".
inline Service Record(const std::string& name, int node = 1, const std::string& version = "1.0.0") {
  return {.name = name,
          .version = version,
          .nodes = {{.id = fmt::format("{}-{}", name, node),
                     .address = fmt::format("127.0.0.1:{}", 8000 + node),
                     .metadata = {{"protocol", "grpc"}}}}};
}

inline absl::Status Register(Registry& registry, const Service& service,
                             absl::Duration ttl = absl::ZeroDuration()) {
  return BlockOn(registry.Register(Context(), service, {.ttl = ttl}));
}
inline absl::Status Deregister(Registry& registry, const Service& service) {
  return BlockOn(registry.Deregister(Context(), service));
}
inline absl::StatusOr<std::vector<Service>> Get(Registry& registry, const std::string& name) {
  return BlockOn(registry.GetService(Context(), name));
}
inline std::unique_ptr<Watcher> Watch(Registry& registry, const std::string& service = "") {
  auto watcher = BlockOn(registry.Watch(Context(), {.service = service}));
  EXPECT_TRUE(watcher.ok()) << watcher.status();
  return watcher.ok() ? *std::move(watcher) : nullptr;
}

// The next event as "create greeter 1.0.0 greeter-1@127.0.0.1:8001".
inline std::string Next(Watcher& watcher, absl::Duration patience = absl::Minutes(1)) {
  const auto event = BlockOn(watcher.Next(WithTimeout(Context(), patience)));
  if (!event.ok()) return event.status().ToString();
  std::string text =
      fmt::format("{} {} {}", ToString(event->action), event->service.name, event->service.version);
  for (const Node& node : event->service.nodes)
    text += fmt::format(" {}@{}", node.id, node.address);
  return text;
}

// The same of a record made by Record.
inline std::string Said(std::string_view action, const Service& service) {
  return fmt::format("{} {} {} {}@{}", action, service.name, service.version, service.nodes[0].id,
                     service.nodes[0].address);
}

// What etcd itself has, asked without the registry.
class RawEtcd {
 public:
  explicit RawEtcd(const Options& options) : client_(EtcdClient::New(options).value()) {}

  std::optional<etcd::KeyValue> Get(const std::string& key) {
    etcd::RangeRequest request;
    request.set_key(key);
    const auto found = BlockOn(client_->Range(Context(), request));
    EXPECT_THAT(found, IsOk());
    if (!found.ok() || found->kvs_size() == 0) return std::nullopt;
    return found->kvs(0);
  }

  void Put(const std::string& key, const std::string& value, int64_t lease = 0) {
    etcd::PutRequest request;
    request.set_key(key);
    request.set_value(value);
    request.set_lease(lease);
    EXPECT_THAT(BlockOn(client_->Put(Context(), request)), IsOk());
  }
  void Put(const Service& service) {
    Put(EtcdNodeKey("/micro/registry/", service.name, service.nodes[0].id), ToJson(service));
  }

  int64_t Grant(int64_t ttl) {
    etcd::LeaseGrantRequest request;
    request.set_ttl(ttl);
    return BlockOn(client_->LeaseGrant(Context(), request)).value().id();
  }
  void Revoke(int64_t lease) {
    etcd::LeaseRevokeRequest request;
    request.set_id(lease);
    EXPECT_THAT(BlockOn(client_->LeaseRevoke(Context(), request)), IsOk());
  }
  etcd::LeaseTimeToLiveResponse Lease(int64_t lease) {
    etcd::LeaseTimeToLiveRequest request;
    request.set_id(lease);
    return BlockOn(client_->LeaseTimeToLive(Context(), request)).value();
  }

  int64_t Revision() {
    etcd::RangeRequest request;
    request.set_key("/");
    return BlockOn(client_->Range(Context(), request)).value().header().revision();
  }

 private:
  const std::unique_ptr<EtcdClient> client_;
};

// Runs etcdctl for what the registry never does.
inline void Etcdctl(const std::string& address, const std::string& arguments) {
  const std::string command =
      fmt::format("ETCDCTL_API=3 etcdctl --endpoints={} {} 2>&1", address, arguments);
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
}

}  // namespace micro::registry
