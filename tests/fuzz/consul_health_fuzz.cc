// Anything may come from an agent as an answer about a service, about all services, or about
// failing checks. What is made of it can be registered again.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "registry/consul/consul_record.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace micro::registry;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto health = consul::ParseHealth(text, "greeter");
  if (health.ok()) {
    for (const Service& service : health->services) {
      if (service.nodes.empty()) std::abort();
      for (const Node& node : service.nodes) {
        if (node.id.empty() || node.address.empty()) std::abort();
        // A name without a port is fine to read, not to register.
        if (node.address.find(':') != std::string::npos)
          (void)consul::RegistrationJson(service, node, service.name, absl::Seconds(60));
      }
    }
  }
  (void)consul::ParseCatalog(text);
  (void)consul::ParseCritical(text);
  return 0;
}
