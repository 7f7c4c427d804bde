// Any text may be read as a record of go-micro's; what was read is written to a text that reads the
// same.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "registry/service_json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using micro::registry::ParseService;
  const auto service = ParseService({reinterpret_cast<const char*>(data), size});
  if (!service.ok()) return 0;
  const auto again = ParseService(ToJson(*service));
  // Written out in full, a text may be longer than one that may be read.
  if (again.ok() ? !(*again == *service) : size < 10'000) std::abort();
  return 0;
}
