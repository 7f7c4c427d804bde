// Any text may stand in etcd, and any pairs in Consul, where an instance is expected: what is read is
// written in both forms so that it reads the same again.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "due/instances/consul/consul_instances.h"
#include "due/instances/instance_json.h"
#include "due/instances/instance_meta.h"

namespace {

void Check(bool same) {
  if (!same) std::abort();
}

// Texts that are not UTF-8 are mended when they are written as JSON; keys may change their order then,
// or become one.
void CheckForms(const due::Instance& instance) {
  const std::string json = due::ToJson(instance);
  const auto read = due::ParseInstance(json);
  if (!read.ok()) return Check(instance.kind.empty() || json.size() > 1 << 20);
  const auto again = due::ParseInstance(due::ToJson(*read));
  Check(again.ok() && *again == *read);
  due::Instance kept = *read;
  if (kept.weight < 0) kept.weight = 0;  // not in Meta
  const auto meta = due::FromMeta(due::ToMeta(kept));
  Check(meta.ok() && *meta == kept);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto instance = due::ParseInstance(text); instance.ok()) CheckForms(*instance);

  (void)due::ConsulInstances().ReadHealth(text, "node");
  (void)due::ConsulInstances().ReadCatalog(text);

  micro::registry::Labels meta;  // a line for each pair, "key=value"
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const size_t equals = line.find('=');
    if (equals == line.npos) continue;
    meta.emplace(line.substr(0, equals), line.substr(equals + 1));
  }
  if (const auto instance = due::FromMeta(meta); instance.ok()) CheckForms(*instance);
  return 0;
}
