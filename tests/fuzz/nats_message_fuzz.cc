// Any text may come as a question or an event (answers: service_json_fuzz); what is understood is
// written so that it reads the same again.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "registry/nats/nats_message.h"

namespace {

void Check(bool same) {
  if (!same) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace micro::registry;  // NOLINT: it is what is fuzzed
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto name = ParseNatsQuery(text); name.ok()) {
    const auto again = ParseNatsQuery(NatsQueryJson(*name));
    Check(again.ok() && *again == *name);
  }
  if (const auto event = ParseNatsEvent(text); event.ok()) {
    const std::string json = NatsEventJson(*event);
    const auto again = ParseNatsEvent(json);
    // A record that lacks much may be longer, and too long, when it is written in full.
    Check(json.size() > 1 << 20 ||
          (again.ok() && again->action == event->action && again->service == event->service));
  }
  return 0;
}
