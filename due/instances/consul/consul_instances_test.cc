#include "due/instances/consul/consul_instances.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "due/instances/instance_test_words.h"
#include "registry/consul/raw_consul.h"
#include "tests/services/service_process.h"

namespace due {
namespace {

using Json = nlohmann::json;
using micro::Eventually;
using micro::IsOk;
using micro::StatusIs;
using micro::registry::consul::RawGet;
using micro::registry::consul::RawRequest;
using testing::HasSubstr;

std::unique_ptr<InstanceRegistry> Open(const micro::services::ServiceProcess& consul) {
  auto registry = InstanceRegistry::New("consul", {.addresses = {consul.address()}});
  EXPECT_TRUE(registry.ok()) << registry.status();
  return *std::move(registry);
}

TEST(ConsulInstances, FindsInstancesInARealConsul) {
  const auto consul = micro::services::StartConsul().value();
  // Consul's own port accepts the connections of its TCP checks.
  ExpectLivesOfInstances(*Open(*consul), *Open(*consul), consul->port());
}

TEST(ConsulInstances, LaysAnEntryAsDueDoes) {
  const auto consul = micro::services::StartConsul().value();
  const auto registry = Open(*consul);
  Instance node = NodeAt("463cfcba", consul->port());
  node.routes = {
      {.id = 1}, {.id = 2, .stateful = true, .authorized = true}, {.id = 1001, .internal = true}};
  ASSERT_THAT(BlockOn(registry->Register({}, node)), IsOk());
  const Json entry = RawGet(*consul, "/v1/agent/service/node-463cfcba");
  EXPECT_EQ(entry["ID"], "node-463cfcba");
  EXPECT_EQ(entry["Service"], "node");
  EXPECT_EQ(entry["Address"], "127.0.0.1");
  EXPECT_EQ(entry["Port"], consul->port());
  EXPECT_TRUE(entry["Tags"].empty());
  const Json where = {{"Address", "127.0.0.1"}, {"Port", consul->port()}};
  EXPECT_EQ(entry["TaggedAddresses"]["drpc"], where);
  EXPECT_EQ(entry["Meta"], (Json{{"id", "463cfcba"},
                                 {"kind", "node"},
                                 {"alias", "hall"},
                                 {"state", "work"},
                                 {"endpoint", node.endpoint},
                                 {"weight", "1"},
                                 {"events", "[1,3]"},
                                 {"routes-0", "1-0,2-6,1001-1"},
                                 {"_region", "eu"}}));
  const Json checks = RawGet(*consul, "/v1/agent/checks");
  ASSERT_EQ(checks.size(), 2u) << checks;
  const Json& tcp = checks["service:node-463cfcba:1"];
  const Json& ttl = checks["service:node-463cfcba"];
  EXPECT_EQ(tcp["Type"], "tcp");
  EXPECT_EQ(ttl["Type"], "ttl");
  EXPECT_EQ(ttl["Status"], "passing");
}

// As due's own registry registers.
bool RegisterAsDue(const micro::services::ServiceProcess& consul, const std::string& id,
                   const Json& meta) {
  const Json json = {
      {"ID", "node-" + id},     {"Name", "node"},
      {"Address", "127.0.0.1"}, {"Port", 40001},
      {"Meta", meta},           {"Checks", {{{"CheckID", "service:node-" + id}, {"TTL", "10s"}}}}};
  return RawRequest(consul, "PUT", "/v1/agent/service/register", json.dump())
      .starts_with("HTTP/1.1 200");
}

TEST(ConsulInstances, ReadsWhatDueWritesOnceItPasses) {
  const auto consul = micro::services::StartConsul().value();
  const auto registry = Open(*consul);
  const auto watcher = BlockOn(registry->Watch({}, "node")).value();
  EXPECT_THAT(Next(*watcher), testing::IsEmpty());
  ASSERT_TRUE(RegisterAsDue(*consul, "n1",
                            {{"id", "n1"},
                             {"kind", "node"},
                             {"alias", "hall"},
                             {"state", "work"},
                             {"endpoint", "drpc://127.0.0.1:40001?is_secure=false"},
                             {"routes-1", "1-0"},
                             {"routes-0", "2-7"},
                             {"unknown", "x"},
                             {"_k", "v"}}));
  ASSERT_TRUE(RegisterAsDue(*consul, "n2", {{"id", "n2"}, {"endpoint", "nowhere"}}));
  EXPECT_THAT(BlockOn(registry->Instances({}, "node")).value(), testing::IsEmpty());
  RawRequest(*consul, "PUT", "/v1/agent/check/pass/service:node-n1");
  RawRequest(*consul, "PUT", "/v1/agent/check/pass/service:node-n2");
  const Instance expected = {
      .id = "n1",
      .kind = "node",
      .alias = "hall",
      .state = "work",
      .routes = {{.id = 2, .internal = true, .stateful = true, .authorized = true}, {.id = 1}},
      .endpoint = "drpc://127.0.0.1:40001?is_secure=false",
      .metadata = {{"k", "v"}}};
  ExpectNext(*watcher, {expected});
  RawRequest(*consul, "PUT", "/v1/agent/check/fail/service:node-n1");
  ExpectNext(*watcher, {});
}

TEST(ConsulInstances, PutsAnInstanceBackThatConsulLost) {
  const auto consul = micro::services::StartConsul().value();
  const auto here = Open(*consul), there = Open(*consul);
  const Instance node = NodeAt("a", consul->port());
  ASSERT_THAT(BlockOn(here->Register({}, node)), IsOk());
  const auto watcher = BlockOn(there->Watch({}, "node")).value();
  ExpectNext(*watcher, {node});
  consul->Kill();
  EXPECT_EQ(BlockOn(there->Instances({}, "node")).status().code(), absl::StatusCode::kUnavailable);
  ASSERT_THAT(consul->Start(), IsOk());
  EXPECT_TRUE(Eventually([&] {
    const auto found = BlockOn(there->Instances({}, "node"));
    return found.ok() && *found == std::vector<Instance>{node};
  }));
  Instance hung = node;
  hung.state = "hang";
  ASSERT_THAT(BlockOn(here->Register({}, hung)), IsOk());
  ExpectNext(*watcher, {hung});
}

TEST(ConsulInstances, RefusesWhatConsulWouldNotTake) {
  const auto refusal = [](Instance node) {
    const auto service = ToService(node).value();
    return ConsulInstances()
        .Registration(service, service.nodes[0], "node", absl::Seconds(10))
        .status();
  };
  const auto is_refused = [](const char* why) {
    return StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(why));
  };
  Instance node = NodeAt("a", 1);
  EXPECT_THAT(refusal(node), IsOk());
  node.alias = std::string(513, 'x');
  EXPECT_THAT(refusal(node), is_refused("alias"));
  node = NodeAt("a", 1);
  node.metadata = {{"a b", "x"}};
  EXPECT_THAT(refusal(node), is_refused("_a b"));
  node = NodeAt("a", 1);
  for (int route = 1000; route < 10'000; ++route) node.routes.push_back({.id = route});
  EXPECT_THAT(refusal(node), is_refused("fewer routes"));
}

TEST(ConsulInstances, ReadsBoundedAnswersOnly) {
  for (const char* bad : {"", "{}", "[", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["})
    EXPECT_FALSE(ConsulInstances().ReadHealth(bad, "node").ok()) << bad;
  const auto odd = ConsulInstances().ReadHealth(
      R"([1,{},{"Service":1},{"Service":{"Service":"node","Meta":{"id":"a"}}}])", "node");
  ASSERT_TRUE(odd.ok()) << odd.status();
  EXPECT_TRUE(odd->services.empty());
  EXPECT_EQ(odd->unreadable.size(), 1u);
  EXPECT_EQ(ConsulInstances().ReadCatalog(R"({"consul":[],"node":[],"gate":["x"]})").value(),
            (std::vector<std::string>{"gate", "node"}));
}

}  // namespace
}  // namespace due
