#include "core/strings.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace micro {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Strings, GoFromOneViewToTheOtherAndBack) {
  const std::string_view text("a\0b", 3);
  EXPECT_EQ(ToAbsl(text).size(), 3u);
  EXPECT_EQ(ToStd(ToAbsl(text)), text);
  EXPECT_EQ(ToStd(ToAbsl(std::string_view())), "");
}

TEST(EqualsIgnoreCase, ComparesAsciiLettersAlone) {
  EXPECT_TRUE(EqualsIgnoreCase("Micro-Topic", "micro-tOPIC"));
  EXPECT_TRUE(EqualsIgnoreCase("", ""));
  EXPECT_FALSE(EqualsIgnoreCase("a", "ab"));
  EXPECT_FALSE(EqualsIgnoreCase("a_", "A-"));
}

TEST(SplitList, CutsTrimsAndLeavesEmptyPiecesOut) {
  EXPECT_THAT(SplitList("a, b ,,c,"), ElementsAre("a", "b", "c"));
  EXPECT_THAT(SplitList("one"), ElementsAre("one"));
  EXPECT_THAT(SplitList(" two words "), ElementsAre("two words"));
  EXPECT_THAT(SplitList(""), IsEmpty());
  EXPECT_THAT(SplitList(" , "), IsEmpty());
}

TEST(EscapeJsonAsGo, EscapesWhatGoDoesAndNothingElse) {
  EXPECT_EQ(EscapeJsonAsGo("\"<a>&\u2028\u2029 é ☃ \\n\""),
            "\"\\u003ca\\u003e\\u0026\\u2028\\u2029 é ☃ \\n\"");
}

TEST(SplitList, TakesAnotherSeparator) {
  EXPECT_THAT(SplitList("a,b;c", ';'), ElementsAre("a,b", "c"));
}

}  // namespace
}  // namespace micro
