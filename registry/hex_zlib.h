// hex(zlib(text)): how go-micro packs what it writes into TXT strings and tags.
//
// All functions may be called from any thread; a HexDeflater belongs to one at a time.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace micro::registry {

// The packed text, in lower-case hexadecimal.
std::string HexDeflate(std::string_view text);

// The same for many texts: zlib's tables, a quarter of a MiB, cost more than a short text.
class HexDeflater {
 public:
  HexDeflater();
  ~HexDeflater();
  HexDeflater(const HexDeflater&) = delete;
  HexDeflater& operator=(const HexDeflater&) = delete;

  std::string operator()(std::string_view text);

 private:
  struct Stream;
  const std::unique_ptr<Stream> stream_;
};

// The text in it; anything may be given. INVALID_ARGUMENT, naming `what`: not hexadecimal, no
// complete zlib stream, or one that inflates to more than 1 MiB.
absl::StatusOr<std::string> HexInflate(std::string_view hex, std::string_view what);

}  // namespace micro::registry
