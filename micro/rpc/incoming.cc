#include "micro/rpc/incoming.h"

#include <array>
#include <charconv>
#include <vector>

#include "absl/strings/ascii.h"
#include "core/strings.h"

namespace micro::rpc {
namespace {

constexpr size_t kMostEcho = 16 << 10;

struct Known {
  std::string_view name;
  std::string_view Incoming::* slot = nullptr;  // where its value goes
  bool call = false;                            // says that the call is not legacy
  bool echoed = true;
  bool metadata = true;
};

constexpr Known kKnown[] = {
    {.name = "Micro-Endpoint", .slot = &Incoming::endpoint, .call = true},
    {.name = "Micro-Method", .slot = &Incoming::method, .call = true},
    {.name = "Micro-Service", .call = true},
    {.name = "X-Micro-Endpoint", .slot = &Incoming::endpoint, .call = true},
    {.name = "X-Micro-Method", .slot = &Incoming::method, .call = true},
    {.name = "X-Micro-Service", .call = true},
    {.name = "Micro-Stream", .slot = &Incoming::stream},
    {.name = "X-Micro-Stream", .slot = &Incoming::stream},
    {.name = "Micro-Topic", .slot = &Incoming::topic},
    {.name = "X-Micro-Topic", .slot = &Incoming::topic},
    {.name = "Micro-Target", .slot = &Incoming::target},
    {.name = "X-Micro-Target", .slot = &Incoming::target},
    {.name = "Timeout", .slot = &Incoming::timeout_text},
    {.name = "Micro-Error", .slot = &Incoming::error, .echoed = false},
    {.name = "X-Micro-Error", .slot = &Incoming::error, .echoed = false},
    {.name = "Content-Type", .slot = &Incoming::content_type, .echoed = false},
    {.name = "Content-Length", .echoed = false},
    {.name = "Authorization", .echoed = false},
    {.name = "Expect", .echoed = false},
    {.name = "Connection", .echoed = false, .metadata = false},
    {.name = "Host", .echoed = false, .metadata = false},
    {.name = "Keep-Alive", .echoed = false, .metadata = false},
    {.name = "Proxy-Authorization", .echoed = false, .metadata = false},
    {.name = "Proxy-Connection", .echoed = false, .metadata = false},
    {.name = "Te", .echoed = false, .metadata = false},
    {.name = "Trailer", .echoed = false, .metadata = false},
    {.name = "Transfer-Encoding", .echoed = false, .metadata = false},
    {.name = "Upgrade", .echoed = false, .metadata = false},
};

constexpr Known kOther = {.name = ""};

// By their lengths, which tells most of them apart.
const Known& Lookup(std::string_view name) {
  static const auto& by_length = *new std::array<std::vector<const Known*>, 32>([] {
    std::array<std::vector<const Known*>, 32> sorted;
    for (const Known& known : kKnown) sorted[known.name.size()].push_back(&known);
    return sorted;
  }());
  if (name.size() >= by_length.size()) return kOther;
  for (const Known* known : by_length[name.size()]) {
    if (EqualsIgnoreCase(known->name, name)) return *known;
  }
  return kOther;
}

absl::Duration TimeoutOf(std::string_view text) {
  int64_t nanos = 0;  // a value that is not a number is ignored, as in go-micro
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), nanos);
  if (error != std::errc() || end != text.data() + text.size() || nanos <= 0)
    return absl::InfiniteDuration();
  return absl::Nanoseconds(nanos);
}

}  // namespace

std::string CanonicalHeader(std::string_view name) {
  std::string canonical(name);
  bool word_begins = true;
  for (char& c : canonical) {
    c = word_begins ? absl::ascii_toupper(c) : absl::ascii_tolower(c);
    word_begins = c == '-';
  }
  return canonical;
}

Incoming ReadIncoming(const HttpMessage& message, std::string_view local, std::string_view remote) {
  Incoming incoming;
  bool call = false;
  incoming.metadata.reserve(message.headers.size() + 2);
  incoming.echo.reserve(512);
  for (const auto& [name, value] : message.headers) {
    const Known& known = Lookup(name);
    if (known.slot != nullptr) {
      std::string_view& slot = incoming.*known.slot;
      if (slot.empty()) slot = value;
    }
    call = call || known.call;
    if (!known.metadata) continue;
    const std::string canonical = CanonicalHeader(name);
    if (incoming.metadata.Get(canonical).has_value()) continue;
    incoming.metadata.Append(canonical, value);
    if (!known.echoed || incoming.echo.size() + name.size() + value.size() > kMostEcho) continue;
    incoming.echo.append(canonical).append(": ").append(value).append("\r\n");
  }
  incoming.legacy = !call || !incoming.target.empty();
  if (incoming.endpoint.empty()) incoming.endpoint = incoming.method;
  incoming.timeout = TimeoutOf(incoming.timeout_text);
  incoming.metadata.Set("Local", local);
  incoming.metadata.Set(headers::kRemote, remote);
  return incoming;
}

}  // namespace micro::rpc
