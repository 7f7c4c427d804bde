// The one adapter between std::string_view, which our interfaces take, and absl::string_view, which
// is a type of its own in Debian's abseil.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"

namespace micro {

inline absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view ToStd(absl::string_view text) { return {text.data(), text.size()}; }

// Whether two texts are equal when ASCII letters are compared without their case.
inline bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  return a.size() == b.size() && absl::EqualsIgnoreCase(ToAbsl(a), ToAbsl(b));
}

// `text` cut at each `separator`, blanks around a piece removed, empty pieces left out: how every
// comma list of a flag is read.
std::vector<std::string> SplitList(std::string_view text, char separator = ',');

}  // namespace micro
