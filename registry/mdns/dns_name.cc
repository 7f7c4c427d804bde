#include "registry/mdns/dns_name.h"

#include <fmt/format.h>

#include "core/status_macros.h"

namespace micro::registry::dns {
namespace {

constexpr size_t kMaxLabel = 63;
constexpr size_t kMaxName = 255;        // on the wire: lengths, labels and the final zero
constexpr size_t kMaxPointer = 0x3fff;  // what a pointer can reach
constexpr uint8_t kPointerBits = 0xc0;

}  // namespace

absl::StatusOr<std::string> NameToWire(std::string_view name) {
  std::string wire;
  std::string label;
  const auto end_label = [&]() -> absl::Status {
    if (label.empty()) {
      return absl::InvalidArgumentError(fmt::format("DNS name \"{}\" has an empty label", name));
    }
    if (label.size() > kMaxLabel) {
      return absl::InvalidArgumentError(
          fmt::format("\"{}\" in DNS name \"{}\" has {} bytes: a label between dots has at most {}",
                      label, name, label.size(), kMaxLabel));
    }
    wire.push_back(static_cast<char>(label.size()));
    wire += label;
    label.clear();
    return absl::OkStatus();
  };
  for (size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '\\' && i + 1 < name.size()) {
      label.push_back(name[++i]);
    } else if (name[i] == '.') {
      if (name == ".") break;  // the root
      RETURN_IF_ERROR(end_label());
    } else {
      label.push_back(name[i]);
    }
  }
  if (!label.empty()) RETURN_IF_ERROR(end_label());
  wire.push_back('\0');
  if (wire.size() > kMaxName) {
    return absl::InvalidArgumentError(
        fmt::format("DNS name \"{}\" has {} bytes: at most {} fit", name, wire.size(), kMaxName));
  }
  return wire;
}

absl::Status AppendName(std::string_view name, bool compress, std::string& packet,
                        NameOffsets& offsets) {
  ASSIGN_OR_RETURN(const std::string wire, NameToWire(name));
  size_t start = 0;
  while (wire[start] != '\0') {
    const std::string_view suffix = std::string_view(wire).substr(start);
    const auto known = offsets.find(suffix);
    if (known != offsets.end() && compress) {
      packet.push_back(static_cast<char>(kPointerBits | known->second >> 8));
      packet.push_back(static_cast<char>(known->second & 0xff));
      return absl::OkStatus();
    }
    if (known == offsets.end() && packet.size() <= kMaxPointer) {
      offsets.emplace(suffix, static_cast<uint16_t>(packet.size()));
    }
    const size_t length = 1 + static_cast<uint8_t>(wire[start]);
    packet.append(wire, start, length);
    start += length;
  }
  packet.push_back('\0');
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadName(std::string_view packet, size_t* offset) {
  std::string name;
  size_t wire_size = 1;
  size_t at = *offset;
  size_t limit = at;      // a pointer leads to before where the labels that hold it began: no loops
  bool followed = false;  // a pointer; `*offset` stands behind the first one
  while (true) {
    if (at >= packet.size()) return absl::InvalidArgumentError("DNS name is cut off");
    const uint8_t length = static_cast<uint8_t>(packet[at]);
    if ((length & kPointerBits) == kPointerBits) {
      if (at + 1 >= packet.size()) return absl::InvalidArgumentError("DNS name is cut off");
      const size_t target =
          (length & ~kPointerBits & 0xff) << 8 | static_cast<uint8_t>(packet[at + 1]);
      if (target >= limit) return absl::InvalidArgumentError("DNS name points forwards");
      if (!followed) *offset = at + 2;
      followed = true;
      at = limit = target;
      continue;
    }
    if (length > kMaxLabel) return absl::InvalidArgumentError("DNS label of an unknown kind");
    ++at;
    if (length == 0) break;
    if (length > packet.size() - at) return absl::InvalidArgumentError("DNS name is cut off");
    wire_size += 1 + length;
    if (wire_size > kMaxName) {
      return absl::InvalidArgumentError(fmt::format("DNS name of more than {} bytes", kMaxName));
    }
    for (const char c : packet.substr(at, length)) {
      if (c == '.' || c == '\\') name.push_back('\\');
      name.push_back(c);
    }
    name.push_back('.');
    at += length;
  }
  if (!followed) *offset = at;
  if (name.empty()) name = ".";
  return name;
}

}  // namespace micro::registry::dns
