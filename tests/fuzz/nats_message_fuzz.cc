// Any text may come as a question, an event or an answer; what is understood is written so that it
// reads the same again.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "registry/nats/nats_message.h"
#include "registry/service_json.h"

namespace {

using namespace micro::registry;  // NOLINT: it is what is fuzzed

void Check(bool same) {
  if (!same) std::abort();
}

// A record that lacks much may be longer when it is written in full.
bool IsReadable(std::string_view json) { return json.size() <= kMaxNatsRecordBytes; }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto name = ParseNatsQuery(text); name.ok()) {
    const auto again = ParseNatsQuery(NatsQueryJson(*name));
    Check(again.ok() && *again == *name);
  }
  if (const auto event = ParseNatsEvent(text); event.ok()) {
    const std::string json = NatsEventJson(*event);
    const auto again = ParseNatsEvent(json);
    Check(!IsReadable(json) ||
          (again.ok() && again->action == event->action && again->service == event->service));
  }
  if (const auto answer = ParseNatsAnswer(text); answer.ok()) {
    const std::string json = ToJson(*answer);
    const auto again = ParseNatsAnswer(json);
    Check(!IsReadable(json) || (again.ok() && *again == *answer));
  }
  return 0;
}
