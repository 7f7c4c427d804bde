#include "registry/consul/consul_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "core/status_macros.h"
#include "registry/hex_zlib.h"
#include "registry/record_json.h"

namespace micro::registry::consul {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxAnswer = 64 << 20;
constexpr size_t kMaxValues = 2'000'000;  // of JSON; a node is some sixty and twice its tags
constexpr size_t kMaxUnpacked = 64 << 20;
constexpr size_t kMaxCatalog = 16384;   // services
constexpr size_t kMaxUnreadable = 100;  // lines kept

// Meta is for people who look at Consul; it is never read here. What Consul refuses there is left
// out: the tags have all of it.
constexpr size_t kMaxMeta = 64, kMaxMetaKey = 128, kMaxMetaValue = 512;

bool FitsMeta(const std::string& key, const std::string& value) {
  const bool plain = std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
  return plain && !key.empty() && key.size() <= kMaxMetaKey && value.size() <= kMaxMetaValue &&
         !key.starts_with("consul-");
}

Json MetaJson(const Labels& metadata) {
  Json meta = Json::object();
  for (const auto& [key, value] : metadata) {
    if (meta.size() < kMaxMeta && FitsMeta(key, value)) meta[key] = value;
  }
  return meta;
}

// A number without the zeros that end its fraction, and its unit.
std::string Trimmed(int64_t value, int64_t unit, std::string_view name) {
  std::string text = fmt::format("{}", value / unit);
  if (value % unit != 0) {
    std::string fraction = fmt::format("{:0{}}", value % unit, fmt::formatted_size("{}", unit) - 1);
    fraction.resize(fraction.find_last_not_of('0') + 1);
    text += "." + fraction;
  }
  return text.append(name);
}

// Reads the tags of one kind.
class TagReader {
 public:
  TagReader(char kind, size_t& budget, std::vector<std::string>& unreadable)
      : kind_(kind), budget_(budget), unreadable_(unreadable) {}

  // Hands `read` the text in each tag of this kind, until it says true; what it refuses is noted.
  // The first tag that it takes decides which of the two formats counts.
  void Read(const std::vector<std::string>& tags,
            const std::function<absl::StatusOr<bool>(const std::string& text)>& read) {
    char format = '\0';
    for (const std::string& tag : tags) {
      if (tag.size() < 2 || tag[0] != kind_ || (tag[1] != '-' && tag[1] != '=')) continue;
      if (format != '\0' && tag[1] != format) continue;
      const absl::StatusOr<std::string> text = Unpacked(tag);
      const absl::StatusOr<bool> taken = text.ok() ? read(*text) : text.status();
      if (!taken.ok()) {
        PassOver(tag, taken.status());
      } else if (*taken) {
        return;
      } else {
        format = tag[1];
      }
    }
  }

 private:
  absl::StatusOr<std::string> Unpacked(const std::string& tag) {
    const std::string_view content = std::string_view(tag).substr(2);
    if (tag[1] == '=') return std::string(content);
    if (budget_ == 0) {
      return absl::ResourceExhaustedError(
          fmt::format("a tag after {} MiB of inflated ones", kMaxUnpacked >> 20));
    }
    ASSIGN_OR_RETURN(std::string text, HexInflate(content, "a tag"));
    budget_ -= std::min(budget_, text.size());
    return text;
  }

  void PassOver(const std::string& tag, const absl::Status& why) {
    if (unreadable_.size() >= kMaxUnreadable) return;
    constexpr size_t kShown = 40;
    unreadable_.push_back(fmt::format("tag \"{}{}\": {}", tag.substr(0, kShown),
                                      tag.size() > kShown ? "…" : "", std::string(why.message())));
  }

  const char kind_;
  size_t& budget_;
  std::vector<std::string>& unreadable_;
};

Labels DecodeMetadata(const std::vector<std::string>& tags, size_t& budget,
                      std::vector<std::string>& unreadable) {
  Labels metadata;
  TagReader('t', budget, unreadable)
      .Read(tags, [&](const std::string& text) -> absl::StatusOr<bool> {
        ASSIGN_OR_RETURN(const Json pairs, ParseObject(text, "a tag"));
        for (const auto& [key, value] : pairs.items()) {
          if (!value.is_string())
            return absl::InvalidArgumentError("a tag with a value that is no text");
        }
        for (const auto& [key, value] : pairs.items())
          metadata.insert_or_assign(key, value.get<std::string>());
        return false;
      });
  return metadata;
}

std::vector<Endpoint> DecodeEndpoints(const std::vector<std::string>& tags, size_t& budget,
                                      std::vector<std::string>& unreadable) {
  std::vector<Endpoint> endpoints;
  TagReader('e', budget, unreadable)
      .Read(tags, [&](const std::string& text) -> absl::StatusOr<bool> {
        ASSIGN_OR_RETURN(const Json endpoint, ParseObject(text, "a tag"));
        endpoints.push_back(EndpointFrom(endpoint));
        return false;
      });
  return endpoints;
}

// Nothing: none of the tags is a version.
std::optional<std::string> DecodeVersion(const std::vector<std::string>& tags, size_t& budget,
                                         std::vector<std::string>& unreadable) {
  std::optional<std::string> version;
  TagReader('v', budget, unreadable).Read(tags, [&](const std::string& text) {
    version = text;
    return true;
  });
  return version;
}

std::vector<std::string> TextsOf(const Json& array) {
  std::vector<std::string> texts;
  for (const Json& text : array) {
    if (text.is_string()) texts.push_back(text.get<std::string>());
  }
  return texts;
}

const Json& ObjectOf(const Json& json, const char* key) {
  static const Json& none = *new Json(Json::object());
  const auto field = json.find(key);
  return field != json.end() && field->is_object() ? *field : none;
}

// host:port; the host alone where there is no port and the host is a name.
std::string AddressOf(const Json& entry) {
  std::string host = TextOf(ObjectOf(entry, "Service"), "Address");
  if (host.empty()) host = TextOf(ObjectOf(entry, "Node"), "Address");
  if (host.empty()) return host;
  const Json& service = ObjectOf(entry, "Service");
  const auto field = service.find("Port");
  const int64_t port =
      field != service.end() && field->is_number_integer() ? field->get<int64_t>() : 0;
  const bool ipv6 = host.find(':') != std::string::npos;
  const bool ip = ipv6 || host.find_first_not_of("0123456789.") == std::string::npos;
  if (port <= 0 || port > 65535) return ip ? "" : host;
  return fmt::format(fmt::runtime(ipv6 ? "[{}]:{}" : "{}:{}"), host, port);
}

bool IsCritical(const Json& entry) {
  const Json& checks = ArrayOf(entry, "Checks");
  return std::any_of(checks.begin(), checks.end(), [](const Json& check) {
    return check.is_object() && TextOf(check, "Status") == "critical";
  });
}

}  // namespace

std::vector<std::string> EncodeTags(const Tags& tags) {
  HexDeflater deflate;
  std::vector<std::string> encoded;
  for (const auto& [key, value] : tags.metadata)
    encoded.push_back("t-" + deflate(ToText(Json{{key, value}})));
  for (const Endpoint& endpoint : tags.endpoints)
    encoded.push_back("e-" + deflate(ToText(EndpointJson(endpoint))));
  encoded.push_back("v-" + deflate(tags.version));
  return encoded;
}

DecodedTags DecodeTags(const std::vector<std::string>& tags, size_t& budget) {
  DecodedTags decoded;
  const std::optional<std::string> version = DecodeVersion(tags, budget, decoded.unreadable);
  decoded.has_version = version.has_value();
  decoded.tags.version = version.value_or("");
  decoded.tags.metadata = DecodeMetadata(tags, budget, decoded.unreadable);
  decoded.tags.endpoints = DecodeEndpoints(tags, budget, decoded.unreadable);
  return decoded;
}

std::string GoDuration(absl::Duration duration) {
  if (duration < absl::ZeroDuration()) return "-" + GoDuration(-duration);
  const int64_t nanos = absl::ToInt64Nanoseconds(duration);
  if (nanos == 0) return "0s";
  if (nanos < 1000) return Trimmed(nanos, 1, "ns");
  if (nanos < 1000'000) return Trimmed(nanos, 1000, "µs");
  if (nanos < 1000'000'000) return Trimmed(nanos, 1000'000, "ms");
  const int64_t minutes = nanos / 60'000'000'000;
  std::string text = minutes >= 60 ? fmt::format("{}h", minutes / 60) : "";
  if (minutes > 0) text += fmt::format("{}m", minutes % 60);
  return text + Trimmed(nanos % 60'000'000'000, 1000'000'000, "s");
}

absl::StatusOr<std::string> RegistrationJson(const Service& service, const Node& node,
                                             std::string_view name, absl::Duration ttl) {
  const size_t colon = node.address.rfind(':');
  std::string host = node.address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const std::string port_text = colon == std::string::npos ? "" : node.address.substr(colon + 1);
  int port = 0;
  const auto [end, error] =
      std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
  if (error != std::errc() || end != port_text.data() + port_text.size() || port < 0 ||
      port > 65535) {
    return absl::InvalidArgumentError(
        fmt::format("node \"{}\" of service \"{}\": the port of \"{}\" is no number up to 65535, "
                    "which Consul needs (flag --server_advertise)",
                    node.id, service.name, node.address));
  }
  Json json = {{"ID", node.id},
               {"Name", name},
               {"Tags", EncodeTags({node.metadata, service.endpoints, service.version})},
               {"Port", port},
               {"Address", host},
               {"Meta", MetaJson(node.metadata)}};
  if (ttl > absl::ZeroDuration()) {
    // Consul lets a critical service stand for a minute at least.
    const absl::Duration gone = std::max(ttl, absl::Minutes(1)) + absl::Seconds(5);
    json["Check"] = {{"TTL", GoDuration(ttl)},
                     {"DeregisterCriticalServiceAfter", GoDuration(gone)},
                     {"Status", "passing"}};
  }
  return ToText(json);
}

absl::StatusOr<Health> ParseHealth(std::string_view text, std::string_view name) {
  ASSIGN_OR_RETURN(const Json json, ParseArray(text, "a health answer of Consul",
                                               {.bytes = kMaxAnswer,
                                                .values = kMaxValues,
                                                .keys = {"Node", "Service", "Checks", "ID", "Tags",
                                                         "Port", "Address", "Status"}}));
  Health health;
  size_t budget = kMaxUnpacked;
  std::map<std::string, Service> versions;
  std::map<std::string, std::set<std::string>> ids;
  for (const Json& entry : json) {
    if (!entry.is_object()) continue;
    const Json& instance = ObjectOf(entry, "Service");
    if (TextOf(instance, "Service") != name) continue;
    Node node{.id = TextOf(instance, "ID"), .address = AddressOf(entry)};
    std::vector<std::string> unreadable;
    if (node.id.empty() || node.address.empty()) {
      unreadable.push_back("an instance without id, address or port");
    } else if (IsCritical(entry)) {
      health.critical.insert(node.id);
      continue;
    } else {
      const std::vector<std::string> tags = TextsOf(ArrayOf(instance, "Tags"));
      const std::string version = DecodeVersion(tags, budget, unreadable).value_or("");
      node.metadata = DecodeMetadata(tags, budget, unreadable);
      Service& service =
          versions.try_emplace(version, Service{.name = std::string(name), .version = version})
              .first->second;
      // All nodes of a version have the same endpoints: those of the first are enough.
      if (service.endpoints.empty()) service.endpoints = DecodeEndpoints(tags, budget, unreadable);
      // An id that is there already is the same node, registered with two agents.
      if (ids[version].insert(node.id).second) service.nodes.push_back(std::move(node));
    }
    for (const std::string& line : unreadable) {
      if (health.unreadable.size() >= kMaxUnreadable) break;
      health.unreadable.push_back(
          fmt::format("service \"{}\", node \"{}\": {}", name, TextOf(instance, "ID"), line));
    }
  }
  for (auto& [version, service] : versions) {
    for (const Node& node : service.nodes) health.critical.erase(node.id);
    health.services.push_back(std::move(service));
  }
  return health;
}

absl::StatusOr<std::vector<std::string>> ParseCatalog(std::string_view text) {
  ASSIGN_OR_RETURN(
      const Json json,
      ParseObject(text, "Consul's list of services",
                  {.bytes = kMaxAnswer, .values = kMaxValues, .members = kMaxCatalog}));
  std::vector<std::string> names, unreadable;
  size_t budget = kMaxUnpacked;
  for (const auto& [name, tags] : json.items()) {
    if (tags.is_array() && DecodeVersion(TextsOf(tags), budget, unreadable).has_value())
      names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<CriticalServices> ParseCritical(std::string_view text) {
  ASSIGN_OR_RETURN(
      const Json json,
      ParseArray(text, "Consul's list of critical checks",
                 {.bytes = kMaxAnswer, .values = kMaxValues, .keys = {"ServiceName"}}));
  CriticalServices critical;
  for (const Json& check : json) {
    if (!check.is_object()) continue;
    std::string name = TextOf(check, "ServiceName");
    if (name.empty()) {
      critical.machines = true;
    } else {
      critical.names.insert(std::move(name));
    }
  }
  return critical;
}

}  // namespace micro::registry::consul
