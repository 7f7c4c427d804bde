#include "registry/hex_zlib.h"

#include <fmt/format.h>
#include <zlib.h>

#include "absl/strings/escaping.h"
#include "core/strings.h"

namespace micro::registry {
namespace {

constexpr size_t kMaxInflated = 1 << 20;

}  // namespace

struct HexDeflater::Stream {
  // It and what follows fail only for want of room or memory; there is enough of both.
  Stream() { deflateInit(&zlib, Z_DEFAULT_COMPRESSION); }
  ~Stream() { deflateEnd(&zlib); }

  z_stream zlib = {};
};

HexDeflater::HexDeflater() : stream_(std::make_unique<Stream>()) {}
HexDeflater::~HexDeflater() = default;

std::string HexDeflater::operator()(std::string_view text) {
  z_stream& zlib = stream_->zlib;
  std::string compressed(deflateBound(&zlib, text.size()), '\0');
  zlib.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  zlib.avail_in = static_cast<uInt>(text.size());
  zlib.next_out = reinterpret_cast<Bytef*>(compressed.data());
  zlib.avail_out = static_cast<uInt>(compressed.size());
  deflate(&zlib, Z_FINISH);
  compressed.resize(compressed.size() - zlib.avail_out);
  deflateReset(&zlib);
  return absl::BytesToHexString(ToAbsl(compressed));
}

std::string HexDeflate(std::string_view text) { return HexDeflater()(text); }

absl::StatusOr<std::string> HexInflate(std::string_view hex, std::string_view what) {
  // absl::HexStringToBytes takes any character for a digit.
  if (hex.size() % 2 != 0 ||
      hex.find_first_not_of("0123456789abcdefABCDEF") != std::string_view::npos) {
    return absl::InvalidArgumentError(fmt::format("{} that is not hexadecimal", what));
  }
  std::string compressed = absl::HexStringToBytes(ToAbsl(hex));
  z_stream stream = {};
  if (inflateInit(&stream) != Z_OK)
    return absl::ResourceExhaustedError(fmt::format("no memory to inflate {}", what));
  stream.next_in = reinterpret_cast<Bytef*>(compressed.data());
  stream.avail_in = static_cast<uInt>(compressed.size());
  std::string text;
  int result = Z_OK;
  while (result == Z_OK && text.size() <= kMaxInflated) {
    char piece[16384];
    stream.next_out = reinterpret_cast<Bytef*>(piece);
    stream.avail_out = sizeof(piece);
    result = inflate(&stream, Z_NO_FLUSH);
    text.append(piece, sizeof(piece) - stream.avail_out);
  }
  inflateEnd(&stream);
  if (text.size() > kMaxInflated) {
    return absl::InvalidArgumentError(fmt::format("{} that inflates to more than 1 MiB", what));
  }
  if (result != Z_STREAM_END)
    return absl::InvalidArgumentError(fmt::format("{} that is no zlib stream", what));
  return text;
}

}  // namespace micro::registry
