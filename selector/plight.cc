#include "selector/plight.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "core/text.h"

namespace micro::selector {

std::string EjectedText(const Candidates& candidates, size_t known, const Health& health,
                        absl::Time now) {
  size_t unreachable = 0;
  absl::Time last = absl::InfinitePast();
  for (const Candidate& candidate : candidates) {
    if (candidate.state->usable()) return "";
    const std::unique_ptr<Ejection> ejection = health.EjectionOf(*candidate.state);
    if (ejection == nullptr) return "";
    unreachable += ejection->unreachable ? 1 : 0;
    last = std::max(last, ejection->since);
  }
  const size_t count = candidates.size();
  if (count == 0) return "";
  const std::string ago = ShortText(now - last);
  if (count == 1 && known == 1) {
    return fmt::format("its only node is ejected ({}) for {}",
                       unreachable > 0 ? "unreachable" : "failing", ago);
  }
  const std::string which =
      count < known ? fmt::format("all {} of {} nodes that the call may go to", count, known)
                    : fmt::format("all {} nodes", count);
  std::string why = unreachable > 0 ? fmt::format("{} unreachable", unreachable) : "";
  if (unreachable < count)
    why += fmt::format("{}{} failing", why.empty() ? "" : ", ", count - unreachable);
  return fmt::format("{} are ejected ({}), the last {} ago", which, why, ago);
}

}  // namespace micro::selector
