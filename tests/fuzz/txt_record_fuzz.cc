// Any strings may be decoded, and so may any JSON in their place; a decoded record is encoded to
// one that decodes the same.
#include <zlib.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "core/strings.h"
#include "registry/mdns/txt_record.h"

namespace {

void Check(const std::vector<std::string>& strings) {
  using micro::registry::DecodeTxt;
  const auto record = DecodeTxt(strings);
  if (!record.ok()) return;
  const auto again = DecodeTxt(EncodeTxt(*record));
  if (!again.ok() || !(*again == *record)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Check({std::string(data, data + size)});

  uLongf compressed_size = compressBound(size);
  std::string compressed(compressed_size, '\0');
  compress(reinterpret_cast<Bytef*>(compressed.data()), &compressed_size, data, size);
  compressed.resize(compressed_size);
  Check({absl::BytesToHexString(micro::ToAbsl(compressed))});
  return 0;
}
