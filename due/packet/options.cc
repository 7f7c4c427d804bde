#include "due/packet/options.h"

#include <fmt/format.h>

#include <cstdint>

#include "core/strings.h"

namespace due {
namespace {

absl::Status Bad(std::string_view option, std::string_view value, std::string_view wanted) {
  return absl::InvalidArgumentError(fmt::format("{} is {}, not {}", option, value, wanted));
}

}  // namespace

absl::Status PacketOptions::Check() const {
  if (route_bytes != 1 && route_bytes != 2 && route_bytes != 4)
    return Bad("route_bytes", std::to_string(route_bytes), "1, 2 or 4");
  if (seq_bytes != 0 && seq_bytes != 1 && seq_bytes != 2 && seq_bytes != 4)
    return Bad("seq_bytes", std::to_string(seq_bytes), "0, 1, 2 or 4");
  // The size field counts header, route and seq as well, and due adds 4 to it in 32 bits.
  constexpr size_t kMost = UINT32_MAX - 64;
  if (buffer_bytes > kMost)
    return Bad("buffer_bytes", std::to_string(buffer_bytes), fmt::format("at most {}", kMost));
  if (receive_bytes < 16 || receive_bytes > kMost) {
    return Bad("receive_bytes", std::to_string(receive_bytes), fmt::format("from 16 to {}", kMost));
  }
  return absl::OkStatus();
}

absl::StatusOr<ByteOrder> ParseByteOrder(std::string_view text) {
  if (micro::EqualsIgnoreCase(text, "big")) return ByteOrder::kBig;
  if (micro::EqualsIgnoreCase(text, "little")) return ByteOrder::kLittle;
  return Bad("byte_order", fmt::format("\"{}\"", text), "big or little");
}

absl::StatusOr<Dialect> ParseDialect(std::string_view text) {
  if (micro::EqualsIgnoreCase(text, "v2.1") || micro::EqualsIgnoreCase(text, "v2.1+"))
    return Dialect::kV21;
  if (micro::EqualsIgnoreCase(text, "v2.0")) return Dialect::kV20;
  return Bad("dialect", fmt::format("\"{}\"", text), "v2.1 or v2.0");
}

}  // namespace due
