// Any packet may be parsed; what was parsed and can be written is read back the same.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "registry/mdns/dns_message.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace dns = micro::registry::dns;
  const auto message = dns::Parse({reinterpret_cast<const char*>(data), size});
  if (!message.ok()) return 0;
  const auto packet = dns::Pack(*message);
  if (!packet.ok()) return 0;  // too long without the sender's compression
  const auto again = dns::Parse(*packet);
  if (!again.ok() || !(*again == *message)) std::abort();
  return 0;
}
