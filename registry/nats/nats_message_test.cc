#include "registry/nats/nats_message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/testing/status_matchers.h"
#include "registry/service_json.h"

namespace micro::registry {
namespace {

using testing::HasSubstr;

Service Greeter() {
  return {.name = "greeter",
          .version = "1.0.0",
          .metadata = {{"team", "a"}},
          .endpoints = {{"Greeter.Hello", {"Req", "Req", {{"name", "string", {}}}}, {}, {}}},
          .nodes = {{"greeter-1", "10.0.0.1:8080", {{"protocol", "grpc"}}}}};
}

auto Refused(const std::string& why) {
  return StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(why));
}

TEST(NatsMessage, AsksAsGoMicroDoes) {
  EXPECT_EQ(NatsQueryJson("greeter"),
            R"({"Service":{"name":"greeter","version":"","metadata":null,"endpoints":null,)"
            R"("nodes":null},"Action":"get"})");
  EXPECT_EQ(NatsQueryJson(""), R"({"Service":null,"Action":"list"})");
}

TEST(NatsMessage, UnderstandsGoMicrosQuestions) {
  EXPECT_THAT(ParseNatsQuery(NatsQueryJson("greeter")), IsOkAndHolds("greeter"));
  EXPECT_THAT(ParseNatsQuery(NatsQueryJson("")), IsOkAndHolds(""));
  EXPECT_THAT(ParseNatsQuery(R"({"Action":"list"})"), IsOkAndHolds(""));
}

TEST(NatsMessage, RefusesQuestionsThatAreNone) {
  EXPECT_THAT(ParseNatsQuery(""), Refused("no JSON object"));
  EXPECT_THAT(ParseNatsQuery(ToJson(Greeter())), Refused("a query to \"\""));
  EXPECT_THAT(ParseNatsQuery(R"({"Action":"drop"})"), Refused("a query to \"drop\""));
  EXPECT_THAT(ParseNatsQuery(R"({"Action":7})"), Refused("a query to \"\""));
  EXPECT_THAT(ParseNatsQuery(R"({"Action":"get"})"), Refused("without a name"));
  EXPECT_THAT(ParseNatsQuery(R"({"Action":"get","Service":["greeter"]})"),
              Refused("without a name"));
  EXPECT_THAT(ParseNatsQuery(R"({"Action":"get","Service":{"name":{}}})"),
              Refused("without a name"));
}

TEST(NatsMessage, TellsEventsAsGoMicroDoes) {
  EXPECT_EQ(NatsEventJson({Action::kCreate, Greeter()}),
            R"({"Service":{"name":"greeter","version":"1.0.0","metadata":{"team":"a"},)"
            R"("endpoints":[{"request":{"name":"Req","type":"Req",)"
            R"("values":[{"name":"name","type":"string","values":null}]},)"
            R"("response":{"name":"","type":"","values":null},"metadata":{},)"
            R"("name":"Greeter.Hello"}],"nodes":[{"metadata":{"protocol":"grpc"},)"
            R"("id":"greeter-1","address":"10.0.0.1:8080"}]},"Action":"create"})");
}

TEST(NatsMessage, ReadsBackWhatItWrites) {
  for (const Action action : {Action::kCreate, Action::kUpdate, Action::kDelete}) {
    const auto event = ParseNatsEvent(NatsEventJson({action, Greeter()}));
    ASSERT_THAT(event, IsOk());
    EXPECT_EQ(event->action, action);
    EXPECT_EQ(event->service, Greeter());
  }
}

TEST(NatsMessage, TakesGoMicrosNullsAndItsPut) {
  const auto event = ParseNatsEvent(
      R"({"Service":{"name":"greeter","version":"","metadata":null,"endpoints":null,"nodes":null},)"
      R"("Action":"put"})");
  ASSERT_THAT(event, IsOk());
  EXPECT_EQ(event->action, Action::kCreate);
  EXPECT_EQ(event->service, Service{.name = "greeter"});
}

TEST(NatsMessage, RefusesEventsThatAreNone) {
  EXPECT_THAT(ParseNatsEvent("null"), Refused("no JSON object"));
  EXPECT_THAT(ParseNatsEvent(ToJson(Greeter())), Refused("action \"\""));
  EXPECT_THAT(ParseNatsEvent(R"({"Action":"create"})"), Refused("no service"));
  EXPECT_THAT(ParseNatsEvent(R"({"Action":"create","Service":null})"), Refused("name"));
  EXPECT_THAT(ParseNatsEvent(R"({"Action":"create","Service":[]})"), Refused("name"));
  EXPECT_THAT(ParseNatsEvent(R"({"Action":"create","Service":{"name":5}})"), Refused("name"));
  EXPECT_THAT(ParseNatsEvent(R"({"Action":"override","Service":{"name":"greeter"}})"),
              Refused("action \"override\""));
}

TEST(NatsMessage, RefusesWhatIsCutOffAtAnyPlace) {
  const std::string whole = NatsEventJson({Action::kCreate, Greeter()});
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THAT(ParseNatsEvent(whole.substr(0, size)), Refused("")) << size;
  }
}

TEST(NatsMessage, RefusesWhatIsTooLarge) {
  Service large = Greeter();
  large.metadata["x"] = std::string(1 << 20, 'x');
  EXPECT_THAT(ParseNatsEvent(NatsEventJson({Action::kCreate, large})), Refused("more than 1 MiB"));
  EXPECT_THAT(ParseNatsQuery(NatsQueryJson(std::string(1 << 20, 'x'))), Refused("more than 1 MiB"));
}

}  // namespace
}  // namespace micro::registry
