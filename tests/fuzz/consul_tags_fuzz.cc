// Any tags may be read, one a line, and so may any text in their place; what was read is written to
// tags that read the same.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/strings.h"
#include "registry/consul/consul_record.h"
#include "registry/hex_zlib.h"

namespace {

using micro::registry::consul::DecodedTags;
using micro::registry::consul::DecodeTags;

DecodedTags Decode(const std::vector<std::string>& tags) {
  size_t budget = 8 << 20;
  return DecodeTags(tags, budget);
}

void Check(const std::vector<std::string>& tags) {
  const DecodedTags decoded = Decode(tags);
  const DecodedTags again = Decode(micro::registry::consul::EncodeTags(decoded.tags));
  if (!again.unreadable.empty() || !again.has_version || !(again.tags == decoded.tags))
    std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string input(data, data + size);
  Check(micro::SplitList(input, '\n'));
  const std::string kind(1, "tev"[size % 3]);
  Check({size % 2 == 0 ? kind + "=" + input : kind + "-" + micro::registry::HexDeflate(input)});
  return 0;
}
