#include "registry/mdns/txt_record.h"

#include <nlohmann/json.hpp>

#include "core/status_macros.h"
#include "registry/hex_zlib.h"
#include "registry/record_json.h"

namespace micro::registry {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kStringSize = 255;

}  // namespace

std::vector<std::string> EncodeTxt(const TxtRecord& record) {
  const Json json = {{"Metadata", record.metadata},
                     {"Service", record.service},
                     {"Version", record.version},
                     {"Endpoints", EndpointsJson(record.endpoints)}};
  const std::string hex = HexDeflate(ToText(json));
  std::vector<std::string> strings;
  for (size_t at = 0; at < hex.size(); at += kStringSize)
    strings.push_back(hex.substr(at, kStringSize));
  return strings;
}

absl::StatusOr<TxtRecord> DecodeTxt(const std::vector<std::string>& strings) {
  std::string hex;
  for (const std::string& piece : strings) hex += piece;
  ASSIGN_OR_RETURN(const std::string text, HexInflate(hex, "a TXT record"));
  ASSIGN_OR_RETURN(const Json json, ParseObject(text, "a TXT record"));
  return TxtRecord{.metadata = LabelsOf(json, "Metadata"),
                   .service = TextOf(json, "Service"),
                   .version = TextOf(json, "Version"),
                   .endpoints = EndpointsOf(json, "Endpoints")};
}

}  // namespace micro::registry
