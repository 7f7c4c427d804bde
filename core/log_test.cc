#include "core/log.h"

#include <cmath>
#include <cstdlib>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "core/errors.h"
#include "core/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace micro::log {
namespace {

using namespace std::string_literals;
using testing::AllOf;
using testing::HasSubstr;

const absl::Time kTime = absl::FromUnixMicros(1'795'247'441'123'456);

std::string Text(std::string_view message, Fields fields = {}) {
  return Line(Format::kText, kTime, Level::kInfo, message, fields);
}
std::string Json(std::string_view message, Fields fields = {}) {
  return Line(Format::kJson, kTime, Level::kInfo, message, fields);
}
// What a text line says after its time and level.
std::string TextOf(Field field) {
  const std::string_view begin = "2026-11-21T07:50:41.123456Z INFO m ";
  return Text("m", {field}).substr(begin.size());
}

// Sets level and format for one test.
class LogSettings : public testing::Test {
 protected:
  ~LogSettings() override { (void)Configure("info", "text"); }

  std::string Written(Level level, std::string_view message) {
    testing::internal::CaptureStderr();
    Write(level, message, {{"key", "value"}});
    return testing::internal::GetCapturedStderr();
  }
};

TEST(LogLine, HasATextForm) {
  EXPECT_EQ(
      Text("registered", {{"service", "helloworld"}, {"address", "127.0.0.1:40123"}}),
      "2026-11-21T07:50:41.123456Z INFO registered service=helloworld address=127.0.0.1:40123");
  EXPECT_EQ(Line(Format::kText, kTime, Level::kError, "registry is down", {}),
            "2026-11-21T07:50:41.123456Z ERROR registry is down");
}

TEST(LogLine, HasAJsonForm) {
  EXPECT_EQ(Json("registered", {{"service", "helloworld"}, {"nodes", 3}, {"fresh", true}}),
            R"({"time":"2026-11-21T07:50:41.123456Z","level":"info","message":"registered",)"
            R"("service":"helloworld","nodes":3,"fresh":true})");
}

TEST(LogLine, NamesEveryLevel) {
  const std::pair<Level, const char*> kLevels[] = {{Level::kTrace, " TRACE m"},
                                                   {Level::kDebug, " DEBUG m"},
                                                   {Level::kInfo, " INFO m"},
                                                   {Level::kWarn, " WARN m"},
                                                   {Level::kError, " ERROR m"}};
  for (const auto& [level, text] : kLevels)
    EXPECT_THAT(Line(Format::kText, kTime, level, "m", {}), HasSubstr(text));
}

TEST(LogLine, QuotesATextThatWouldBeMisread) {
  EXPECT_EQ(TextOf({"k", "bare/text:1,2"}), "k=bare/text:1,2");
  EXPECT_EQ(TextOf({"k", ""}), R"(k="")");
  EXPECT_EQ(TextOf({"k", "two words"}), R"(k="two words")");
  EXPECT_EQ(TextOf({"k", "a=b"}), R"(k="a=b")");
  EXPECT_EQ(TextOf({"k", "say \"hi\""}), R"(k="say \"hi\"")");
}

TEST(LogLine, ShowsEveryKindOfField) {
  EXPECT_EQ(TextOf({"k", std::string("text")}), "k=text");
  EXPECT_EQ(TextOf({"k", std::string_view("text")}), "k=text");
  EXPECT_EQ(TextOf({"k", false}), "k=false");
  EXPECT_EQ(TextOf({"k", -7}), "k=-7");
  EXPECT_EQ(TextOf({"k", std::numeric_limits<uint64_t>::max()}), "k=18446744073709551615");
  EXPECT_EQ(TextOf({"k", 1.5}), "k=1.5");
  EXPECT_EQ(TextOf({"k", 1e-9}), "k=1e-09");
  EXPECT_EQ(TextOf({"k", 0.25f}), "k=0.25");
  EXPECT_EQ(TextOf({"k", absl::Milliseconds(1500)}), "k=1.5s");
  EXPECT_EQ(TextOf({"k", absl::OkStatus()}), "k=OK");
  EXPECT_EQ(TextOf({"k", absl::NotFoundError("no user")}), R"(k="NOT_FOUND: no user")");
  EXPECT_EQ(TextOf({"k", errors::NotFound("greeter", "no user")}),
            R"(k="error id=\"greeter\" code=404 detail=\"no user\" status=\"Not Found\"")");
}

TEST(LogLine, IsJsonWhateverItHolds) {
  const std::string junk = "\"\\\n\r\t\x1b\x7f\xc2\x9b\xff <&>\0"s;
  const std::string line = Json(junk, {{"text", junk},
                                       {junk, "key"},
                                       {"nan", std::nan("")},
                                       {"infinity", std::numeric_limits<double>::infinity()},
                                       {"small", 1e-300}});
  const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  ASSERT_TRUE(json.is_object()) << line;
  EXPECT_EQ(json["nan"], "nan");
  EXPECT_EQ(json["infinity"], "inf");
  EXPECT_EQ(json["small"], 1e-300);
  EXPECT_THAT(json["text"], HasSubstr("\"\\\n\r\t\x1b"));
}

TEST(LogLine, IsOneLineWhateverItHolds) {
  const std::string junk = "a\nb\rc\x1b[31m\x7f\x0b\xc2\x85\xc2\x9b\0d"s;
  for (const Format format : {Format::kText, Format::kJson}) {
    const std::string line =
        Line(format, kTime, Level::kInfo, junk, {{junk, junk}, {"k", absl::NotFoundError(junk)}});
    for (const char c : line)
      EXPECT_TRUE(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) << line;
    EXPECT_EQ(line.find("\xc2\x85"), line.npos) << line;
    EXPECT_EQ(line.find("\xc2\x9b"), line.npos) << line;
  }
  EXPECT_THAT(Text("forged\n2026-11-21T07:50:41Z ERROR"), HasSubstr("INFO forged\\u000a2026"));
}

TEST(LogLine, KeepsTextOfAnyLanguage) {
  EXPECT_THAT(
      Text("gr\xc3\xbc\xc3\x9f \xe6\x97\xa5\xc2\xa0", {{"k", "\xe6\x97\xa5"}}),
      AllOf(HasSubstr("gr\xc3\xbc\xc3\x9f \xe6\x97\xa5\xc2\xa0"), HasSubstr("k=\"\xe6\x97\xa5\"")));
}

TEST_F(LogSettings, WriteWhatIsAtTheLevelOrAbove) {
  ASSERT_THAT(Configure("warn", ""), IsOk());
  EXPECT_FALSE(Enabled(Level::kInfo));
  EXPECT_TRUE(Enabled(Level::kWarn));
  EXPECT_EQ(Written(Level::kInfo, "quiet"), "");
  EXPECT_THAT(Written(Level::kError, "loud"), testing::EndsWith(" ERROR loud key=value\n"));
}

TEST_F(LogSettings, SilenceTheLog) {
  ASSERT_THAT(Configure("off", ""), IsOk());
  EXPECT_EQ(Written(Level::kError, "loud"), "");
}

// In a process of its own: the variable is read once.
TEST(LogSettingsDeathTest, BeginWithTheLevelOfTheEnvironment) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto begins_with = [](const char* word, Level level) {
    setenv("MICRO_LOG_LEVEL", word, /*overwrite=*/1);
    const Level below = static_cast<Level>(static_cast<int>(level) - 1);
    std::exit(Enabled(level) && !Enabled(below) ? 0 : 1);
  };
  EXPECT_EXIT(begins_with("warn", Level::kWarn), testing::ExitedWithCode(0), "");
  EXPECT_EXIT(begins_with("Debug", Level::kDebug), testing::ExitedWithCode(0), "");
  EXPECT_EXIT(begins_with("zonk", Level::kInfo), testing::ExitedWithCode(0), "");
}

TEST_F(LogSettings, ChooseTheFormat) {
  ASSERT_THAT(Configure("", "json"), IsOk());
  EXPECT_THAT(Written(Level::kInfo, "hello"),
              testing::EndsWith(R"("level":"info","message":"hello","key":"value"})"
                                "\n"));
}

TEST_F(LogSettings, TakeALevelInAnyCase) {
  ASSERT_THAT(Configure("DEBUG", ""), IsOk());
  EXPECT_TRUE(Enabled(Level::kDebug));
  EXPECT_FALSE(Enabled(Level::kTrace));
}

TEST_F(LogSettings, RefuseUnknownWordsAndChangeNothing) {
  EXPECT_THAT(
      Configure("loud", "json"),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("\"loud\""), HasSubstr("trace, debug, info, warn, error, off"))));
  EXPECT_THAT(Configure("error", "xml"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("\"xml\""), HasSubstr("text nor json"))));
  EXPECT_TRUE(Enabled(Level::kInfo));
  EXPECT_THAT(Written(Level::kInfo, "hello"), testing::EndsWith(" INFO hello key=value\n"));
}

}  // namespace
}  // namespace micro::log
