#include "registry/consul/consul_record.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/testing/status_matchers.h"
#include "registry/hex_zlib.h"

namespace micro::registry::consul {
namespace {

using Json = nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

// Tags as go-micro wrote them.
constexpr char kVersion[] = "v-789c32d433d03300040000ffff02ce00ee";  // 1.0.0
constexpr char kLatest[] = "v-789cca492c492d2e01040000ffff08cc028e";
constexpr char kProtocol[] = "t-789caa562a28ca2fc94fcecf51b252ca2d4d2e50aa05040000ffff46a906e2";
constexpr char kEndpoint[] =
    "e-789c8c8d410a02311004ffd2e7e003f2013d7b150f019b459864d7998920217f17640dbb78f1d45054530dca"
    "47a539624349998838af24c05fcb1e3c93541ae265c89f19a6b9decbb4114b15e9d71ea0b4652ec65d67459bd02"
    "0bfa56cd33fa14c4fb7e409b1f5f0fd1e9574eae1449119fd1d0000ffff2aca537b";

const Endpoint kHello{.name = "Greeter.Hello",
                      .request = {"Request", "Request", {{"name", "string", {}}}},
                      .response = {"Response", "Response", {{"msg", "string", {}}}}};

DecodedTags Decode(const std::vector<std::string>& tags) {
  size_t budget = 64 << 20;
  return DecodeTags(tags, budget);
}

std::string Unpacked(const std::string& tag) { return HexInflate(tag.substr(2), "a tag").value(); }

// One instance as /v1/health/service/greeter shows it.
Json Instance(const std::string& id, const std::vector<std::string>& tags) {
  return {{"Node", {{"Node", "machine"}, {"Address", "10.0.0.9"}}},
          {"Service",
           {{"ID", id},
            {"Service", "greeter"},
            {"Tags", tags},
            {"Address", "10.0.0.1"},
            {"Port", 8080}}},
          {"Checks",
           {{{"CheckID", "serfHealth"}, {"Status", "passing"}},
            {{"CheckID", "service:" + id}, {"Status", "passing"}}}}};
}

absl::StatusOr<Health> Parse(const Json& json) { return ParseHealth(json.dump(), "greeter"); }

TEST(ConsulTags, ReadsWhatGoMicroWrites) {
  EXPECT_EQ(Decode({kVersion}).tags.version, "1.0.0");
  EXPECT_EQ(Decode({kLatest}).tags.version, "latest");
  const DecodedTags decoded =
      Decode({kProtocol, "t-789caa562a28ca2fc94fcecf51b2524a2f2a4856aa05040000ffff468306d9",
              "t-789caa562a294acc2b2ec82f2a51b252ca28292950aa05040000ffff4f930768",
              "t-789caa564a2acacf4e2d52b252ca28292950aa05040000ffff364d0600",
              "t-789caa562a4a4dcf2c2e29aa54b2524acecf2b2ecd51aa05040000ffff560f07c8",
              "t-789caa562a4e2d2a4b2d52b252ca2d4d2e50aa05040000ffff37200607", kEndpoint, kVersion});
  EXPECT_THAT(decoded.unreadable, IsEmpty());
  EXPECT_TRUE(decoded.tags == (Tags{.metadata = {{"broker", "http"},
                                                 {"protocol", "grpc"},  // the later one
                                                 {"registry", "consul"},
                                                 {"server", "mucp"},
                                                 {"transport", "http"}},
                                    .endpoints = {kHello},
                                    .version = "1.0.0"}));
}

TEST(ConsulTags, AreWrittenAsGoMicroWritesThem) {
  const std::vector<std::string> tags = EncodeTags(
      {.metadata = {{"protocol", "grpc"}, {"zone", "a"}}, .endpoints = {kHello}, .version = "1.0"});
  ASSERT_THAT(tags, ElementsAre(testing::StartsWith("t-789c"), testing::StartsWith("t-789c"),
                                testing::StartsWith("e-789c"), testing::StartsWith("v-789c")));
  EXPECT_EQ(Unpacked(tags[0]), R"({"protocol":"grpc"})");
  EXPECT_EQ(Unpacked(tags[1]), R"({"zone":"a"})");
  EXPECT_EQ(Json::parse(Unpacked(tags[2])), Json::parse(Unpacked(kEndpoint)));
  EXPECT_EQ(Unpacked(tags[3]), "1.0");
}

TEST(ConsulTags, ReadsTheOldFormat) {
  const DecodedTags decoded = Decode({"v=1.0.0", R"(t={"protocol":"mucp"})", R"(t={"a":"b=c"})",
                                      R"(e={"name":"Greeter.Hello","request":null})"});
  EXPECT_THAT(decoded.unreadable, IsEmpty());
  EXPECT_TRUE(decoded.tags == (Tags{.metadata = {{"a", "b=c"}, {"protocol", "mucp"}},
                                    .endpoints = {{.name = "Greeter.Hello"}},
                                    .version = "1.0.0"}));
}

TEST(ConsulTags, OfEachKindTheFirstFormatCounts) {
  const DecodedTags decoded =
      Decode({"v=2", kVersion, kProtocol, R"(t={"zone":"a"})", R"(e={"name":"Old"})", kEndpoint});
  EXPECT_THAT(decoded.unreadable, IsEmpty());
  EXPECT_EQ(decoded.tags.version, "2");
  EXPECT_THAT(decoded.tags.metadata, ElementsAre(testing::Pair("protocol", "mucp")));
  EXPECT_TRUE(decoded.tags.endpoints == std::vector<Endpoint>{{.name = "Old"}});
}

TEST(ConsulTags, TagsOfOthersArePassedOver) {
  const DecodedTags decoded = Decode({"", "v", "t", "primary", "traefik.enable=true", "v1", "edge",
                                      "v-789c32d433d03300040000ffff02ce00ee"});
  EXPECT_THAT(decoded.unreadable, IsEmpty());
  EXPECT_TRUE(decoded.has_version);
  EXPECT_FALSE(Decode({"primary", "v1"}).has_version);
}

TEST(ConsulTags, WhatCannotBeReadIsNamedAndTheRestIsUsed) {
  const DecodedTags decoded =
      Decode({"t-shirt", "t=none", "t-", "t-789c", R"(t=["a"])", R"(t={"a":1})", "e-0",
              "e-" + HexDeflate("{"), "v-nonsense", kVersion, kProtocol, kEndpoint});
  EXPECT_EQ(decoded.tags.version, "1.0.0");
  EXPECT_THAT(decoded.tags.metadata, ElementsAre(testing::Pair("protocol", "mucp")));
  EXPECT_TRUE(decoded.tags.endpoints == std::vector<Endpoint>{kHello});
  EXPECT_THAT(decoded.unreadable, SizeIs(9));
  EXPECT_THAT(decoded.unreadable,
              testing::Contains(HasSubstr("\"t-shirt\": a tag that is not hex")));
  EXPECT_THAT(decoded.unreadable,
              testing::Contains(HasSubstr("\"t-789c\": a tag that is no zlib")));
  EXPECT_THAT(decoded.unreadable, testing::Contains(HasSubstr("no text")));
}

TEST(ConsulTags, BombsAreBounded) {
  const std::string bomb = "t-" + HexDeflate(std::string(1 << 20, ' '));
  const std::string larger = "t-" + HexDeflate(std::string(64 << 20, ' '));
  size_t budget = 3 << 20;
  const DecodedTags decoded = DecodeTags({bomb, larger, bomb, bomb, bomb, kProtocol}, budget);
  EXPECT_EQ(budget, 0u);
  EXPECT_THAT(decoded.tags.metadata, IsEmpty());
  EXPECT_THAT(decoded.unreadable, SizeIs(6));
  EXPECT_THAT(decoded.unreadable[1], HasSubstr("more than 1 MiB"));
  EXPECT_THAT(decoded.unreadable[5], HasSubstr("a tag after"));
}

TEST(ConsulTags, HugeDeepAndWideTagsAreRefused) {
  std::string deep = "e={\"request\":", wide = "t={";
  for (int i = 0; i < 100000; ++i) deep += "[";
  for (int i = 0; i < 80000; ++i) wide += fmt::format("\"{}\":\"\",", i);
  const DecodedTags decoded =
      Decode({"t=" + std::string(10 << 20, '{'), "v-" + std::string(10 << 20, '0'), deep,
              wide + "\"last\":\"\"}"});
  EXPECT_TRUE(decoded.tags == Tags());
  EXPECT_THAT(decoded.unreadable,
              testing::UnorderedElementsAre(HasSubstr("1 MiB"), HasSubstr("zlib"),
                                            HasSubstr("levels"), HasSubstr("1024 members")));
  for (const std::string& line : decoded.unreadable) EXPECT_LT(line.size(), 200u);
}

TEST(ConsulTags, GoDurationsAreWrittenAsGoWritesThem) {
  EXPECT_EQ(GoDuration(absl::ZeroDuration()), "0s");
  EXPECT_EQ(GoDuration(absl::Seconds(60)), "1m0s");
  EXPECT_EQ(GoDuration(absl::Seconds(90)), "1m30s");
  EXPECT_EQ(GoDuration(absl::Milliseconds(1500)), "1.5s");
  EXPECT_EQ(GoDuration(absl::Milliseconds(250)), "250ms");
  EXPECT_EQ(GoDuration(absl::Microseconds(2050)), "2.05ms");
  EXPECT_EQ(GoDuration(absl::Microseconds(7)), "7µs");
  EXPECT_EQ(GoDuration(absl::Nanoseconds(9)), "9ns");
  EXPECT_EQ(GoDuration(absl::Hours(72) + absl::Milliseconds(3500)), "72h0m3.5s");
  EXPECT_EQ(GoDuration(-absl::Seconds(61)), "-1m1s");
}

const Service kGreeter{.name = "greeter",
                       .version = "1.0.0",
                       .endpoints = {kHello},
                       .nodes = {{"greeter-1", "10.0.0.1:8080", {{"protocol", "grpc"}}}}};

Json Registration(const Service& service, absl::Duration ttl) {
  return Json::parse(RegistrationJson(service, service.nodes[0], service.name, ttl).value());
}

TEST(ConsulRecord, RegistersANodeAsGoMicroDoes) {
  const Json json = Registration(kGreeter, absl::Seconds(90));
  EXPECT_EQ(json["ID"], "greeter-1");
  EXPECT_EQ(json["Name"], "greeter");
  EXPECT_EQ(json["Address"], "10.0.0.1");
  EXPECT_EQ(json["Port"], 8080);
  EXPECT_EQ(json["Tags"].size(), 3u);
  EXPECT_EQ(json["Meta"], Json({{"protocol", "grpc"}}));
  EXPECT_EQ(json["Check"]["TTL"], "1m30s");
  EXPECT_EQ(json["Check"]["DeregisterCriticalServiceAfter"], "1m35s");
  EXPECT_EQ(Registration(kGreeter, absl::Seconds(30))["Check"]["DeregisterCriticalServiceAfter"],
            "1m5s");
  EXPECT_FALSE(Registration(kGreeter, absl::ZeroDuration()).contains("Check"));
}

TEST(ConsulRecord, RefusesAPortThatConsulCannotHold) {
  Service service = kGreeter;
  for (const char* address : {"host:http", "host:65536", "host:-1", "host:80x", "host: 80"}) {
    service.nodes[0].address = address;
    EXPECT_THAT(RegistrationJson(service, service.nodes[0], "greeter", absl::ZeroDuration()),
                StatusIs(kInvalid, HasSubstr("--server_advertise")));
  }
  service.nodes[0].address = "[fd00::1]:80";
  EXPECT_EQ(Registration(service, absl::ZeroDuration())["Address"], "fd00::1");
}

TEST(ConsulRecord, LeavesOutOfMetaWhatConsulRefuses) {
  Service service = kGreeter;
  service.nodes[0].metadata = {{"größe", "1"},    {"a.b", "2"},
                               {"consul-x", "3"}, {"long", std::string(513, 'x')},
                               {"", "4"},         {"fine_1", "5"}};
  const Json json = Registration(service, absl::ZeroDuration());
  EXPECT_EQ(json["Meta"], Json({{"fine_1", "5"}}));
  EXPECT_EQ(json["Tags"].size(), 6u + 2u);
  for (int i = 0; i < 100; ++i) service.nodes[0].metadata[fmt::format("key{}", i)] = "x";
  EXPECT_EQ(Registration(service, absl::ZeroDuration())["Meta"].size(), 64u);
}

TEST(ConsulHealth, GroupsNodesByVersion) {
  Json ipv6 = Instance("greeter-3", {kLatest});
  ipv6["Service"]["Address"] = "fd00::1";
  Json of_machine = Instance("greeter-4", {kLatest});
  of_machine["Service"]["Address"] = "";
  const auto health = Parse({Instance("greeter-1", {kProtocol, kEndpoint, kVersion}), ipv6,
                             of_machine, Instance("greeter-2", {kVersion})});
  ASSERT_THAT(health, IsOk());
  EXPECT_THAT(health->unreadable, IsEmpty());
  EXPECT_TRUE(
      health->services ==
      (std::vector<Service>{
          {.name = "greeter",
           .version = "1.0.0",
           .endpoints = {kHello},
           .nodes = {{"greeter-1", "10.0.0.1:8080", {{"protocol", "mucp"}}},
                     {"greeter-2", "10.0.0.1:8080", {}}}},
          {.name = "greeter",
           .version = "latest",
           .nodes = {{"greeter-3", "[fd00::1]:8080", {}}, {"greeter-4", "10.0.0.9:8080", {}}}}}));
}

TEST(ConsulHealth, LeavesOutNodesThatFailAnyCheck) {
  Json own = Instance("greeter-1", {kVersion}), machine = Instance("greeter-2", {kVersion}),
       warning = Instance("greeter-3", {kVersion});
  own["Checks"][1]["Status"] = "critical";
  machine["Checks"][0]["Status"] = "critical";
  warning["Checks"][1]["Status"] = "warning";
  const auto health = Parse({own, machine, warning});
  ASSERT_THAT(health, IsOk());
  ASSERT_THAT(health->services, SizeIs(1));
  ASSERT_THAT(health->services[0].nodes, SizeIs(1));
  EXPECT_EQ(health->services[0].nodes[0].id, "greeter-3");
  EXPECT_THAT(health->critical, ElementsAre("greeter-1", "greeter-2"));
}

TEST(ConsulHealth, AVersionWithoutLiveNodesIsNone) {
  Json dead = Instance("greeter-1", {kVersion});
  dead["Checks"][1]["Status"] = "critical";
  const auto health = Parse(Json::array({dead}));
  ASSERT_THAT(health, IsOk());
  EXPECT_THAT(health->services, IsEmpty());
}

TEST(ConsulHealth, ANodeThatTwoAgentsHoldIsOne) {
  Json dead = Instance("greeter-1", {kVersion});
  dead["Checks"][0]["Status"] = "critical";
  const auto health =
      Parse({dead, Instance("greeter-1", {kVersion}), Instance("greeter-1", {kVersion})});
  ASSERT_THAT(health, IsOk());
  ASSERT_THAT(health->services, SizeIs(1));
  EXPECT_THAT(health->services[0].nodes, SizeIs(1));
  EXPECT_THAT(health->critical, IsEmpty());
}

TEST(ConsulHealth, ReadsServicesThatAreNotGoMicros) {
  const auto health = Parse(Json::array({Instance("web-1", {"primary"})}));
  ASSERT_THAT(health, IsOk());
  ASSERT_THAT(health->services, SizeIs(1));
  EXPECT_EQ(health->services[0].version, "");
}

TEST(ConsulHealth, NamesServiceAndNodeOfWhatItPassesOver) {
  Json no_port = Instance("greeter-2", {kVersion}), queue = Instance("greeter-3", {kVersion});
  no_port["Service"]["Port"] = 0;
  queue["Service"]["Port"] = 0;
  queue["Service"]["Address"] = "queue";
  const auto health = Parse({Instance("greeter-1", {"t-shirt", kVersion}), no_port, queue});
  ASSERT_THAT(health, IsOk());
  EXPECT_THAT(health->unreadable,
              ElementsAre(HasSubstr("service \"greeter\", node \"greeter-1\": tag \"t-shirt\""),
                          HasSubstr("node \"greeter-2\": an instance without")));
  ASSERT_THAT(health->services, SizeIs(1));
  ASSERT_THAT(health->services[0].nodes, SizeIs(2));
  EXPECT_EQ(health->services[0].nodes[1].address, "queue");
}

TEST(ConsulHealth, PartsOfAnotherTypeAreLeftOut) {
  for (const char* port : {"-1", "65536", "1e99", "\"80\"", "null", "[]", "99999999999999999999"}) {
    const auto health = ParseHealth(
        fmt::format(
            R"([{{"Service":{{"ID":"x","Service":"greeter","Address":"1.2.3.4","Port":{}}}}}])",
            port),
        "greeter");
    ASSERT_THAT(health, IsOk());
    EXPECT_THAT(health->services, IsEmpty()) << port;
  }
  const auto health = ParseHealth(
      R"([1,null,[],{},{"Service":[]},{"Service":{"Service":"greeter"}},{"Service":{"Service":"other","ID":"x"}},
          {"Service":{"Service":"greeter","ID":"y","Address":7,"Port":1,"Tags":{"a":1}},"Node":3,"Checks":[1,{"Status":2}]},
          {"Service":{"Service":"greeter","ID":"z","Address":"h","Port":1,"Tags":[1,null,"v=1"]},"Checks":null}])",
      "greeter");
  ASSERT_THAT(health, IsOk());
  ASSERT_THAT(health->services, SizeIs(1));
  EXPECT_EQ(health->services[0].nodes, (std::vector<Node>{{"z", "h:1", {}}}));
}

TEST(ConsulHealth, WhatIsNoAnswerIsRefused) {
  std::string deep(100000, '[');
  EXPECT_THAT(ParseHealth("", "greeter"), StatusIs(kInvalid, HasSubstr("no JSON array")));
  EXPECT_THAT(ParseHealth("{}", "greeter"), StatusIs(kInvalid));
  EXPECT_THAT(ParseHealth("[{", "greeter"), StatusIs(kInvalid));
  EXPECT_THAT(ParseHealth("[\"\xff\"]", "greeter"), StatusIs(kInvalid));
  EXPECT_THAT(ParseHealth(deep, "greeter"), StatusIs(kInvalid, HasSubstr("levels")));
  EXPECT_THAT(ParseHealth(std::string((64 << 20) + 1, ' '), "greeter"),
              StatusIs(kInvalid, HasSubstr("64 MiB")));
}

TEST(ConsulCatalog, ListsGoMicrosServicesAlone) {
  const auto names = ParseCatalog(Json({{"consul", Json::array()},
                                        {"web", {"primary", "v-2", "v1"}},
                                        {"old", {"v=1.0.0"}},
                                        {"greeter", {kProtocol, kLatest}},
                                        {"odd", 1},
                                        {"", nullptr}})
                                      .dump());
  ASSERT_THAT(names, IsOk());
  EXPECT_THAT(*names, ElementsAre("greeter", "old"));
  EXPECT_THAT(ParseCatalog("[]"), StatusIs(kInvalid));
}

TEST(ConsulCatalog, TellsWhichServicesHaveFailingChecks) {
  const auto critical = ParseCritical(
      R"([{"CheckID":"service:a","ServiceName":"a"},{"CheckID":"service:b","ServiceName":"b"},7])");
  ASSERT_THAT(critical, IsOk());
  EXPECT_THAT(critical->names, ElementsAre("a", "b"));
  EXPECT_FALSE(critical->machines);
  EXPECT_TRUE(ParseCritical(R"([{"CheckID":"serfHealth","ServiceName":""}])")->machines);
  EXPECT_THAT(ParseCritical("{}"), StatusIs(kInvalid));
}

}  // namespace
}  // namespace micro::registry::consul
