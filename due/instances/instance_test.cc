#include "due/instances/instance.h"

#include <gtest/gtest.h>

#include "core/testing/status_matchers.h"
#include "due/instances/instance_json.h"
#include "due/instances/instance_meta.h"

namespace due {
namespace {

using absl::StatusCode;
using micro::StatusIs;
using micro::registry::Labels;
using testing::HasSubstr;

Instance Gate() {
  return {.id = "g1",
          .kind = "gate",
          .alias = "gate",
          .state = "work",
          .endpoint = "drpc://192.168.0.88:40000?is_secure=false"};
}
Instance Node() {
  return {.id = "463cfcba-b543-11f0-b2d9-f4f19e1f0070",
          .kind = "node",
          .alias = "hall",
          .state = "work",
          .events = {1, 3},
          .routes = {{.id = 1},
                     {.id = 2, .stateful = true, .authorized = true},
                     {.id = 1001, .internal = true}},
          .endpoint = "drpc://192.168.0.88:40001?is_secure=false",
          .weight = 1,
          .metadata = {{"region", "eu"}}};
}
Instance Mesh() {
  return {.id = "m1",
          .kind = "mesh",
          .alias = "mesh",
          .state = "work",
          .services = {"greeter"},
          .endpoint = "grpc://192.168.0.88:40002?is_secure=false"};
}

constexpr char kGateJson[] =
    R"({"id":"g1","name":"gate","kind":"gate","alias":"gate","state":"work","endpoint":"drpc://192.168.0.88:40000?is_secure=false"})";
constexpr char kNodeJson[] =
    R"({"id":"463cfcba-b543-11f0-b2d9-f4f19e1f0070","name":"node","kind":"node","alias":"hall","state":"work","events":[1,3],"routes":[{"i":1},{"i":2,"s":true,"a":true},{"i":1001,"n":true}],"endpoint":"drpc://192.168.0.88:40001?is_secure=false","weight":1,"metadata":{"region":"eu"}})";
constexpr char kMeshJson[] =
    R"({"id":"m1","name":"mesh","kind":"mesh","alias":"mesh","state":"work","services":["greeter"],"endpoint":"grpc://192.168.0.88:40002?is_secure=false"})";

TEST(InstanceJson, WritesAndReadsDuesExamplesByteForByte) {
  for (const auto& [instance, json] :
       {std::pair(Gate(), kGateJson), std::pair(Node(), kNodeJson), std::pair(Mesh(), kMeshJson)}) {
    EXPECT_EQ(ToJson(instance), json);
    const auto read = ParseInstance(json);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(*read, instance);
  }
}

TEST(InstanceJson, PassesOverWhatItDoesNotKnow) {
  const auto read = ParseInstance(
      R"({"x":{"y":[1]},"routes":[{"z":1,"a":true}],"name":"node","id":"n1","events":null})");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, (Instance{.id = "n1", .kind = "node", .routes = {{.authorized = true}}}));
}

TEST(InstanceJson, RefusesWhatIsTruncatedHostileOrTooLong) {
  const std::string good = kNodeJson;
  for (size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(ParseInstance(good.substr(0, size)).ok()) << size;
  for (const char* bad :
       {"[]", "{}", R"({"id":"n1"})", R"({"id":"n1","kind":"node","events":[1.5]})",
        R"({"id":"n1","kind":"node","events":[2147483648]})",
        R"({"id":"n1","kind":"node","events":[-2147483649]})",
        R"({"id":"n1","kind":"node","routes":[1]})",
        R"({"id":"n1","kind":"node","routes":[{"i":"1"}]})",
        R"({"id":"n1","kind":"node","weight":99999999999})",
        R"({"id":"n1","kind":"node","services":[1]})"}) {
    EXPECT_THAT(ParseInstance(bad).status(), StatusIs(StatusCode::kInvalidArgument)) << bad;
  }
  EXPECT_FALSE(ParseInstance(std::string(100'000, '[')).ok());
  EXPECT_FALSE(ParseInstance(R"({"kind":"node","id":")" + std::string(1 << 20, 'x') + "\"}").ok());
}

TEST(InstanceMeta, WritesDuesExamples) {
  EXPECT_EQ(ToMeta(Node()), (Labels{{"id", "463cfcba-b543-11f0-b2d9-f4f19e1f0070"},
                                    {"kind", "node"},
                                    {"alias", "hall"},
                                    {"state", "work"},
                                    {"endpoint", "drpc://192.168.0.88:40001?is_secure=false"},
                                    {"weight", "1"},
                                    {"events", "[1,3]"},
                                    {"routes-0", "1-0,2-6,1001-1"},
                                    {"_region", "eu"}}));
  EXPECT_EQ(ToMeta(Mesh()), (Labels{{"id", "m1"},
                                    {"kind", "mesh"},
                                    {"alias", "mesh"},
                                    {"state", "work"},
                                    {"endpoint", "grpc://192.168.0.88:40002?is_secure=false"},
                                    {"services", R"(["greeter"])"}}));
  EXPECT_EQ(ToMeta(Gate()).size(), 5u);
}

TEST(InstanceMeta, KeepsAllOfAnInstanceAlsoManyRoutesInTheirOrder) {
  Instance node = Node();
  for (int route = 2000; route < 5000; ++route)
    node.routes.push_back({.id = route, .stateful = route % 2 == 0});
  node.routes.push_back({.id = -5, .internal = true, .stateful = true, .authorized = true});
  node.metadata = {{"", "empty"}, {"_x", "1"}, {"id", "mine"}};
  const Labels meta = ToMeta(node);
  EXPECT_GT(meta.count("routes-10"), 0u);
  for (const auto& [key, value] : meta) {
    EXPECT_LE(value.size(), 512u) << key;
    if (!key.starts_with("routes-")) continue;
    EXPECT_FALSE(value.starts_with(',') || value.ends_with(',')) << value;
  }
  for (const Instance& instance : {node, Gate(), Mesh()}) {
    const auto read = FromMeta(ToMeta(instance));
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(*read, instance);
  }
}

TEST(InstanceMeta, PassesOverWhatItDoesNotKnowAndRoutesThatAreNone) {
  const auto read = FromMeta({{"id", "n1"},
                              {"external-source", "x"},
                              {"routes-x", "7-0"},
                              {"routes-1", "3-4,,x,4,5-,-6,99999999999-0,8-64"},
                              {"routes-0", "1-0,"}});
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->routes,
            (std::vector<InstanceRoute>{{.id = 1}, {.id = 3, .authorized = true}, {.id = 8}}));
}

TEST(InstanceMeta, RefusesWhatCannotBeRead) {
  using Words = std::pair<std::string, std::string>;
  for (const auto& [key, value] :
       {Words("id", ""), Words("weight", "x"), Words("events", "{}"), Words("events", "[1"),
        Words("events", "[1.0]"), Words("services", "[1]")}) {
    Labels meta = {{"id", "n1"}};
    meta[key] = value;
    EXPECT_THAT(FromMeta(meta).status(), StatusIs(StatusCode::kInvalidArgument)) << key;
  }
}

TEST(Instance, IsARecordOfAnyRegistryAndBack) {
  const auto service = ToService(Node());
  ASSERT_TRUE(service.ok()) << service.status();
  EXPECT_EQ(service->name, "node");
  ASSERT_EQ(service->nodes.size(), 1u);
  EXPECT_EQ(service->nodes[0].id, Node().id);
  EXPECT_EQ(service->nodes[0].address, "192.168.0.88:40001");
  EXPECT_EQ(FromNode(*service, service->nodes[0]).value(), Node());
  micro::registry::Node other = service->nodes[0];
  other.id = "other";
  EXPECT_THAT(FromNode(*service, other).status(), StatusIs(StatusCode::kInvalidArgument));
}

TEST(Instance, ReadsEndpointsOfEveryForm) {
  for (const auto& [text, address] :
       Labels{{"drpc://10.0.0.7:40000?is_secure=false", "10.0.0.7:40000"},
              {"grpc://[::1]:5", "[::1]:5"},
              {"rpcx://host.example:1/path", "host.example:1"}}) {
    EXPECT_EQ(ParseEndpoint(text).value().address, address);
  }
  for (const char* bad : {"", "10.0.0.7:40000", "://a:1", "drpc://a", "drpc://a:0", "drpc://:1",
                          "drpc://a:70000", "drpc://?a:1"}) {
    EXPECT_THAT(ParseEndpoint(bad).status(),
                StatusIs(StatusCode::kInvalidArgument, HasSubstr("scheme://host:port")))
        << bad;
  }
  Instance gate = Gate();
  gate.endpoint = "nowhere";
  EXPECT_FALSE(ToService(gate).ok());
}

}  // namespace
}  // namespace due
