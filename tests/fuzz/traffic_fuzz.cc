// Any text may be read as traffic rules; those that are read can be asked.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "selector/traffic.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using micro::selector::ParseTraffic;
  const auto rules = ParseTraffic({reinterpret_cast<const char*>(data), size}, "traffic.yaml");
  if (!rules.ok()) {
    if (!absl::IsInvalidArgument(rules.status())) std::abort();
    return 0;
  }
  micro::Metadata metadata;
  metadata.Set("X-Canary", "true");
  for (const auto& [service, each] : rules->services) {
    for (const auto& rule : each) {
      const double lot = rule.LotOf(&metadata);
      if (rule.routes.empty() || !(lot >= 0 && lot < 1)) std::abort();
      (void)rule.Applies("Greeter.Hello", &metadata);
      double sum = 0;
      for (const auto& route : rule.routes) sum += route.weight;
      if (!(sum >= 0)) std::abort();
    }
  }
  return 0;
}
