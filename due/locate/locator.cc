#include "due/locate/locator.h"

#include <fmt/format.h>

namespace due {

absl::Status CheckLocation(
    std::initializer_list<std::pair<std::string_view, std::string_view>> values) {
  for (const auto& [what, value] : values) {
    if (value.empty())
      return absl::InvalidArgumentError(fmt::format("a user's {} must not be empty", what));
  }
  return absl::OkStatus();
}

}  // namespace due
