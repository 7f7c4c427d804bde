// Whether a text is UTF-8 (RFC 3629: no surrogates, nothing above U+10FFFF, no longer form than
// needed), told as it comes in parts. Internal.
#pragma once

#include <cstdint>
#include <string_view>

namespace due {

class Utf8Check {
 public:
  // False: what has come can be no UTF-8, whatever follows.
  bool Add(std::string_view part);

  // Whether no character is left in the middle.
  bool IsWhole() const { return left_ == 0; }

  void Reset() { left_ = 0; }

 private:
  int left_ = 0;                            // bytes of a character
  uint8_t lowest_ = 0x80, highest_ = 0xbf;  // of the next of them
};

}  // namespace due
