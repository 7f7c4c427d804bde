// Any bytes may come on a gRPC stream, in any pieces; messages do not depend on how they were cut.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "micro/grpc/frames.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)micro::grpc_wire::PercentDecoded(bytes);
  constexpr int kLimit = 1 << 16;
  micro::grpc_wire::FrameReader whole(kLimit), cut(kLimit);
  std::vector<std::string> first, second;
  const bool whole_ok =
      whole.Take(bytes, [&](std::string message) { first.push_back(std::move(message)); }).ok();
  bool cut_ok = true;
  for (size_t i = 0; cut_ok && i < size; i += 3) {
    cut_ok = cut.Take(bytes.substr(i, 3),
                      [&](std::string message) { second.push_back(std::move(message)); })
                 .ok();
  }
  if (whole_ok != cut_ok || first != second) std::abort();
  if (whole_ok && whole.partial() > kLimit + 5) std::abort();
  return 0;
}
