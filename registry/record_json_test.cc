#include "registry/record_json.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/testing/status_matchers.h"

namespace micro::registry {
namespace {

using testing::HasSubstr;

auto Refused(const std::string& why) {
  return StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(why));
}

TEST(RecordJson, ReadsObjectsAlone) {
  EXPECT_THAT(ParseObject(R"({"a":1})", "it"), IsOk());
  for (const char* text : {"", "null", "[]", "7", "\"a\"", "{", "}", "{]", "{\"a\"}", "{} {}"}) {
    EXPECT_THAT(ParseObject(text, "it"), Refused("it that is no JSON object")) << text;
  }
}

TEST(RecordJson, CountsLevelsOutsideOfStrings) {
  const std::string brackets(100, '[');
  EXPECT_THAT(ParseObject(fmt::format(R"({{"a":"{}","b":"\"{}\\"}})", brackets, brackets), "it"),
              IsOk());
  EXPECT_THAT(ParseObject(R"({"a":)" + std::string(31, '[') + std::string(31, ']') + "}", "it"),
              IsOk());
  EXPECT_THAT(ParseObject(R"({"a":)" + std::string(32, '[') + std::string(32, ']') + "}", "it"),
              Refused("levels"));
}

TEST(RecordJson, RefusesWhatIsTooLarge) {
  EXPECT_THAT(ParseObject(std::string((1 << 20) + 1, ' '), "it"), Refused("more than 1 MiB"));
}

// Each of these takes minutes when it takes a time that grows with the square of their size.
TEST(RecordJson, IsQuickToRefuseManyElementsAndManyMembers) {
  std::string elements = R"({"a":[{})", members = R"({"":0)";
  while (elements.size() < 1'000'000) elements += ",{}";
  for (int i = 0; members.size() < 1'000'000; ++i) members += fmt::format(R"(,"{}":0)", i);
  EXPECT_THAT(ParseObject(elements + "]}", "it"), Refused("values"));
  EXPECT_THAT(ParseObject(elements + "]}", "it", {.values = 1'000'000}), IsOk());
  EXPECT_THAT(ParseObject(members + "}", "it"), Refused("members"));
}

TEST(RecordJson, KeepsTheWantedMembersAlone) {
  const auto json =
      ParseArray(R"([{"a":1,"b":{"d":2,"c":[3]},"c":[{"b":{"d":5}},{"a":4}],"d":"e"},6])", "it",
                 {.keys = {"a", "c"}});
  ASSERT_THAT(json, IsOk());
  EXPECT_EQ(ToText(*json), R"([{"a":1,"c":[{},{"a":4}]},6])");
}

TEST(RecordJson, BytesThatAreNotUtf8AreReplaced) {
  EXPECT_EQ(ToText({{"a", "b\xff"}}), "{\"a\":\"b\xef\xbf\xbd\"}");
}

}  // namespace
}  // namespace micro::registry
