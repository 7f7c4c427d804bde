#include "core/metadata.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/strings.h"

namespace micro {

Metadata::Metadata(std::initializer_list<Pair> pairs) {
  pairs_.reserve(pairs.size());
  for (const auto& [key, value] : pairs) Set(key, value);
}

std::vector<Metadata::Pair>::iterator Metadata::Find(std::string_view key) {
  return std::find_if(pairs_.begin(), pairs_.end(),
                      [&](const Pair& pair) { return EqualsIgnoreCase(pair.first, key); });
}

std::optional<std::string_view> Metadata::Get(std::string_view key) const {
  for (const auto& [name, value] : pairs_) {
    if (EqualsIgnoreCase(name, key)) return value;
  }
  return std::nullopt;
}

void Metadata::Set(std::string_view key, std::string_view value) {
  const auto place = Find(key);
  if (value.empty()) {
    if (place != pairs_.end()) pairs_.erase(place);
  } else if (place != pairs_.end()) {
    *place = Pair(key, value);
  } else {
    pairs_.emplace_back(key, value);
  }
}

void Metadata::Append(std::string_view key, std::string_view value) {
  const auto place = Find(key);
  if (place == pairs_.end()) {
    pairs_.emplace_back(key, value);
  } else {
    place->second.append(", ").append(value);
  }
}

void Metadata::Delete(std::string_view key) {
  const auto place = Find(key);
  if (place != pairs_.end()) pairs_.erase(place);
}

void Metadata::Merge(const Metadata& other, bool overwrite) {
  for (const auto& [key, value] : other) {
    if (overwrite || !Get(key).has_value()) Set(key, value);
  }
}

bool operator==(const Metadata& a, const Metadata& b) {
  if (a.size() != b.size()) return false;
  return std::all_of(a.begin(), a.end(),
                     [&](const Metadata::Pair& pair) { return b.Get(pair.first) == pair.second; });
}

absl::Status CheckHeader(std::string_view key, std::string_view value) {
  const auto may_stand_in_key = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.';
  };
  if (key.empty() || !std::all_of(key.begin(), key.end(), may_stand_in_key)) {
    return absl::InvalidArgumentError(
        absl::StrCat("metadata key \"", ToAbsl(key),
                     "\" cannot be a header: keys are letters, digits, '-', '_' and '.'"));
  }
  if (absl::EndsWithIgnoreCase(ToAbsl(key), "-bin")) return absl::OkStatus();
  for (const char c : value) {
    if (c >= 0x20 && c <= 0x7e) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("metadata \"", ToAbsl(key), "\" has byte 0x",
                     absl::Hex(static_cast<unsigned char>(c), absl::kZeroPad2),
                     ", which a header cannot carry; encode it, or end the key in -bin"));
  }
  return absl::OkStatus();
}

std::string CanonicalKey(std::string_view key) {
  std::string canonical(key);
  bool word_begins = true;
  for (char& c : canonical) {
    if (word_begins) c = absl::ascii_toupper(c);
    const bool ascii = absl::ascii_isascii(static_cast<unsigned char>(c));
    word_begins = ascii && !absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '_';
  }
  return canonical;
}

bool IsForwarded(std::string_view key) {
  static constexpr std::array<std::string_view, 20> kHopKeys = {"accept",
                                                                "accept-encoding",
                                                                "connection",
                                                                "content-encoding",
                                                                "content-length",
                                                                "content-type",
                                                                "grpc-timeout",
                                                                "host",
                                                                "keep-alive",
                                                                "local",
                                                                "micro-topic",
                                                                "proxy-connection",
                                                                "remote",
                                                                "te",
                                                                "timeout",
                                                                "trailer",
                                                                "transfer-encoding",
                                                                "upgrade",
                                                                "user-agent",
                                                                "x-content-type"};
  if (key.empty() || key[0] == ':') return false;
  if (absl::StartsWithIgnoreCase(ToAbsl(key), "grpc-")) return false;
  return std::none_of(kHopKeys.begin(), kHopKeys.end(),
                      [&](std::string_view hop) { return EqualsIgnoreCase(hop, key); });
}

}  // namespace micro
