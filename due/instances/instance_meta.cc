#include "due/instances/instance_meta.h"

#include <fmt/format.h>

#include <charconv>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/status_macros.h"
#include "core/strings.h"
#include "registry/record_json.h"

namespace due {
namespace {

using Json = nlohmann::ordered_json;
using micro::registry::Labels;

constexpr size_t kMaxChunk = 512;
constexpr std::string_view kRoutes = "routes-";
constexpr char kMetadata = '_';
enum Flag : int { kInternal = 1, kStateful = 2, kAuthorized = 4 };

template <class Number>
std::optional<Number> NumberOf(std::string_view text) {
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

void WriteRoutes(const std::vector<InstanceRoute>& routes, Labels& meta) {
  std::string chunk;
  int chunks = 0;
  const auto flush = [&] { meta[fmt::format("{}{}", kRoutes, chunks++)] = std::move(chunk); };
  for (const InstanceRoute& route : routes) {
    const int flags = (route.internal ? kInternal : 0) | (route.stateful ? kStateful : 0) |
                      (route.authorized ? kAuthorized : 0);
    const std::string item = fmt::format("{}-{}", route.id, flags);
    if (!chunk.empty() && chunk.size() + 1 + item.size() > kMaxChunk) {
      flush();
      chunk.clear();
    }
    if (!chunk.empty()) chunk += ',';
    chunk += item;
  }
  if (!chunk.empty()) flush();
}

// due writes a negative route as "-1-0", and cannot read it.
std::optional<InstanceRoute> RouteOf(std::string_view item) {
  const size_t dash = item.rfind('-');
  if (dash == item.npos) return std::nullopt;
  const std::optional<int32_t> id = NumberOf<int32_t>(item.substr(0, dash));
  const std::optional<uint32_t> flags = NumberOf<uint32_t>(item.substr(dash + 1));
  if (!id || !flags) return std::nullopt;
  return InstanceRoute{.id = *id,
                       .internal = (*flags & kInternal) != 0,
                       .stateful = (*flags & kStateful) != 0,
                       .authorized = (*flags & kAuthorized) != 0};
}

void ReadRoutes(std::string_view chunk, std::vector<InstanceRoute>& routes) {
  while (!chunk.empty()) {
    const std::string_view item = chunk.substr(0, chunk.find(','));
    if (const auto route = RouteOf(item)) routes.push_back(*route);
    chunk.remove_prefix(std::min(chunk.size(), item.size() + 1));
  }
}

absl::StatusOr<Json> ArrayIn(const std::string& text, const char* name) {
  return micro::registry::ParseArray(text, fmt::format("an instance's {}", name));
}

}  // namespace

Labels ToMeta(const Instance& instance) {
  Labels meta = {{"id", instance.id},
                 {"kind", instance.kind},
                 {"alias", instance.alias},
                 {"state", instance.state},
                 {"endpoint", instance.endpoint}};
  if (instance.weight > 0) meta["weight"] = fmt::format("{}", instance.weight);
  if (!instance.events.empty()) meta["events"] = micro::registry::ToText(Json(instance.events));
  if (!instance.services.empty())
    meta["services"] = micro::registry::ToText(Json(instance.services));
  WriteRoutes(instance.routes, meta);
  for (const auto& [key, value] : instance.metadata) meta[kMetadata + key] = value;
  return meta;
}

absl::StatusOr<Instance> FromMeta(const Labels& meta) {
  const auto text = [&](const char* key) {
    const auto pair = meta.find(key);
    return pair == meta.end() ? std::string() : pair->second;
  };
  Instance instance = {.id = text("id"),
                       .kind = text("kind"),
                       .alias = text("alias"),
                       .state = text("state"),
                       .endpoint = text("endpoint")};
  if (instance.id.empty()) return absl::InvalidArgumentError("an instance without id");
  if (const std::string weight = text("weight"); !weight.empty()) {
    const std::optional<int32_t> number = NumberOf<int32_t>(weight);
    if (!number) {
      return absl::InvalidArgumentError(
          fmt::format("an instance's weight is \"{}\"", weight.substr(0, 200)));
    }
    instance.weight = *number;
  }
  if (const std::string events = text("events"); !events.empty()) {
    ASSIGN_OR_RETURN(const Json array, ArrayIn(events, "events"));
    for (const Json& event : array) {
      const std::optional<int32_t> number = NumberOf<int32_t>(event.dump());
      if (!number) return absl::InvalidArgumentError("an instance's event is no number");
      instance.events.push_back(*number);
    }
  }
  if (const std::string services = text("services"); !services.empty()) {
    ASSIGN_OR_RETURN(const Json array, ArrayIn(services, "services"));
    for (const Json& service : array) {
      if (!service.is_string())
        return absl::InvalidArgumentError("an instance's service is no text");
      instance.services.push_back(service.get<std::string>());
    }
  }
  std::map<uint32_t, std::string_view> chunks;  // "routes-10" stands before "routes-2" in Meta
  for (const auto& [key, value] : meta) {
    if (key.starts_with(kMetadata)) instance.metadata[key.substr(1)] = value;
    if (!key.starts_with(kRoutes)) continue;
    if (const auto number = NumberOf<uint32_t>(std::string_view(key).substr(kRoutes.size())))
      chunks[*number] = value;
  }
  for (const auto& [number, chunk] : chunks) ReadRoutes(chunk, instance.routes);
  return instance;
}

}  // namespace due
