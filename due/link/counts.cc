#include "due/link/counts.h"

namespace due {

std::string_view NameOf(LinkEnd end) {
  constexpr std::string_view kNames[kLinkEnds] = {"peer",      "local",     "silent",
                                                  "too large", "malformed", "stalled"};
  return kNames[static_cast<size_t>(end)];
}

std::string_view NameOf(LinkDrop drop) {
  constexpr std::string_view kNames[kLinkDrops] = {"refused", "full", "closed", "unreachable",
                                                   "lost"};
  return kNames[static_cast<size_t>(drop)];
}

}  // namespace due
