// Any text is an event of a locator or refused; an event that was read is written and read again as
// the same.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "due/locate/location_json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto event =
      due::ParseLocationEvent(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!event.ok()) return 0;
  const auto again = due::ParseLocationEvent(due::ToJson(*event));
  if (!again.ok()) {
    if (due::ToJson(*event).size() <= 1 << 20) std::abort();
  } else if (*again != *event) {
    std::abort();
  }
  return 0;
}
