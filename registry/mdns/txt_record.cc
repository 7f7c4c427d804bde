#include "registry/mdns/txt_record.h"

#include <zlib.h>

#include <nlohmann/json.hpp>
#include <string_view>

#include "absl/strings/escaping.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "registry/record_json.h"

namespace micro::registry {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kStringSize = 255;
constexpr size_t kMaxInflated = 1 << 20;

std::string Deflate(const std::string& text) {
  uLongf size = compressBound(text.size());
  std::string compressed(size, '\0');
  // Fails only for want of room or memory; there is enough of both.
  compress(reinterpret_cast<Bytef*>(compressed.data()), &size,
           reinterpret_cast<const Bytef*>(text.data()), text.size());
  compressed.resize(size);
  return compressed;
}

absl::StatusOr<std::string> Inflate(std::string_view compressed) {
  z_stream stream = {};
  if (inflateInit(&stream) != Z_OK)
    return absl::ResourceExhaustedError("no memory to inflate a TXT record");
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(compressed.data()));
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
    return absl::InvalidArgumentError("a TXT record that inflates to more than 1 MiB");
  }
  if (result != Z_STREAM_END)
    return absl::InvalidArgumentError("a TXT record that is no zlib stream");
  return text;
}

absl::StatusOr<std::string> FromHex(const std::vector<std::string>& strings) {
  std::string hex;
  for (const std::string& piece : strings) hex += piece;
  // absl::HexStringToBytes takes any character for a digit.
  if (hex.size() % 2 != 0 || hex.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos) {
    return absl::InvalidArgumentError("a TXT record that is not hexadecimal");
  }
  return absl::HexStringToBytes(hex);
}

}  // namespace

std::vector<std::string> EncodeTxt(const TxtRecord& record) {
  const Json json = {{"Metadata", record.metadata},
                     {"Service", record.service},
                     {"Version", record.version},
                     {"Endpoints", EndpointsJson(record.endpoints)}};
  const std::string compressed = Deflate(ToText(json));
  const std::string hex = absl::BytesToHexString(ToAbsl(compressed));
  std::vector<std::string> strings;
  for (size_t at = 0; at < hex.size(); at += kStringSize)
    strings.push_back(hex.substr(at, kStringSize));
  return strings;
}

absl::StatusOr<TxtRecord> DecodeTxt(const std::vector<std::string>& strings) {
  ASSIGN_OR_RETURN(const std::string compressed, FromHex(strings));
  ASSIGN_OR_RETURN(const std::string text, Inflate(compressed));
  ASSIGN_OR_RETURN(const Json json, ParseObject(text, "a TXT record"));
  return TxtRecord{.metadata = LabelsOf(json, "Metadata"),
                   .service = TextOf(json, "Service"),
                   .version = TextOf(json, "Version"),
                   .endpoints = EndpointsOf(json, "Endpoints")};
}

}  // namespace micro::registry
