// Domain names on the wire: labels with their lengths, and pointers to where a suffix stood before.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace micro::registry::dns {

// The suffixes that a packet holds already, as wire bytes, and where.
using NameOffsets = std::map<std::string, uint16_t, std::less<>>;

// The uncompressed wire form of a name, with its final zero; the errors are CheckName's.
absl::StatusOr<std::string> NameToWire(std::string_view name);

// Appends a name to `packet` and notes its suffixes in `offsets`. With `compress`, a suffix that
// stands there already becomes a pointer.
absl::Status AppendName(std::string_view name, bool compress, std::string& packet,
                        NameOffsets& offsets);

// Reads the name at `*offset` of `packet`, follows its pointers, and moves `*offset` behind it.
absl::StatusOr<std::string> ReadName(std::string_view packet, size_t* offset);

}  // namespace micro::registry::dns
