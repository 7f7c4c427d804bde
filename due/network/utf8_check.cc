#include "due/network/utf8_check.h"

namespace due {

bool Utf8Check::Add(std::string_view part) {
  for (const char c : part) {
    const auto byte = static_cast<uint8_t>(c);
    if (left_ > 0) {
      if (byte < lowest_ || byte > highest_) return false;
      lowest_ = 0x80;
      highest_ = 0xbf;
      --left_;
      continue;
    }
    if (byte < 0x80) continue;
    if (byte < 0xc2 || byte > 0xf4) return false;
    left_ = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    lowest_ = byte == 0xe0 ? 0xa0 : byte == 0xf0 ? 0x90 : 0x80;
    highest_ = byte == 0xed ? 0x9f : byte == 0xf4 ? 0x8f : 0xbf;
  }
  return true;
}

}  // namespace due
