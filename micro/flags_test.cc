#include "micro/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "core/testing/status_matchers.h"
#include "micro/service.h"

namespace micro {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::Test;

// A variable of the environment for a test's scope.
class ScopedVariable {
 public:
  ScopedVariable(std::string name, const std::string& value) : name_(std::move(name)) {
    setenv(name_.c_str(), value.c_str(), 1);
  }
  ~ScopedVariable() { unsetenv(name_.c_str()); }

 private:
  const std::string name_;
};

class Flags : public Test {
 protected:
  absl::StatusOr<ParsedFlags> Parse(std::vector<std::string> arguments) {
    return ParseFlags("greeter", std::move(arguments), options_);
  }

  ServiceOptions options_ = {.name = "greeter", .registry = "memory"};
};

auto Refused(const std::string& message) {
  return StatusIs(absl::StatusCode::kInvalidArgument, message);
}

// ---- Precedence ----

TEST_F(Flags, LeaveWhatTheCodeSaysWhereNothingIsSaid) {
  options_.version = "2.0";
  options_.client.retries = 7;
  ASSERT_THAT(Parse({}), IsOk());
  EXPECT_EQ(options_.name, "greeter");
  EXPECT_EQ(options_.version, "2.0");
  EXPECT_EQ(options_.client.retries, 7);
  EXPECT_EQ(options_.selector, "random");
}

TEST_F(Flags, ServeDebugEndpointsOnlyWhenAskedTo) {
  ASSERT_THAT(Parse({}), IsOk());
  EXPECT_FALSE(options_.debug);
  ASSERT_THAT(Parse({"--server_debug"}), IsOk());
  EXPECT_TRUE(options_.debug);
}

TEST_F(Flags, TheEnvironmentCountsBeforeTheCode) {
  const ScopedVariable name("MICRO_SERVER_NAME", "from-environment");
  ASSERT_THAT(Parse({}), IsOk());
  EXPECT_EQ(options_.name, "from-environment");
}

TEST_F(Flags, AFlagCountsBeforeTheEnvironment) {
  const ScopedVariable name("MICRO_SERVER_NAME", "from-environment");
  ASSERT_THAT(Parse({"--server_name=from-flag"}), IsOk());
  EXPECT_EQ(options_.name, "from-flag");
}

TEST_F(Flags, AnEmptyVariableSaysNothing) {
  const ScopedVariable name("MICRO_SERVER_NAME", "");
  ASSERT_THAT(Parse({}), IsOk());
  EXPECT_EQ(options_.name, "greeter");
}

TEST_F(Flags, AWrongVariableBehindAFlagIsNotRead) {
  const ScopedVariable registry("MICRO_CLIENT_RETRIES", "many");
  ASSERT_THAT(Parse({"--client_retries=2"}), IsOk());
  EXPECT_EQ(options_.client.retries, 2);
}

// ---- Forms ----

TEST_F(Flags, TakeTheirValueAfterAnEqualsSignOrASpace) {
  ASSERT_THAT(Parse({"--server_name=a", "--server_version", "3.1", "--server_id", "x=y"}), IsOk());
  EXPECT_EQ(options_.name, "a");
  EXPECT_EQ(options_.version, "3.1");
  EXPECT_EQ(options_.server.id, "x=y");
}

TEST_F(Flags, TheLastOfARepeatedFlagCounts) {
  ASSERT_THAT(Parse({"--server_name=a", "--server_name=b"}), IsOk());
  EXPECT_EQ(options_.name, "b");
}

TEST_F(Flags, AnEmptyValueEmptiesTheSetting) {
  options_.server.advertise = "example:80";
  const auto parsed = Parse({"--server_advertise=", "word"});
  ASSERT_THAT(parsed, IsOk());
  EXPECT_EQ(options_.server.advertise, "");
  EXPECT_THAT(parsed->rest, ElementsAre("word"));
}

TEST_F(Flags, NeedAValue) {
  EXPECT_THAT(Parse({"--server_name"}).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("--server_name"), HasSubstr("--help"))));
}

TEST_F(Flags, ABoolIsSetByItsNameAloneOrByAWord) {
  for (const std::string argument : {"--client_tls", "--client_tls=true", "--client_tls=1",
                                     "--client_tls=YES", "--client_tls=on"}) {
    options_.client.tls = false;
    ASSERT_THAT(Parse({argument}), IsOk()) << argument;
    EXPECT_TRUE(options_.client.tls) << argument;
  }
  for (const std::string argument :
       {"--client_tls=false", "--client_tls=0", "--client_tls=no", "--client_tls=Off"}) {
    options_.client.tls = true;
    ASSERT_THAT(Parse({argument}), IsOk()) << argument;
    EXPECT_FALSE(options_.client.tls) << argument;
  }
  EXPECT_THAT(Parse({"--client_tls=maybe"}).status(),
              Refused("flag --client_tls: \"maybe\" is not true or false"));
}

TEST_F(Flags, ABoolTakesNoFlagForItsValue) {
  ASSERT_THAT(Parse({"--client_tls", "--server_name=a"}), IsOk());
  EXPECT_TRUE(options_.client.tls);
  EXPECT_EQ(options_.name, "a");
}

TEST_F(Flags, ABoolTakesNoWordForItsValue) {
  bool loud = false;
  options_.flags = {{"loud", &loud, ""}};
  const auto parsed = Parse({"--client_tls", "get", "--loud", "false"});
  ASSERT_THAT(parsed, IsOk());
  EXPECT_TRUE(options_.client.tls);
  EXPECT_TRUE(loud);
  EXPECT_THAT(parsed->rest, ElementsAre("get", "false"));
}

TEST_F(Flags, ABoolIsNotSetByNothing) {
  EXPECT_THAT(Parse({"--client_tls="}).status(),
              Refused("flag --client_tls: \"\" is not true or false"));
}

TEST_F(Flags, MayHaveOneDash) {
  const auto parsed =
      Parse({"-server_name=a", "-server_version", "3.1", "-client_tls", "-server_id=", "get"});
  ASSERT_THAT(parsed, IsOk());
  EXPECT_EQ(options_.name, "a");
  EXPECT_EQ(options_.version, "3.1");
  EXPECT_TRUE(options_.client.tls);
  EXPECT_THAT(parsed->rest, ElementsAre("get"));
}

TEST_F(Flags, ABoolIsReadFromTheEnvironment) {
  const ScopedVariable tls("MICRO_CLIENT_TLS", "true");
  ASSERT_THAT(Parse({}), IsOk());
  EXPECT_TRUE(options_.client.tls);
}

TEST_F(Flags, LeaveOtherWordsInTheirOrder) {
  const auto parsed = Parse({"get", "--server_name=a", "users", "-"});
  ASSERT_THAT(parsed, IsOk());
  EXPECT_THAT(parsed->rest, ElementsAre("get", "users", "-"));
}

TEST_F(Flags, EndAtTwoDashes) {
  const auto parsed = Parse({"--server_name=a", "--", "--server_name=b", "-x"});
  ASSERT_THAT(parsed, IsOk());
  EXPECT_EQ(options_.name, "a");
  EXPECT_THAT(parsed->rest, ElementsAre("--server_name=b", "-x"));
}

// ---- Refusals ----

TEST_F(Flags, RefuseAFlagThatNobodyKnows) {
  EXPECT_THAT(Parse({"--zonk=1"}).status(),
              Refused("unknown flag --zonk=1 (--help lists all flags)"));
  EXPECT_THAT(Parse({"-z"}).status(), Refused("unknown flag -z (--help lists all flags)"));
  EXPECT_THAT(Parse({"-zonk"}).status(), Refused("unknown flag -zonk (--help lists all flags)"));
  EXPECT_THAT(Parse({"---server_name=a"}).status(),
              Refused("unknown flag ---server_name=a (--help lists all flags)"));
}

TEST_F(Flags, NameThePluginsThatAreLinkedInPlaceOfAnUnknownOne) {
  EXPECT_THAT(Parse({"--registry=zonk"}).status(),
              Refused("registry \"zonk\" is not linked; linked: memory (flag --registry)"));
  EXPECT_THAT(Parse({"--selector=zonk"}).status(),
              Refused("selector \"zonk\" is not linked; linked: hash, least, p2c, random, "
                      "roundrobin, static, weighted (flag --selector)"));
  EXPECT_THAT(Parse({"--broker=zonk"}).status(),
              Refused("broker \"zonk\" is not linked; linked: memory (flag --broker)"));
  EXPECT_THAT(Parse({"--server=zonk"}).status(),
              Refused("server \"zonk\" is not linked; linked: grpc (flag --server)"));
  EXPECT_THAT(Parse({"--client=zonk"}).status(),
              Refused("client \"zonk\" is not linked; linked: grpc (flag --client)"));
}

TEST_F(Flags, NameTheVariableThatAsksForAnUnknownPlugin) {
  const ScopedVariable registry("MICRO_REGISTRY", "zonk");
  EXPECT_THAT(Parse({}).status(),
              Refused("registry \"zonk\" is not linked; linked: memory (MICRO_REGISTRY)"));
}

TEST_F(Flags, NameTheFlagOfAnUnknownPluginThatTheCodeAsksFor) {
  auto service = NewService({.name = "greeter", .registry = "zonk"});
  EXPECT_THAT(service->Init(std::vector<std::string>()),
              Refused("registry \"zonk\" is not linked; linked: memory (flag --registry)"));
}

TEST_F(Flags, RefuseValuesOfAnotherType) {
  const struct {
    const char *flag, *variable, *value, *wanted;
  } cases[] = {
      {"client_retries", "MICRO_CLIENT_RETRIES", "many", "a number"},
      {"client_retries", "MICRO_CLIENT_RETRIES", "-1", "a number of at least 0"},
      {"client_retries", "MICRO_CLIENT_RETRIES", "99999999999", "a number"},
      {"client_retry_budget", "MICRO_CLIENT_RETRY_BUDGET", "20%", "a number from 0 to 1"},
      {"client_retry_budget", "MICRO_CLIENT_RETRY_BUDGET", "1.1", "a number from 0 to 1"},
      {"client_retry_budget", "MICRO_CLIENT_RETRY_BUDGET", "-0.1", "a number from 0 to 1"},
      {"client_retry_budget", "MICRO_CLIENT_RETRY_BUDGET", "nan", "a number from 0 to 1"},
      {"client_hedge_after", "MICRO_CLIENT_HEDGE_AFTER", "20",
       "a duration such as 300ms, 5s or 1m30s"},
      {"client_max_hedges", "MICRO_CLIENT_MAX_HEDGES", "-1", "a number of at least 0"},
      {"client_pool_size", "MICRO_CLIENT_POOL_SIZE", "0", "a number of at least 1"},
      {"server_max_message_size", "MICRO_SERVER_MAX_MESSAGE_SIZE", "4MB", "a number"},
      {"client_request_timeout", "MICRO_CLIENT_REQUEST_TIMEOUT", "5",
       "a duration such as 300ms, 5s or 1m30s"},
      {"client_pool_ttl", "MICRO_CLIENT_POOL_TTL", "-5s", "a duration such as 300ms, 5s or 1m30s"},
      {"server_grace", "MICRO_SERVER_GRACE", "soon", "a duration such as 300ms, 5s or 1m30s"},
      {"register_ttl", "MICRO_REGISTER_TTL", "soon",
       "a number of seconds, or a duration such as 90s"},
      {"register_interval", "MICRO_REGISTER_INTERVAL", "-1",
       "a number of seconds, or a duration such as 90s"},
      {"client_tls", "MICRO_CLIENT_TLS", "maybe", "true or false"},
      {"server_metadata", "MICRO_SERVER_METADATA", "zone", "a comma list of key=value"},
      {"server_metadata", "MICRO_SERVER_METADATA", "=a", "a comma list of key=value"},
  };
  for (const auto& c : cases) {
    const std::string why = std::string(": \"") + c.value + "\" is not " + c.wanted;
    EXPECT_THAT(Parse({std::string("--") + c.flag + "=" + c.value}).status(),
                Refused(std::string("flag --") + c.flag + why));
    const ScopedVariable variable(c.variable, c.value);
    EXPECT_THAT(Parse({}).status(), Refused(c.variable + why));
  }
}

TEST_F(Flags, RefuseLevelsAndFormatsThatTheLogDoesNotHave) {
  EXPECT_THAT(Parse({"--log_level=loud"}).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("\"loud\""), HasSubstr("--log_level"))));
  EXPECT_THAT(Parse({"--log_format=xml"}).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("\"xml\""), HasSubstr("--log_format"))));
}

// ---- Values ----

TEST_F(Flags, RegisterTtlAndIntervalAreSecondsOrDurations) {
  ASSERT_THAT(Parse({"--register_ttl=90", "--register_interval=1m30s"}), IsOk());
  EXPECT_EQ(options_.server.register_ttl, absl::Seconds(90));
  EXPECT_EQ(options_.server.register_interval, absl::Seconds(90));
}

TEST_F(Flags, ServerMetadataReplacesTheCodes) {
  options_.server.metadata = {{"zone", "a"}};
  ASSERT_THAT(Parse({"--server_metadata=rack=7, color=a=b ,empty="}), IsOk());
  EXPECT_THAT(options_.server.metadata,
              ElementsAre(Pair("color", "a=b"), Pair("empty", ""), Pair("rack", "7")));
}

TEST_F(Flags, ListsAreSeparatedByCommas) {
  ASSERT_THAT(Parse({"--registry_address=10.0.0.1:80, 10.0.0.2:80,,"}), IsOk());
  EXPECT_THAT(options_.registry_options.addresses, ElementsAre("10.0.0.1:80", "10.0.0.2:80"));
}

TEST_F(Flags, SetEveryOptionThatTheyName) {
  ASSERT_THAT(Parse({"--server=grpc",
                     "--client=grpc",
                     "--server_address=:7",
                     "--server_advertise=h:1",
                     "--server_grace=3s",
                     "--server_tls_cert=sc",
                     "--server_tls_key=sk",
                     "--server_tls_ca=sa",
                     "--server_max_message_size=100",
                     "--client_request_timeout=4s",
                     "--client_retries=0",
                     "--client_retry_budget=0.05",
                     "--client_hedge_after=20ms",
                     "--client_max_hedges=2",
                     "--client_pool_size=2",
                     "--client_pool_ttl=6s",
                     "--client_warm_up=false",
                     "--client_content_type=application/json",
                     "--client_tls_ca=ca",
                     "--client_tls_cert=cc",
                     "--client_tls_key=ck",
                     "--client_tls_server_name=cn",
                     "--registry=memory",
                     "--selector=p2c",
                     "--broker=memory",
                     "--broker_address=b:1,b:2"}),
              IsOk());
  EXPECT_EQ(options_.server.wire, "grpc");
  EXPECT_EQ(options_.server.address, ":7");
  EXPECT_EQ(options_.server.advertise, "h:1");
  EXPECT_EQ(options_.server.grace, absl::Seconds(3));
  EXPECT_EQ(options_.server.tls_cert, "sc");
  EXPECT_EQ(options_.server.tls_key, "sk");
  EXPECT_EQ(options_.server.tls_ca, "sa");
  EXPECT_EQ(options_.server.max_recv_message_size, 100);
  EXPECT_EQ(options_.client.wire, "grpc");
  EXPECT_EQ(options_.client.request_timeout, absl::Seconds(4));
  EXPECT_EQ(options_.client.retries, 0);
  EXPECT_EQ(options_.client.retry_budget, 0.05);
  EXPECT_EQ(options_.client.hedge_after, absl::Milliseconds(20));
  EXPECT_EQ(options_.client.max_hedges, 2);
  EXPECT_EQ(options_.client.pool_size, 2);
  EXPECT_EQ(options_.client.pool_ttl, absl::Seconds(6));
  EXPECT_FALSE(options_.client.warm_up);
  EXPECT_EQ(options_.client.content_type, "application/json");
  EXPECT_EQ(options_.client.tls_ca, "ca");
  EXPECT_EQ(options_.client.tls_cert, "cc");
  EXPECT_EQ(options_.client.tls_key, "ck");
  EXPECT_EQ(options_.client.tls_server_name, "cn");
  EXPECT_EQ(options_.registry, "memory");
  EXPECT_EQ(options_.selector, "p2c");
  EXPECT_EQ(options_.broker, "memory");
  EXPECT_THAT(options_.broker_options.addresses, ElementsAre("b:1", "b:2"));
}

// ---- A program's own ----

TEST_F(Flags, ReadAProgramsOwnOfEveryType) {
  std::string text = "John";
  std::vector<std::string> list;
  int number = 1;
  int64_t large = 2;
  double real = 3;
  bool truth = false;
  absl::Duration time;
  options_.flags = {{"text", &text, "a"},   {"list", &list, "b"}, {"number", &number, "c"},
                    {"large", &large, "d"}, {"real", &real, "e"}, {"truth", &truth, "f"},
                    {"time", &time, "g"}};
  ASSERT_THAT(Parse({"--list=a,b", "--number", "-5", "--large=-9000000000", "--real=-0.5e1",
                     "--truth", "--time=1h"}),
              IsOk());
  EXPECT_EQ(text, "John");
  EXPECT_THAT(list, ElementsAre("a", "b"));
  EXPECT_EQ(number, -5);
  EXPECT_EQ(large, -9'000'000'000);
  EXPECT_EQ(real, -5);
  EXPECT_TRUE(truth);
  EXPECT_EQ(time, absl::Hours(1));
}

TEST_F(Flags, ReadAProgramsOwnVariable) {
  int port = 1;
  options_.flags = {{"port", &port, "where", "GREETER_PORT"}};
  const ScopedVariable variable("GREETER_PORT", "80");
  ASSERT_THAT(Parse({}), IsOk());
  EXPECT_EQ(port, 80);
  ASSERT_THAT(Parse({"--port=81"}), IsOk());
  EXPECT_EQ(port, 81);
  const ScopedVariable wrong("GREETER_PORT", "http");
  EXPECT_THAT(Parse({}).status(), Refused("GREETER_PORT: \"http\" is not a number"));
}

TEST_F(Flags, RefuseAProgramsOwnUnderANameThatIsTaken) {
  std::string registry;
  options_.flags = {{"registry", &registry, "mine"}};
  EXPECT_THAT(Parse({}).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("cannot be declared"), HasSubstr("registry"))));
}

// ---- Help ----

TEST_F(Flags, HelpTellsFlagsVariablesDefaultsAndLinkedPlugins) {
  std::string name = "John";
  options_.description = "Greets people.";
  options_.flags = {{"name", &name, "who is greeted [John]"}};
  for (const std::string argument : {"--help", "-help", "-h"}) {
    const auto parsed = Parse({argument});
    ASSERT_THAT(parsed, IsOk());
    for (const char* part : {"Greets people.", "greeter", "--name", "who is greeted [John]",
                             "--registry", "$MICRO_REGISTRY", "memory [memory]",
                             "p2c, random, roundrobin, static, weighted [random]", "grpc [grpc]",
                             "--server_address", "[:0]"}) {
      EXPECT_THAT(parsed->help, HasSubstr(part));
    }
  }
}

TEST_F(Flags, HelpChangesNothing) {
  ASSERT_THAT(Parse({"--server_name=other", "--help"}), IsOk());
  EXPECT_EQ(options_.name, "greeter");
}

// ---- Init ----

TEST_F(Flags, InitAnswersWithTheHelp) {
  auto service = NewService({.name = "greeter", .registry = "memory"});
  EXPECT_THAT(service->Init({"--help"}),
              StatusIs(absl::StatusCode::kCancelled, HasSubstr("--registry")));
}

TEST_F(Flags, InitTakesItsFlagsOutOfTheArguments) {
  std::string program = "/usr/bin/greeter", first = "get", flag = "--server_name", value = "get",
              last = "users";
  char* argv[] = {program.data(), first.data(), flag.data(), value.data(), last.data(), nullptr};
  int argc = 5;
  auto service = NewService({.name = "greeter", .registry = "memory"});
  service->Init(&argc, argv);
  EXPECT_EQ(service->options().name, "get");
  EXPECT_THAT(std::vector<std::string>(argv, argv + argc),
              ElementsAre("/usr/bin/greeter", "get", "users"));
}

TEST(FlagsDeathTest, InitPrintsOneLineAndExitsForASettingThatDoesNotWork) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  std::string program = "/usr/bin/greeter", flag = "--registry=zonk";
  char* argv[] = {program.data(), flag.data(), nullptr};
  int argc = 2;
  EXPECT_EXIT(NewService({.name = "greeter"})->Init(&argc, argv), ::testing::ExitedWithCode(1),
              "^greeter: registry \"zonk\" is not linked; linked: memory \\(flag --registry\\)\n$");
}

}  // namespace
}  // namespace micro
