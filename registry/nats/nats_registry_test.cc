// What the NATS registry says to go-micro's services, hears from them, and bears from strangers; what
// every registry does is in nats_conformance_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "core/nats/testing/raw_nats.h"
#include "core/testing/eventually.h"
#include "registry/service_json.h"
#include "registry/testing/blocking.h"
#include "tests/services/service_process.h"

namespace micro::registry {
namespace {

using nats::RawNats;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class NatsRegistryTest : public testing::Test {
 protected:
  NatsRegistryTest() : server_(services::StartNats().value()) {}

  std::unique_ptr<Registry> OpenNats(Options options = {}) const {
    options.addresses = {server_->address()};
    return Open("nats", options);
  }

  // What a lookup finds when each of `answers` comes as an answer to it.
  absl::StatusOr<std::vector<Service>> GetWithAnswers(const std::vector<std::string>& answers,
                                                      const std::string& name = "greeter") {
    const auto registry = OpenNats({.timeout = absl::Seconds(2)});
    RawNats raw(server_->port());
    raw.Subscribe("micro.nats.query");
    std::thread answerer([&] {
      const auto query = raw.Next();
      for (const std::string& answer : answers) raw.Publish(query->reply, answer);
      raw.RoundTrip();
    });
    auto found = Get(*registry, name);
    answerer.join();
    return found;
  }

  const std::unique_ptr<services::ServiceProcess> server_;
};

// As go-micro v5 writes it.
constexpr char kGoRecord[] =
    R"({"name":"greeter","version":"2.0.0","metadata":null,"endpoints":[{"request":{"name":"Req",)"
    R"("type":"Req","values":[{"name":"name","type":"string","values":null}]},"response":null,)"
    R"("metadata":{},"name":"Greeter.Hello"}],"nodes":[{"metadata":{"protocol":"grpc"},)"
    R"("id":"greeter-go","address":"10.0.0.9:9090"}]})";

Service GoRecord() {
  return {.name = "greeter",
          .version = "2.0.0",
          .endpoints = {{"Greeter.Hello", {"Req", "Req", {{"name", "string", {}}}}, {}, {}}},
          .nodes = {{"greeter-go", "10.0.0.9:9090", {{"protocol", "grpc"}}}}};
}

TEST_F(NatsRegistryTest, AnswersGoMicrosQuestions) {
  const auto registry = OpenNats();
  Service other_version = Record("greeter");
  other_version.version = "2.0.0";
  for (const Service& service : {Record("greeter"), other_version, Record("other")}) {
    ASSERT_THAT(Register(*registry, service), IsOk());
  }
  RawNats raw(server_->port());
  raw.Subscribe("_INBOX.go.>");
  raw.Publish("micro.nats.query",
              R"({"Service":{"name":"greeter","version":"","metadata":null,"endpoints":null,)"
              R"("nodes":null},"Action":"get"})",
              "_INBOX.go.1");
  EXPECT_EQ(raw.Next()->payload, ToJson(Record("greeter")));
  EXPECT_EQ(raw.Next()->payload, ToJson(other_version));
  raw.Publish("micro.nats.query", R"({"Service":null,"Action":"list"})", "_INBOX.go.2");
  for (const Service& service : {Record("greeter"), other_version, Record("other")}) {
    const auto answer = raw.Next();
    EXPECT_EQ(answer->subject, "_INBOX.go.2");
    EXPECT_EQ(answer->payload, ToJson(service));
  }
}

TEST_F(NatsRegistryTest, TellsEveryRegistrationAndItsEnd) {
  RawNats raw(server_->port());
  raw.Subscribe("micro.nats.watch");
  auto registry = OpenNats();
  const std::string record = ToJson(Record("greeter"));
  const auto says = [&](const std::string& action) {
    const auto message = raw.Next();
    ASSERT_TRUE(message);
    EXPECT_EQ(message->payload, R"({"Service":)" + record + R"(,"Action":")" + action + R"("})");
  };
  for (int i = 0; i < 3; ++i) {
    ASSERT_THAT(Register(*registry, Record("greeter")), IsOk());
    says("create");
  }
  ASSERT_THAT(Deregister(*registry, Record("greeter")), IsOk());
  says("delete");
  ASSERT_THAT(Register(*registry, Record("greeter")), IsOk());
  says("create");
  registry.reset();
  says("delete");
}

TEST_F(NatsRegistryTest, AsksAsGoMicroDoesAndFindsItsRecords) {
  RawNats raw(server_->port());
  raw.Subscribe("micro.nats.query");
  const auto registry = OpenNats({.timeout = absl::Seconds(1)});
  std::thread answerer([&] {
    for (const char* question :
         {R"({"Service":{"name":"greeter","version":"","metadata":null,"endpoints":null,)"
          R"("nodes":null},"Action":"get"})",
          R"({"Service":null,"Action":"list"})"}) {
      const auto query = raw.Next();
      ASSERT_TRUE(query);
      EXPECT_EQ(query->payload, question);
      raw.Publish(query->reply, kGoRecord);
      raw.RoundTrip();
    }
  });
  EXPECT_THAT(Get(*registry, "greeter"), IsOkAndHolds(ElementsAre(GoRecord())));
  EXPECT_THAT(BlockOn(registry->ListServices(Context())), IsOkAndHolds(ElementsAre(GoRecord())));
  answerer.join();
}

TEST_F(NatsRegistryTest, MergesTheNodesOfAVersionFromAllWhoAnswer) {
  Service other = GoRecord(), old = Record("greeter");
  other.nodes[0].id = "greeter-a";
  Service merged = other;
  merged.nodes.push_back(GoRecord().nodes[0]);
  EXPECT_THAT(GetWithAnswers({kGoRecord, ToJson(old), ToJson(other), kGoRecord}),
              IsOkAndHolds(ElementsAre(old, merged)));
}

TEST_F(NatsRegistryTest, WatchesWhatGoMicroTells) {
  const auto registry = OpenNats();
  const auto all = Watch(*registry), one = Watch(*registry, "greeter");
  RawNats raw(server_->port());
  const std::string other = ToJson(Record("other"));
  for (const std::string action : {"create", "update", "put", "delete"}) {
    raw.Publish("micro.nats.watch", R"({"Service":)" + other + R"(,"Action":")" + action + R"("})");
    raw.Publish("micro.nats.watch",
                R"({"Service":)" + std::string(kGoRecord) + R"(,"Action":")" + action + R"("})");
  }
  for (const Action action : {Action::kCreate, Action::kUpdate, Action::kCreate, Action::kDelete}) {
    EXPECT_EQ(Next(*all)->service, Record("other"));
    for (Watcher* watcher : {all.get(), one.get()}) {
      const auto event = Next(*watcher);
      ASSERT_THAT(event, Does(action));
      EXPECT_EQ(event->service, GoRecord());
    }
  }
}

TEST_F(NatsRegistryTest, ServicesUnderAnotherPrefixAreNotSeen) {
  const auto plain = OpenNats(), prefixed = OpenNats({.prefix = "staging.micro"});
  RawNats raw(server_->port());
  raw.Subscribe("staging.micro.>");
  ASSERT_THAT(Register(*plain, Record("greeter")), IsOk());
  ASSERT_THAT(Register(*prefixed, Record("other")), IsOk());
  EXPECT_EQ(raw.Next()->subject, "staging.micro.watch");
  EXPECT_THAT(Get(*prefixed, "greeter"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(Get(*plain, "other"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(GetUntil(*OpenNats({.prefix = "staging.micro"}), "other", true), IsOk());
}

TEST_F(NatsRegistryTest, RefusesOptionsThatItCannotUse) {
  const auto refuses = [](const Options& options, const std::string& flag) {
    EXPECT_THAT(PluginTable<Registry>::Create("nats", options),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(flag)));
  };
  for (const char* prefix : {".a", "a.", "a..b", "a b", "a.*", ">", "a\n"}) {
    refuses({.prefix = prefix}, "--registry_prefix");
  }
  refuses({.datacenter = "dc1"}, "--registry_datacenter");
  refuses({.addresses = {"nats://a:b:c"}}, "--registry_address");
}

TEST_F(NatsRegistryTest, RefusesARecordThatPeersWouldNotRead) {
  const auto registry = OpenNats();
  Service large = Record("greeter");
  large.nodes[0].metadata["x"] = std::string(1 << 20, 'x');
  EXPECT_THAT(Register(*registry, large),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("\"greeter\""), HasSubstr("1 MiB"))));
  EXPECT_THAT(Get(*registry, "greeter"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(NatsRegistryTest, ForgetsARecordThatTheServerDoesNotTake) {
  const std::string configuration = server_->folder() + "/small.conf";
  std::ofstream(configuration) << "max_payload: 2000\n";
  const auto small = services::StartNats({.arguments = {"-c", configuration}}).value();
  const auto registry = Open("nats", {.addresses = {small->address()}});
  Service large = Record("greeter");
  large.metadata["x"] = std::string(3000, 'x');
  EXPECT_THAT(Register(*registry, large),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("2000 at most")));
  ASSERT_THAT(Register(*registry, Record("greeter")), IsOk());
  EXPECT_THAT(Get(*registry, "greeter"), IsOkAndHolds(ElementsAre(Record("greeter"))));
}

// ---- Strangers ----

// Answers and events that no registry writes.
std::vector<std::string> Nonsense() {
  return {"",
          "null",
          "7",
          "[]",
          "\xff\xfe",
          "{\"name\":7}",
          "{\"name\":\"\"}",
          R"({"Service":null,"Action":"create"})",
          R"({"Service":[],"Action":"create"})",
          R"({"Service":{"name":{"name":"greeter"}},"Action":"create"})",
          R"({"Service":{"name":"greeter","nodes":"none"},"Action":"create"})",
          R"({"name":"greeter","nodes":[{"id":"","address":"10.0.0.1:1"},{"id":"x"}]})",
          R"({"name":"greeter","x":)" + std::string(1000, '['),
          std::string(1 << 20, '{'),
          std::string(kGoRecord).substr(0, 100)};
}

TEST_F(NatsRegistryTest, FindsTheGoodAmongBadAnswers) {
  std::vector<std::string> answers = Nonsense();
  answers.push_back(ToJson(Record("another")));
  answers.push_back(kGoRecord);
  EXPECT_THAT(GetWithAnswers(answers), IsOkAndHolds(ElementsAre(GoRecord())));
}

TEST_F(NatsRegistryTest, LeavesOutTheBadNodeOfAServiceAndNamesIt) {
  Service record = GoRecord();
  record.nodes.push_back({"greeter-bad", "nowhere", {}});
  testing::internal::CaptureStderr();
  const auto found = GetWithAnswers({ToJson(record)});
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_THAT(found, IsOkAndHolds(ElementsAre(GoRecord())));
  EXPECT_THAT(log, AllOf(HasSubstr("ERROR"), HasSubstr("service=greeter"),
                         HasSubstr("node=greeter-bad"), HasSubstr("nowhere")));
}

TEST_F(NatsRegistryTest, BearsThousandsOfAnswers) {
  std::vector<std::string> answers;
  for (int i = 0; i < 12000; ++i) {
    Service record = GoRecord();
    record.nodes[0].id += std::to_string(i);
    answers.push_back(ToJson(record));
  }
  const auto found = GetWithAnswers(answers);
  ASSERT_THAT(found, IsOk());
  ASSERT_EQ(found->size(), 1u);
  EXPECT_LE(found->front().nodes.size(), 10000u);
  EXPECT_THAT(GetWithAnswers({kGoRecord}), IsOkAndHolds(ElementsAre(GoRecord())));
}

TEST_F(NatsRegistryTest, AWatcherSeesTheGoodAmongBadEvents) {
  const auto registry = OpenNats();
  const auto watcher = Watch(*registry);
  RawNats raw(server_->port());
  for (const std::string& nonsense : Nonsense()) raw.Publish("micro.nats.watch", nonsense);
  raw.Publish("micro.nats.watch",
              R"({"Service":)" + std::string(kGoRecord) + R"(,"Action":"create"})");
  const auto event = Next(*watcher);
  ASSERT_THAT(event, IsOk());
  EXPECT_EQ(event->service, GoRecord());
}

TEST_F(NatsRegistryTest, AnswersNoNonsenseAndToNoWrongSubject) {
  const auto registry = OpenNats();
  ASSERT_THAT(Register(*registry, Record("greeter")), IsOk());
  const auto watcher = Watch(*registry);
  RawNats raw(server_->port());
  raw.Subscribe("_INBOX.go");
  for (const std::string& nonsense : Nonsense()) {
    raw.Publish("micro.nats.query", nonsense, "_INBOX.go");
  }
  const std::string list = R"({"Service":null,"Action":"list"})";
  raw.Publish("micro.nats.query", list);
  // Answers that come back as questions and events end there.
  raw.Publish("micro.nats.query", list, "micro.nats.query");
  raw.Publish("micro.nats.query", list, "micro.nats.watch");
  raw.Publish("micro.nats.query", list, "_INBOX.go");
  EXPECT_EQ(raw.Next()->payload, ToJson(Record("greeter")));
  ASSERT_THAT(Deregister(*registry, Record("greeter")), IsOk());
  EXPECT_THAT(Next(*watcher), Does(Action::kDelete));
}

TEST_F(NatsRegistryTest, ItsEndIsTheEndOfWhatWaits) {
  RawNats raw(server_->port());
  raw.Subscribe("micro.nats.query");
  auto registry = OpenNats({.timeout = absl::Hours(1)});
  const auto watcher = Watch(*registry);
  std::thread waiter([lookup = registry->GetService(Context(), "greeter")]() mutable {
    EXPECT_THAT(BlockOn(std::move(lookup)), StatusIs(absl::StatusCode::kUnavailable));
  });
  EXPECT_TRUE(raw.Next());  // the lookup has begun
  EXPECT_THAT(
      BlockOn(registry->GetService(WithTimeout(Context(), absl::Milliseconds(100)), "greeter")),
      StatusIs(absl::StatusCode::kDeadlineExceeded));
  registry.reset();
  waiter.join();
  EXPECT_THAT(Next(*watcher), StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace micro::registry
