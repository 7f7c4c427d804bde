// What the registry "etcd" has in etcd, and what it makes of what others have there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "registry/etcd/etcd_test_words.h"

namespace micro::registry {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

// One server for the whole program; each test has services, or a prefix, of its own.
services::ServiceProcess& Etcd() {
  static const auto etcd =
      NewEtcd({.arguments = {"--max-request-bytes=33554432"}});  // for values that are too large
  return *etcd;
}

class EtcdRegistry : public testing::Test {
 protected:
  EtcdRegistry()
      : options_{.addresses = {Etcd().address()}}, raw_(options_), registry_(OpenEtcd(options_)) {}

  const Options options_;
  RawEtcd raw_;
  const std::unique_ptr<Registry> registry_;
};

// As go-micro v5.30.0 writes them.
constexpr char kGoKey[] = "/micro/registry/go-greeter/go-greeter-1111";
constexpr char kGoValue[] =
    R"({"name":"go-greeter","version":"1.0.0","metadata":null,"endpoints":[)"
    R"({"request":{"name":"Request","type":"Request","values":[{"name":"name","type":"string","values":null}]},)"
    R"("response":{"name":"Response","type":"Response","values":[{"name":"msg","type":"string","values":null}]},)"
    R"("metadata":{},"name":"Greeter.Hello"}],)"
    R"("nodes":[{"metadata":{"broker":"http","protocol":"mucp","registry":"etcd","server":"mucp","transport":"http"},)"
    R"("id":"go-greeter-1111","address":"127.0.0.1:8080"}]})";

Service GoGreeter() {
  return {.name = "go-greeter",
          .version = "1.0.0",
          .endpoints = {{"Greeter.Hello",
                         {"Request", "Request", {{"name", "string", {}}}},
                         {"Response", "Response", {{"msg", "string", {}}}},
                         {}}},
          .nodes = {{.id = "go-greeter-1111",
                     .address = "127.0.0.1:8080",
                     .metadata = {{"broker", "http"},
                                  {"protocol", "mucp"},
                                  {"registry", "etcd"},
                                  {"server", "mucp"},
                                  {"transport", "http"}}}}};
}

TEST_F(EtcdRegistry, WritesToTheByteWhatGoMicroWrites) {
  ASSERT_THAT(Register(*registry_, GoGreeter(), absl::Seconds(60)), IsOk());
  const auto entry = raw_.Get(kGoKey);
  ASSERT_TRUE(entry.has_value());
  EXPECT_EQ(entry->value(), kGoValue);
  EXPECT_EQ(raw_.Lease(entry->lease()).granted_ttl(), 60);
  EXPECT_THAT(Deregister(*registry_, GoGreeter()), IsOk());
}

TEST_F(EtcdRegistry, ReadsWhatGoMicroWrites) {
  const auto watcher = Watch(*registry_, "go-greeter");
  raw_.Put(kGoKey, kGoValue);
  EXPECT_THAT(Get(*registry_, "go-greeter"), IsOkAndHolds(ElementsAre(GoGreeter())));
  EXPECT_EQ(Next(*watcher), Said("create", GoGreeter()));
  ASSERT_THAT(Deregister(*registry_, GoGreeter()), IsOk());
  EXPECT_EQ(Next(*watcher), Said("delete", GoGreeter()));
}

TEST_F(EtcdRegistry, ANodeOfEachRegistrationHasItsOwnKeyAndLease) {
  Service pair = Record("pair");
  pair.nodes.push_back({.id = "pair-2", .address = "127.0.0.1:9999"});
  ASSERT_THAT(Register(*registry_, pair, absl::Seconds(60)), IsOk());
  const auto first = raw_.Get("/micro/registry/pair/pair-1");
  const auto second = raw_.Get("/micro/registry/pair/pair-2");
  ASSERT_TRUE(first.has_value() && second.has_value());
  EXPECT_EQ(ParseService(first->value())->nodes.size(), 1u);
  EXPECT_NE(first->lease(), second->lease());
}

TEST_F(EtcdRegistry, ATtlIsWholeSecondsAndNoneIsNoLease) {
  ASSERT_THAT(Register(*registry_, Record("ttl"), absl::Milliseconds(5900)), IsOk());
  const auto leased = raw_.Get("/micro/registry/ttl/ttl-1");
  EXPECT_EQ(raw_.Lease(leased->lease()).granted_ttl(), 5);
  ASSERT_THAT(Register(*registry_, Record("ttl", 2), absl::Milliseconds(1)), IsOk());
  EXPECT_GE(raw_.Lease(raw_.Get("/micro/registry/ttl/ttl-2")->lease()).granted_ttl(), 1);
  ASSERT_THAT(Register(*registry_, Record("ttl", 3)), IsOk());
  EXPECT_EQ(raw_.Get("/micro/registry/ttl/ttl-3")->lease(), 0);
  // Another TTL, another lease; the old one goes.
  ASSERT_THAT(Register(*registry_, Record("ttl"), absl::Seconds(60)), IsOk());
  const auto longer = raw_.Get("/micro/registry/ttl/ttl-1");
  EXPECT_EQ(raw_.Lease(longer->lease()).granted_ttl(), 60);
  EXPECT_EQ(raw_.Lease(leased->lease()).ttl(), -1);
  ASSERT_THAT(Register(*registry_, Record("ttl")), IsOk());
  EXPECT_EQ(raw_.Get("/micro/registry/ttl/ttl-1")->lease(), 0);
  EXPECT_EQ(raw_.Lease(longer->lease()).ttl(), -1);
}

TEST_F(EtcdRegistry, AnUnchangedNodeIsNotWrittenAgain) {
  Service record = Record("unchanged");
  for (const absl::Duration ttl : {absl::ZeroDuration(), absl::Seconds(60)}) {
    ASSERT_THAT(Register(*registry_, record, ttl), IsOk());
    const auto first = raw_.Get("/micro/registry/unchanged/unchanged-1");
    for (int i = 0; i < 3; ++i) ASSERT_THAT(Register(*registry_, record, ttl), IsOk());
    const auto again = raw_.Get("/micro/registry/unchanged/unchanged-1");
    EXPECT_EQ(again->mod_revision(), first->mod_revision());
    EXPECT_EQ(again->lease(), first->lease());
    record.nodes[0].metadata["zone"] += "b";
    ASSERT_THAT(Register(*registry_, record, ttl), IsOk());
    const auto changed = raw_.Get("/micro/registry/unchanged/unchanged-1");
    EXPECT_GT(changed->mod_revision(), first->mod_revision());
    EXPECT_EQ(changed->lease(), first->lease());
  }
}

TEST_F(EtcdRegistry, WhatOthersDidToTheKeyIsPutRightByTheNextRegistration) {
  const Service record = Record("meddled");
  const std::string key = "/micro/registry/meddled/meddled-1";
  ASSERT_THAT(Register(*registry_, record, absl::Seconds(60)), IsOk());
  const auto entry = raw_.Get(key);
  raw_.Put(key, "{}");
  ASSERT_THAT(Register(*registry_, record, absl::Seconds(60)), IsOk());
  EXPECT_EQ(raw_.Get(key)->value(), entry->value());
  EXPECT_EQ(raw_.Get(key)->lease(), entry->lease());
  Etcdctl(Etcd().address(), "del " + key);
  ASSERT_THAT(Register(*registry_, record, absl::Seconds(60)), IsOk());
  EXPECT_EQ(raw_.Get(key)->lease(), entry->lease());
}

TEST_F(EtcdRegistry, AdoptsTheLeaseOfAnUnchangedNodeAndKeepsItAlive) {
  const int64_t lease = raw_.Grant(6);
  const std::string key = "/micro/registry/go-greeter/go-greeter-1111";
  raw_.Put(key, kGoValue, lease);
  const int64_t revision = raw_.Get(key)->mod_revision();
  ASSERT_THAT(Register(*registry_, GoGreeter(), absl::Seconds(6)), IsOk());
  const auto watcher = Watch(*registry_, "go-greeter");
  EXPECT_THAT(Next(*watcher, absl::Seconds(9)), HasSubstr("DEADLINE_EXCEEDED"));
  EXPECT_EQ(raw_.Get(key)->mod_revision(), revision);
  EXPECT_EQ(raw_.Get(key)->lease(), lease);
  // It was found, so that others may hang on it: it is left to lapse.
  ASSERT_THAT(Deregister(*registry_, GoGreeter()), IsOk());
  EXPECT_EQ(raw_.Get(key), std::nullopt);
  EXPECT_GT(raw_.Lease(lease).ttl(), 0);
}

TEST_F(EtcdRegistry, ALeaseOfAnotherRecordOrThatIsMuchTooLongIsNotAdopted) {
  const int64_t lease = raw_.Grant(3600);
  const std::string key = "/micro/registry/foreign/foreign-1";
  Service other = Record("foreign");
  other.nodes[0].address = "127.0.0.1:1";
  raw_.Put(key, ToJson(other), lease);
  ASSERT_THAT(Register(*registry_, Record("foreign"), absl::Seconds(3600)), IsOk());
  EXPECT_EQ(raw_.Get(key)->value(), ToJson(Record("foreign")));
  EXPECT_NE(raw_.Get(key)->lease(), lease);

  raw_.Put("/micro/registry/foreign/foreign-2", ToJson(Record("foreign", 2)), lease);
  ASSERT_THAT(Register(*registry_, Record("foreign", 2), absl::Seconds(60)), IsOk());
  EXPECT_NE(raw_.Get("/micro/registry/foreign/foreign-2")->lease(), lease);
}

TEST_F(EtcdRegistry, DeregisterDeletesTheKeyAndRevokesTheLease) {
  ASSERT_THAT(Register(*registry_, Record("leaver"), absl::Seconds(60)), IsOk());
  const auto entry = raw_.Get("/micro/registry/leaver/leaver-1");
  ASSERT_THAT(Deregister(*registry_, Record("leaver")), IsOk());
  EXPECT_EQ(raw_.Get("/micro/registry/leaver/leaver-1"), std::nullopt);
  EXPECT_EQ(raw_.Lease(entry->lease()).ttl(), -1);
}

TEST_F(EtcdRegistry, ANodeWhoseProcessDiesStaysForItsTtlAndThenLapses) {
  const auto watcher = Watch(*registry_, "mortal");
  {
    const auto dying = OpenEtcd(options_);
    ASSERT_THAT(Register(*dying, Record("mortal"), absl::Seconds(2)), IsOk());
  }
  EXPECT_EQ(Next(*watcher), Said("create", Record("mortal")));
  EXPECT_EQ(Next(*watcher), Said("delete", Record("mortal")));
}

TEST_F(EtcdRegistry, ANodeStaysLongerThanItsTtlWithoutBeingRegisteredAgain) {
  const auto watcher = Watch(*registry_, "patient");
  ASSERT_THAT(Register(*registry_, Record("patient"), absl::Seconds(6)), IsOk());
  const int64_t lease = raw_.Get("/micro/registry/patient/patient-1")->lease();
  EXPECT_EQ(Next(*watcher), Said("create", Record("patient")));
  EXPECT_THAT(Next(*watcher, absl::Seconds(9)), HasSubstr("DEADLINE_EXCEEDED"));
  EXPECT_EQ(raw_.Get("/micro/registry/patient/patient-1")->lease(), lease);
}

TEST_F(EtcdRegistry, ANodeWhoseLeaseIsLostIsRegisteredAnewAtOnce) {
  const auto watcher = Watch(*registry_, "robbed");
  ASSERT_THAT(Register(*registry_, Record("robbed"), absl::Seconds(3)), IsOk());
  raw_.Revoke(raw_.Get("/micro/registry/robbed/robbed-1")->lease());
  EXPECT_EQ(Next(*watcher), Said("create", Record("robbed")));
  EXPECT_EQ(Next(*watcher), Said("delete", Record("robbed")));
  EXPECT_EQ(Next(*watcher), Said("create", Record("robbed")));
}

TEST_F(EtcdRegistry, APrefixKeepsSystemsApart) {
  Options ours = options_;
  ours.prefix = "/team/a";
  const auto registry = OpenEtcd(ours);
  ASSERT_THAT(Register(*registry, Record("apart")), IsOk());
  EXPECT_TRUE(raw_.Get("/team/a/apart/apart-1").has_value());
  EXPECT_THAT(Get(*registry, "apart"), IsOkAndHolds(ElementsAre(Record("apart"))));
  EXPECT_THAT(BlockOn(registry->ListServices(Context())),
              IsOkAndHolds(ElementsAre(Record("apart"))));
  EXPECT_THAT(Get(*registry_, "apart"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(EtcdRegistry, NamesThatShareTheirKeysAreNotTakenForEachOther) {
  const Service slash = Record("a/b"), dash = Record("a-b", 2);
  const auto watcher = Watch(*registry_, "a/b");
  ASSERT_THAT(Register(*registry_, dash), IsOk());
  ASSERT_THAT(Register(*registry_, slash), IsOk());
  EXPECT_TRUE(raw_.Get("/micro/registry/a-b/a-b-1").has_value());
  EXPECT_THAT(Get(*registry_, "a/b"), IsOkAndHolds(ElementsAre(slash)));
  EXPECT_THAT(Get(*registry_, "a-b"), IsOkAndHolds(ElementsAre(dash)));
  EXPECT_EQ(Next(*watcher), Said("create", slash));
}

TEST_F(EtcdRegistry, ListsEachVersionWithItsNodesSorted) {
  Options own = options_;
  own.prefix = "/list";
  const auto registry = OpenEtcd(own);
  EXPECT_THAT(BlockOn(registry->ListServices(Context())), IsOkAndHolds(testing::IsEmpty()));
  Service both = Record("b", 1, "2");
  both.nodes.push_back(Record("b", 2).nodes[0]);
  ASSERT_THAT(Register(*registry, both), IsOk());
  ASSERT_THAT(Register(*registry, Record("b", 3, "1")), IsOk());
  ASSERT_THAT(Register(*registry, Record("a")), IsOk());
  EXPECT_THAT(BlockOn(registry->ListServices(Context())),
              IsOkAndHolds(ElementsAre(Record("a"), Record("b", 3, "1"), both)));
}

TEST_F(EtcdRegistry, AWatcherHearsOfCreationChangeAndEndWithWhatWas) {
  const auto watcher = Watch(*registry_, "watched");
  Service record = Record("watched");
  ASSERT_THAT(Register(*registry_, record), IsOk());
  EXPECT_EQ(Next(*watcher), Said("create", record));
  record.nodes[0].address = "127.0.0.1:9";
  ASSERT_THAT(Register(*registry_, record), IsOk());
  EXPECT_EQ(Next(*watcher), Said("update", record));
  Service newer = record;
  newer.version = "2.0.0";
  ASSERT_THAT(Register(*registry_, newer), IsOk());
  EXPECT_EQ(Next(*watcher), Said("delete", record));
  EXPECT_EQ(Next(*watcher), Said("create", newer));
  ASSERT_THAT(Deregister(*registry_, newer), IsOk());
  EXPECT_EQ(Next(*watcher), Said("delete", newer));
}

TEST_F(EtcdRegistry, AWatcherThatOutlivesItsRegistryEnds) {
  auto registry = OpenEtcd(options_);
  const auto watcher = Watch(*registry, "outlived");
  registry.reset();
  EXPECT_THAT(BlockOn(watcher->Next(Context())), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(EtcdRegistry, HostileValuesAreNamedAndLeaveTheOthersUsable) {
  const std::string good = ToJson(Record("hostile"));
  const auto put = [&](const std::string& node, const std::string& value) {
    raw_.Put("/micro/registry/hostile/" + node, value);
  };
  std::string wide = R"({"name":"hostile","endpoints":[{})";
  for (int i = 0; i < 100'000; ++i) wide += ",{}";
  Service two = Record("hostile", 7);
  two.nodes.push_back({.id = "hostile-8", .address = "127.0.0.1:1"});
  const auto watcher = Watch(*registry_, "hostile");

  testing::internal::CaptureStderr();
  put("empty", "");
  put("truncated", good.substr(0, good.size() / 2));
  put("types", R"({"name":7,"version":[],"nodes":"x"})");
  put("wide", wide + "]}");
  put("deep", R"({"name":"hostile","nodes":)" + std::string(100'000, '[') + "}");
  put("huge", R"({"name":"hostile","version":")" + std::string(10 << 20, 'x') + "\"}");
  put("another", good);           // of the node hostile-1
  put("hostile-7", ToJson(two));  // with one node too many
  put("hostile-9", ToJson(Record("friendly", 9)));
  raw_.Put("/micro/registry/hostile/hostile-2/deeper", good);
  raw_.Put("/micro/registry/hostile", good);
  put("hostile-1", good);
  EXPECT_EQ(Next(*watcher), Said("create", Record("hostile")));
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(Get(*registry_, "hostile"), IsOkAndHolds(ElementsAre(Record("hostile"))));
    EXPECT_THAT(BlockOn(registry_->ListServices(Context())),
                IsOkAndHolds(testing::Contains(Record("hostile"))));
  }
  const std::string log = testing::internal::GetCapturedStderr();
  for (const std::string node : {"empty", "truncated", "types", "wide", "deep", "huge", "another",
                                 "hostile-7", "hostile-9"}) {
    const std::string line = "cannot be used service=hostile node=" + node + " ";
    EXPECT_THAT(log, HasSubstr(line));
    EXPECT_EQ(log.find(line, log.find(line) + 1), log.npos) << node << " is complained of twice";
  }
  EXPECT_LT(log.size(), 20'000u);

  // A node that turns bad has gone, and comes back when it is good.
  put("hostile-1", "{");
  EXPECT_EQ(Next(*watcher), Said("delete", Record("hostile")));
  put("hostile-1", good);
  EXPECT_EQ(Next(*watcher), Said("create", Record("hostile")));
  Etcdctl(Etcd().address(), "del --prefix /micro/registry/hostile");
}

TEST_F(EtcdRegistry, AnAnswerOfMoreThan64MiBIsRefused) {
  for (int i = 0; i < 7; ++i) raw_.Put(fmt::format("/flood/a/{}", i), std::string(10 << 20, 'x'));
  Options flooded = options_;
  flooded.prefix = "/flood";
  const auto registry = OpenEtcd(flooded);
  ASSERT_THAT(Register(*registry, Record("dry")), IsOk());
  EXPECT_THAT(BlockOn(registry->ListServices(Context())),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr(Etcd().address())));
  EXPECT_THAT(Get(*registry, "dry"), IsOkAndHolds(ElementsAre(Record("dry"))));
}

TEST_F(EtcdRegistry, ARecordThatNobodyCouldReadIsRefused) {
  Service large = Record("large"), wide = large, garbled = large;
  large.metadata["x"] = std::string(1 << 20, 'x');
  for (int i = 0; i < 2000; ++i) wide.nodes[0].metadata[std::to_string(i)] = "x";
  garbled.nodes[0].id = "large-\xff";
  for (const Service& record : {large, wide, garbled}) {
    EXPECT_THAT(Register(*registry_, record), StatusIs(absl::StatusCode::kInvalidArgument));
  }
  EXPECT_THAT(Get(*registry_, "large"), StatusIs(absl::StatusCode::kNotFound));
}

TEST(EtcdRegistryOptions, ThatMakeNoSenseAreRefusedByTheirFlags) {
  const auto refusal = [](const Options& options) {
    return PluginTable<Registry>::Create("etcd", options).status();
  };
  for (const std::string address :
       {"", ":2379", "host:", "host:0", "host:65536", "host:x", "::1", "[::1", "[]:1", "[::1]x",
        "ftp://host", "http://host:1/path", "user@host:1", "a b", "http://"}) {
    EXPECT_THAT(refusal({.addresses = {"127.0.0.1:1", address}}),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr("\"" + address + "\""), HasSubstr("--registry_address"))))
        << address;
  }
  EXPECT_THAT(refusal({.addresses = {"http://host:1"}, .tls = true}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--registry_tls")));
  EXPECT_THAT(refusal({.username = "ann"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--registry_password")));
  EXPECT_THAT(refusal({.tls_ca = "/nosuch"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--registry_tls_ca")));
  EXPECT_THAT(refusal({.tls_cert = "/nosuch"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--registry_tls_key")));
  EXPECT_THAT(refusal({.token = "x"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--registry_token")));
  EXPECT_THAT(refusal({.datacenter = "x"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--registry_datacenter")));
  for (const std::string address :
       {"host", "host:1", "[::1]", "[::1]:1", "http://host", "https://host:1/", "http://[::1]:1"}) {
    EXPECT_THAT(refusal({.addresses = {address}}), IsOk()) << address;
  }
}

}  // namespace
}  // namespace micro::registry
