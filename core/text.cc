#include "core/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"

namespace micro {

std::string OneLine(std::string_view text) {
  std::string line;
  line.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : 0);
    if (c < 0x20 || c == 0x7f) {
      line += fmt::format("\\u{:04x}", c);
    } else if (c == 0xc2 && next >= 0x80 && next < 0xa0) {  // U+0080 … U+009F
      line += fmt::format("\\u{:04x}", next);
      ++i;
    } else {
      line += text[i];
    }
  }
  return line;
}

std::string ValidUtf8(std::string_view text) {
  if (std::all_of(text.begin(), text.end(), absl::ascii_isascii)) return std::string(text);
  const std::string json = nlohmann::json(std::string(text))
                               .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return nlohmann::json::parse(json).get<std::string>();
}

std::string ShortText(absl::Duration duration) {
  const absl::Duration unit = duration < absl::Milliseconds(1) ? absl::Microseconds(1)
                              : duration < absl::Seconds(1)    ? absl::Microseconds(100)
                              : duration < absl::Minutes(1)    ? absl::Milliseconds(100)
                                                               : absl::Seconds(1);
  return absl::FormatDuration(absl::Trunc(duration, unit));
}

}  // namespace micro
