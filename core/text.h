// Text from outside, made fit for where it goes.
#pragma once

#include <string>
#include <string_view>

namespace micro {

// `text` with an escape for each control character (\u000a, \u001b, \u0085), so that no text ends a
// line or moves a terminal.
std::string OneLine(std::string_view text);

// `text` with U+FFFD in place of what is not UTF-8, which no protobuf string may hold.
std::string ValidUtf8(std::string_view text);

}  // namespace micro
