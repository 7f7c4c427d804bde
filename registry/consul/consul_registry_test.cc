// How records lie in a real Consul, and what is made of others'. What every registry does is in
// consul_conformance_test.cc.
#include "registry/consul/consul_registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/plugin_table.h"
#include "core/testing/eventually.h"
#include "core/testing/status_matchers.h"
#include "registry/consul/raw_consul.h"
#include "registry/hex_zlib.h"

namespace micro::registry::consul {
namespace {

using Json = nlohmann::json;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr char kVersion[] = "v-789c32d433d03300040000ffff02ce00ee";  // 1.0.0
constexpr char kProtocol[] = "t-789caa562a28ca2fc94fcecf51b252ca2d4d2e50aa05040000ffff46a906e2";
constexpr char kEndpoint[] =
    "e-789c8c8d410a02311004ffd2e7e003f2013d7b150f019b459864d7998920217f17640dbb78f1d45054530dca"
    "47a539624349998838af24c05fcb1e3c93541ae265c89f19a6b9decbb4114b15e9d71ea0b4652ec65d67459bd02"
    "0bfa56cd33fa14c4fb7e409b1f5f0fd1e9574eae1449119fd1d0000ffff2aca537b";

services::ServiceProcess& Consul() {
  static const auto consul = services::StartConsul().value();
  return *consul;
}

std::unique_ptr<Registry> Open(Options options = {}) {
  options.addresses = {Consul().address()};
  return NewConsulRegistry(options).value();
}

absl::Status Register(Registry& registry, const Service& service,
                      absl::Duration ttl = absl::ZeroDuration()) {
  return BlockOn(registry.Register(Context(), service, {.ttl = ttl}));
}

std::vector<Service> Get(Registry& registry, const std::string& name) {
  auto found = BlockOn(registry.GetService(Context(), name));
  return found.ok() ? *std::move(found) : std::vector<Service>();
}

std::vector<std::string> Listed(Registry& registry) {
  std::vector<std::string> names;
  const auto listed = BlockOn(registry.ListServices(Context()));
  EXPECT_THAT(listed, IsOk());
  for (const Service& service : *listed) names.push_back(service.name);
  return names;
}

absl::StatusOr<Event> Next(Watcher& watcher) {
  return BlockOn(watcher.Next(WithTimeout(Context(), absl::Seconds(20))));
}

TEST(ConsulRegistry, WritesWhatGoMicroWrites) {
  const auto registry = Open();
  Service record = Record("written");
  record.nodes[0].metadata = {{"größe", "☃"}, {"protocol", "grpc"}};
  record.endpoints = {{.name = "Greeter.Hello",
                       .request = {"Request", "Request", {{"name", "string", {}}}},
                       .response = {"Response", "Response", {{"msg", "string", {}}}}}};
  ASSERT_THAT(Register(*registry, record, absl::Seconds(90)), IsOk());
  const Json node = RawGet(Consul(), "/v1/agent/service/written-1");
  EXPECT_EQ(node["Service"], "written");
  EXPECT_EQ(node["Address"], "10.0.0.1");
  EXPECT_EQ(node["Port"], 8080);
  EXPECT_EQ(node["Meta"], Json({{"protocol", "grpc"}}));
  ASSERT_THAT(node["Tags"], SizeIs(4));
  std::vector<std::string> texts;
  for (const std::string& tag : node["Tags"].get<std::vector<std::string>>())
    texts.push_back(tag.substr(0, 2) + HexInflate(tag.substr(2), "a tag").value());
  EXPECT_EQ(texts[0], "t-{\"größe\":\"☃\"}");
  EXPECT_EQ(texts[1], "t-{\"protocol\":\"grpc\"}");
  EXPECT_EQ(Json::parse(texts[2].substr(2)),
            Json::parse(HexInflate(std::string(kEndpoint).substr(2), "a tag").value()));
  EXPECT_EQ(texts[3], "v-1.0.0");
  const Json check = RawGet(Consul(), "/v1/agent/checks")["service:written-1"];
  EXPECT_EQ(check["Type"], "ttl");
  EXPECT_EQ(check["Status"], "passing");
}

TEST(ConsulRegistry, ReadsWhatGoMicroWrites) {
  ASSERT_TRUE(RawRegister(Consul(), "go", "go-1", {kProtocol, kEndpoint, kVersion}));
  const auto registry = Open();
  ASSERT_TRUE(Eventually([&] { return !Get(*registry, "go").empty(); }));
  EXPECT_TRUE(Get(*registry, "go") ==
              (std::vector<Service>{
                  {.name = "go",
                   .version = "1.0.0",
                   .endpoints = {{.name = "Greeter.Hello",
                                  .request = {"Request", "Request", {{"name", "string", {}}}},
                                  .response = {"Response", "Response", {{"msg", "string", {}}}}}},
                   .nodes = {{"go-1", "10.0.0.1:8080", {{"protocol", "mucp"}}}}}}));
}

TEST(ConsulRegistry, ReadsTheOldFormat) {
  ASSERT_TRUE(RawRegister(Consul(), "old", "old-1",
                          {"v=2", R"(t={"protocol":"mucp"})", R"(e={"name":"Greeter.Hello"})"}));
  const auto registry = Open();
  ASSERT_TRUE(Eventually([&] { return !Get(*registry, "old").empty(); }));
  EXPECT_TRUE(
      Get(*registry, "old") ==
      (std::vector<Service>{{.name = "old",
                             .version = "2",
                             .endpoints = {{.name = "Greeter.Hello"}},
                             .nodes = {{"old-1", "10.0.0.1:8080", {{"protocol", "mucp"}}}}}}));
}

TEST(ConsulRegistry, HostileTagsOfOneNodeHarmNoOther) {
  const std::string bomb = "t-" + HexDeflate(std::string(64 << 20, ' '));
  ASSERT_TRUE(
      RawRegister(Consul(), "hostile", "hostile-1",
                  {bomb, "t-", "t-00", "e-zz", "v-x", "", "t", "e={", std::string(100000, 'e'),
                   "t=" + std::string(100000, '['), kProtocol, kVersion}));
  const auto registry = Open();
  ASSERT_THAT(Register(*registry, Record("hostile", "hostile-2")), IsOk());
  std::vector<Service> found;
  ASSERT_TRUE(Eventually([&] {
    found = Get(*registry, "hostile");
    return found.size() == 1 && found[0].nodes.size() == 2;
  }));
  EXPECT_EQ(found[0].nodes[0], (Node{"hostile-1", "10.0.0.1:8080", {{"protocol", "mucp"}}}));
  EXPECT_EQ(found[0].nodes[1], Record("hostile", "hostile-2").nodes[0]);
  ASSERT_TRUE(RawDeregister(Consul(), "hostile-1"));  // or raw answers would not be small
}

TEST(ConsulRegistry, ListsGoMicrosServicesWithLiveNodesAlone) {
  ASSERT_TRUE(RawRegister(Consul(), "foreign", "foreign-1", {"primary", "v2"}));
  ASSERT_TRUE(RawRegister(Consul(), "plain-old", "plain-old-1", {"v=1"}));
  const auto registry = Open();
  ASSERT_THAT(Register(*registry, Record("listed")), IsOk());
  ASSERT_THAT(Register(*registry, Record("expired"), absl::Milliseconds(100)), IsOk());
  ASSERT_TRUE(Eventually([&] {
    const std::vector<std::string> names = Listed(*registry);
    const auto lists = [&](const char* name) {
      return std::count(names.begin(), names.end(), name) > 0;
    };
    return lists("listed") && lists("plain-old") && !lists("expired") &&
           RawGet(Consul(), "/v1/catalog/services").contains("expired") &&
           RawGet(Consul(), "/v1/catalog/services").contains("foreign");
  }));
  EXPECT_THAT(Listed(*registry), Not(Contains("consul")));
  EXPECT_THAT(Listed(*registry), Not(Contains("foreign")));
  ASSERT_TRUE(RawDeregister(Consul(), "expired-1"));
}

TEST(ConsulRegistry, APrefixKeepsSystemsApart) {
  const auto ours = Open({.prefix = "ours."}), theirs = Open({.prefix = "theirs."}), all = Open();
  ASSERT_THAT(Register(*ours, Record("shared", "shared-1")), IsOk());
  ASSERT_THAT(Register(*theirs, Record("shared", "shared-2")), IsOk());
  ASSERT_TRUE(
      Eventually([&] { return !Get(*ours, "shared").empty() && !Get(*theirs, "shared").empty(); }));
  EXPECT_EQ(Get(*ours, "shared")[0].name, "shared");
  EXPECT_THAT(Get(*ours, "shared")[0].nodes, ElementsAre(testing::Field(&Node::id, "shared-1")));
  EXPECT_THAT(Listed(*ours), ElementsAre("shared"));
  EXPECT_THAT(Get(*all, "shared"), IsEmpty());
  EXPECT_THAT(Listed(*all), testing::AllOf(Contains("ours.shared"), Contains("theirs.shared")));
  EXPECT_EQ(RawGet(Consul(), "/v1/agent/service/shared-1")["Service"], "ours.shared");
}

TEST(ConsulRegistry, NamesMayHaveAnyCharacters) {
  const auto registry = Open();
  for (const std::string name : {"größe", "a/b", "a b?c&d=e#f%g+h", "\"q\"", "..."}) {
    const Service record = Record(name);
    const auto watcher = BlockOn(registry->Watch(Context(), {.service = name}));
    ASSERT_THAT(watcher, IsOk());
    ASSERT_THAT(Register(*registry, record, absl::Seconds(60)), IsOk()) << name;
    const auto event = Next(**watcher);
    ASSERT_THAT(event, IsOk()) << name;
    EXPECT_EQ(event->service, record);
    EXPECT_EQ(Get(*registry, name), std::vector<Service>{record});
    ASSERT_THAT(Register(*registry, record, absl::Seconds(60)), IsOk()) << name;
    ASSERT_THAT(BlockOn(registry->Deregister(Context(), record)), IsOk());
    EXPECT_EQ(Next(**watcher)->action, Action::kDelete);
  }
}

TEST(ConsulRegistry, RefusesNamesThatConsulsPathsLose) {
  const auto registry = Open();
  for (const std::string name : {"a//b", "..", "a/../b", "/a"}) {
    EXPECT_THAT(Register(*registry, Record(name, "id")),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(name)));
    EXPECT_THAT(Register(*registry, Record("name", name)),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(name)));
    EXPECT_THAT(BlockOn(registry->GetService(Context(), name)),
                StatusIs(absl::StatusCode::kNotFound));
    EXPECT_THAT(BlockOn(registry->Watch(Context(), {.service = name})), IsOk());
  }
}

std::string StatusOfCheck(const std::string& check) {
  const Json checks = RawGet(Consul(), "/v1/agent/checks");
  return checks.contains(check) ? checks[check]["Status"].get<std::string>() : "none";
}

TEST(ConsulRegistry, ARefreshOnlyPassesTheCheck) {
  const auto registry = Open();
  const Service record = Record("refreshed");
  ASSERT_THAT(Register(*registry, record, absl::Seconds(60)), IsOk());
  // A registration would take its own tags there again.
  ASSERT_TRUE(RawRegister(Consul(), "refreshed", "refreshed-1", {"by hand"}));
  ASSERT_TRUE(RawRequest(Consul(), "PUT", "/v1/agent/check/fail/service:refreshed-1")
                  .starts_with("HTTP/1.1 200"));
  ASSERT_THAT(Register(*registry, record, absl::Seconds(60)), IsOk());
  EXPECT_EQ(StatusOfCheck("service:refreshed-1"), "passing");
  EXPECT_EQ(RawGet(Consul(), "/v1/agent/service/refreshed-1")["Tags"], Json({"by hand"}));
}

TEST(ConsulRegistry, AChangedRecordIsRegisteredAndPasses) {
  const auto registry = Open();
  Service record = Record("changing");
  ASSERT_THAT(Register(*registry, record, absl::Seconds(60)), IsOk());
  ASSERT_TRUE(RawRequest(Consul(), "PUT", "/v1/agent/service/maintenance/changing-1?enable=true")
                  .starts_with("HTTP/1.1 200"));
  ASSERT_TRUE(RawRequest(Consul(), "PUT", "/v1/agent/check/fail/service:changing-1")
                  .starts_with("HTTP/1.1 200"));
  record.nodes[0].address = "10.0.0.2:8080";
  ASSERT_THAT(Register(*registry, record, absl::Seconds(60)), IsOk());
  EXPECT_EQ(RawGet(Consul(), "/v1/agent/service/changing-1")["Address"], "10.0.0.2");
  EXPECT_EQ(StatusOfCheck("service:changing-1"), "passing");
  // What an operator ordered stands.
  EXPECT_EQ(StatusOfCheck("_service_maintenance:changing-1"), "critical");
}

TEST(ConsulRegistry, ANodeThatIsTakenOutByHandIsRegisteredAgain) {
  const auto registry = Open();
  ASSERT_THAT(Register(*registry, Record("taken", "taken-1"), absl::Seconds(60)), IsOk());
  ASSERT_THAT(Register(*registry, Record("taken", "taken-2"), absl::ZeroDuration()), IsOk());
  for (const char* id : {"taken-1", "taken-2"}) {
    ASSERT_TRUE(RawDeregister(Consul(), id));
    ASSERT_THAT(Register(*registry, Record("taken", id), absl::Seconds(60)), IsOk());
    EXPECT_TRUE(RawHas(Consul(), id));
  }
}

TEST(ConsulRegistry, ADeregisteredNodeStaysAway) {
  const auto registry = Open();
  for (int round = 0; round < 20; ++round) {
    ASSERT_THAT(Register(*registry, Record("leaving"), absl::Seconds(60)), IsOk());
    std::thread taker([&] { RawDeregister(Consul(), "leaving-1"); });  // and is restored meanwhile
    ASSERT_THAT(BlockOn(registry->Deregister(Context(), Record("leaving"))), IsOk());
    taker.join();
    // A restoration that was under way takes it out again.
    ASSERT_TRUE(Eventually([&] { return !RawHas(Consul(), "leaving-1"); }));
  }
}

TEST(ConsulRegistry, ANodeThatLosesItsTtlLosesItsCheck) {
  const auto registry = Open();
  ASSERT_THAT(Register(*registry, Record("lasting"), absl::Seconds(60)), IsOk());
  ASSERT_THAT(Register(*registry, Record("lasting")), IsOk());
  EXPECT_EQ(StatusOfCheck("service:lasting-1"), "none");
}

TEST(ConsulRegistry, AWatcherOfAllIsToldNothingOfOthersServices) {
  const auto registry = Open();
  const auto watcher = BlockOn(registry->Watch(Context(), {})).value();
  ASSERT_TRUE(RawRegister(Consul(), "not-ours", "not-ours-1", {"primary"}));
  ASSERT_TRUE(
      Eventually([&] { return RawGet(Consul(), "/v1/catalog/services").contains("not-ours"); }));
  ASSERT_THAT(Register(*registry, Record("ours")), IsOk());
  const auto event = Next(*watcher);
  ASSERT_THAT(event, IsOk());
  EXPECT_EQ(event->service.name, "ours");
  ASSERT_THAT(BlockOn(registry->Deregister(Context(), Record("ours"))), IsOk());
  EXPECT_EQ(Next(*watcher)->action, Action::kDelete);
}

TEST(ConsulRegistry, AWatcherHasNothingToSayOfWhatWasThereBefore) {
  const auto registry = Open();
  ASSERT_THAT(Register(*registry, Record("before", "before-1")), IsOk());
  ASSERT_TRUE(Eventually([&] { return !Get(*registry, "before").empty(); }));
  for (const char* service : {"before", ""}) {
    const auto watcher = BlockOn(registry->Watch(Context(), {.service = service})).value();
    ASSERT_THAT(Register(*registry, Record("before", "before-2")), IsOk());
    const auto event = Next(*watcher);
    ASSERT_THAT(event, IsOk());
    EXPECT_THAT(event->service.nodes, ElementsAre(testing::Field(&Node::id, "before-2")));
    ASSERT_THAT(BlockOn(registry->Deregister(Context(), Record("before", "before-2"))), IsOk());
    EXPECT_EQ(Next(*watcher)->action, Action::kDelete);
  }
}

TEST(ConsulRegistry, AWatcherMayOutliveTheRegistry) {
  auto registry = Open();
  const auto one = BlockOn(registry->Watch(Context(), {.service = "any"})).value();
  const auto all = BlockOn(registry->Watch(Context(), {})).value();
  registry.reset();
  EXPECT_THAT(Next(*one), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(Next(*all), StatusIs(absl::StatusCode::kUnavailable));
}

TEST(ConsulRegistry, ManyServicesMayBeWatchedBeyondWhatAnAgentAllowsInConnections) {
  const auto registry = Open();
  std::vector<std::unique_ptr<Watcher>> watchers;
  for (int i = 0; i < 250; ++i) {
    auto watcher = BlockOn(registry->Watch(Context(), {.service = "many-" + std::to_string(i)}));
    ASSERT_THAT(watcher, IsOk());
    watchers.push_back(*std::move(watcher));
  }
  for (const int i : {0, 249}) {
    ASSERT_THAT(Register(*registry, Record("many-" + std::to_string(i))), IsOk());
    ASSERT_THAT(Next(*watchers[i]), IsOk());
  }
}

TEST(ConsulRegistry, IsAPluginThatRefusesWhatItHasNoUseFor) {
  EXPECT_THAT(PluginTable<Registry>::Names(), Contains("consul"));
  EXPECT_THAT(PluginTable<Registry>::Create("consul", {.username = "ann"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--registry_username")));
  EXPECT_THAT(PluginTable<Registry>::Create("consul", {.addresses = {"consul:port"}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("consul:port")));
}

TEST(ConsulRegistry, AskingAnotherDatacenterThatIsNoneIsAnError) {
  EXPECT_THAT(Listed(*Open({.datacenter = "dc1"})), Not(Contains("consul")));
  const auto found = BlockOn(Open({.datacenter = "mars"})->GetService(Context(), "greeter"));
  EXPECT_THAT(found, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("No path to datacenter")));
}

}  // namespace
}  // namespace micro::registry::consul
