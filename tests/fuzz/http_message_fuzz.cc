// Any bytes may come on a connection; what is read of them does not depend on how they come, and
// nothing that was read could be smuggled into a header.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "micro/rpc/http_message.h"

namespace {

using micro::rpc::HttpMessage;
using micro::rpc::HttpReader;

std::string TextOf(const HttpMessage& message) {
  std::string text = std::string(message.method) + " " + std::string(message.target) + " " +
                     std::to_string(message.status) + (message.keep_alive ? " +\n" : " -\n");
  for (const auto& [name, value] : message.headers) {
    if (!micro::rpc::IsHeaderName(name) || !micro::rpc::IsHeaderValue(value)) std::abort();
    text.append(name).append(": ").append(value).append("\n");
  }
  return text.append("\n").append(message.body);
}

std::vector<std::string> ReadAll(HttpReader::Kind kind, std::string_view bytes, size_t step) {
  HttpReader reader(kind, {.header_bytes = 600, .headers = 20, .body_bytes = 1000});
  std::vector<std::string> messages;
  while (!bytes.empty()) {
    const std::string_view part = bytes.substr(0, step);
    bytes.remove_prefix(part.size());
    std::memcpy(reader.Space(part.size()), part.data(), part.size());
    reader.Commit(part.size());
    while (true) {
      const auto message = reader.Next();
      if (!message.ok()) return messages;
      (void)reader.TakeExpectation();
      if (*message == nullptr) break;
      messages.push_back(TextOf(**message));
    }
  }
  const auto last = reader.End();
  if (last.ok() && *last != nullptr) messages.push_back(TextOf(**last));
  return messages;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const auto kind : {HttpReader::kRequests, HttpReader::kResponses}) {
    const auto at_once = ReadAll(kind, bytes, size);
    if (ReadAll(kind, bytes, 1) != at_once || ReadAll(kind, bytes, 5) != at_once) std::abort();
  }
  return 0;
}
