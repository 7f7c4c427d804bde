#include "due/instances/etcd/etcd_instances.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "due/instances/instance_json.h"
#include "due/instances/instance_test_words.h"
#include "registry/etcd/etcd_test_words.h"
#include "tests/services/service_process.h"

namespace due {
namespace {

using micro::Eventually;
using micro::IsOk;
using micro::registry::NewEtcd;
using micro::registry::RawEtcd;

std::unique_ptr<InstanceRegistry> Open(const micro::services::ServiceProcess& etcd) {
  auto registry = InstanceRegistry::New("etcd", {.addresses = {etcd.address()}});
  EXPECT_TRUE(registry.ok()) << registry.status();
  return *std::move(registry);
}

TEST(EtcdInstances, FindsInstancesInARealEtcd) {
  const auto etcd = NewEtcd();
  const auto here = Open(*etcd), there = Open(*etcd);
  ExpectLivesOfInstances(*here, *there, 40000);
}

TEST(EtcdInstances, LaysAKeyAsDueDoesAndReadsWhatDueWrites) {
  const auto etcd = NewEtcd();
  const auto registry = Open(*etcd);
  RawEtcd raw({.addresses = {etcd->address()}});
  const Instance node = NodeAt("a", 40000);
  ASSERT_THAT(BlockOn(registry->Register({}, node)), IsOk());
  const auto entry = raw.Get("/services/node/a");
  ASSERT_TRUE(entry.has_value());
  EXPECT_EQ(entry->value(), ToJson(node));
  EXPECT_NE(entry->lease(), 0);
  const auto watcher = BlockOn(registry->Watch({}, "node")).value();
  ExpectNext(*watcher, {node});
  raw.Put("/services/node/bad", "{");
  raw.Put("/services/node/b", R"({"id":"b","name":"node","kind":"node","routes":[{"i":1}],"x":1,)"
                              R"("endpoint":"drpc://127.0.0.1:40001?is_secure=false"})");
  ExpectNext(*watcher, {node,
                        {.id = "b",
                         .kind = "node",
                         .routes = {{.id = 1}},
                         .endpoint = "drpc://127.0.0.1:40001?is_secure=false"}});
}

TEST(EtcdInstances, PutsAnInstanceBackThatEtcdLost) {
  const auto etcd = NewEtcd();
  const auto registry = Open(*etcd);
  const Instance node = NodeAt("a", 40000);
  ASSERT_THAT(BlockOn(registry->Register({}, node)), IsOk());
  etcd->Kill();
  etcd->Forget();
  ASSERT_THAT(etcd->Start(), IsOk());
  EXPECT_TRUE(Eventually([&] {
    const auto found = BlockOn(registry->Instances({}, "node"));
    return found.ok() && *found == std::vector<Instance>{node};
  }));
}

}  // namespace
}  // namespace due
