#include "core/strings.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"

namespace micro {

std::string EscapeJsonAsGo(std::string_view json) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kEscapes = {
      {{"<", "\\u003c"},
       {">", "\\u003e"},
       {"&", "\\u0026"},
       {"\u2028", "\\u2028"},
       {"\u2029", "\\u2029"}}};
  std::string out;
  out.reserve(json.size());
  for (std::string_view rest = json; !rest.empty();) {
    const auto* escape = std::find_if(kEscapes.begin(), kEscapes.end(), [&](const auto& pair) {
      return rest.starts_with(pair.first);
    });
    const bool escaped = escape != kEscapes.end();
    out += escaped ? escape->second : rest.substr(0, 1);
    rest.remove_prefix(escaped ? escape->first.size() : 1);
  }
  return out;
}

std::vector<std::string> SplitList(std::string_view text, char separator) {
  std::vector<std::string> pieces;
  for (absl::string_view piece : absl::StrSplit(ToAbsl(text), separator)) {
    piece = absl::StripAsciiWhitespace(piece);
    if (!piece.empty()) pieces.emplace_back(piece);
  }
  return pieces;
}

}  // namespace micro
