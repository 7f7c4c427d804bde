// Any key and value may be read: the input is both, cut at its first line end. What a key says makes
// that key again, and so does a record.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "registry/etcd/etcd_record.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace micro::registry;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t cut = input.find('\n');
  const std::string_view key = input.substr(0, cut);
  const std::string_view value = cut == input.npos ? "" : input.substr(cut + 1);
  const std::string prefix = EtcdPrefix("");
  const auto parsed = ParseEtcdKey(prefix, key);
  if (parsed.has_value() && EtcdNodeKey(prefix, parsed->service, parsed->node) != key) std::abort();
  const auto record = ReadEtcdRecord(prefix, key, value);
  if (record.ok() && EtcdNodeKey(prefix, record->name, record->nodes.at(0).id) != key) std::abort();
  return 0;
}
