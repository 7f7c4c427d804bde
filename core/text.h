// Text from outside, made fit for where it goes.
#pragma once

#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace micro {

// `text` with an escape for each control character (\u000a, \u001b, \u0085), so that no text ends a
// line or moves a terminal.
std::string OneLine(std::string_view text);

// `text` with U+FFFD in place of what is not UTF-8, which no protobuf string may hold.
std::string ValidUtf8(std::string_view text);

// A duration, as exact as one reads it: 340us, 12.3ms, 4.5s, 1m7s.
std::string ShortText(absl::Duration duration);

}  // namespace micro
