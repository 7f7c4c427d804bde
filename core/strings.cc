#include "core/strings.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"

namespace micro {

std::vector<std::string> SplitList(std::string_view text, char separator) {
  std::vector<std::string> pieces;
  for (absl::string_view piece : absl::StrSplit(ToAbsl(text), separator)) {
    piece = absl::StripAsciiWhitespace(piece);
    if (!piece.empty()) pieces.emplace_back(piece);
  }
  return pieces;
}

}  // namespace micro
