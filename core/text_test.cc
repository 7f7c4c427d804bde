#include "core/text.h"

#include <gtest/gtest.h>

namespace micro {
namespace {

TEST(OneLine, EscapesWhatEndsALineOrMovesATerminal) {
  EXPECT_EQ(OneLine("a\nb\x1b[2J\x7f\xc2\x9b"), "a\\u000ab\\u001b[2J\\u007f\\u009b");
  EXPECT_EQ(OneLine("Zoë \"x\""), "Zoë \"x\"");
}

TEST(ValidUtf8, ReplacesWhatIsNoUtf8AndNothingElse) {
  EXPECT_EQ(ValidUtf8("plain"), "plain");
  EXPECT_EQ(ValidUtf8("Zoë\n"), "Zoë\n");
  EXPECT_EQ(ValidUtf8("a\xff"), "a\xef\xbf\xbd");
  EXPECT_EQ(ValidUtf8("cut \xc3"), "cut \xef\xbf\xbd");
}

}  // namespace
}  // namespace micro
