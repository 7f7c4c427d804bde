#include "selector/traffic.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <yaml-cpp/yaml.h>

#include <charconv>
#include <cmath>
#include <initializer_list>
#include <utility>

#include "core/random.h"
#include "core/status_macros.h"
#include "selector/stable_hash.h"

namespace micro::selector {
namespace {

constexpr size_t kMostBytes = 1 << 20;
constexpr size_t kMostRules = 1000;  // of one service; so many matches and routes of one rule
constexpr double kMostWeight = 1e6;

// A place in the file, for errors.
class Place {
 public:
  Place(const YAML::Node& node, std::string_view file, std::string path)
      : node_(node), file_(file), path_(std::move(path)) {}

  const YAML::Node& node() const { return node_; }

  absl::Status Expected(std::string_view what) const {
    const YAML::Mark mark = node_.Mark();
    return absl::InvalidArgumentError(
        fmt::format("{}:{}: {}: expected {}", file_, mark.line + 1, path_, what));
  }

  Place Key(const std::string& key) const {
    return Place(node_[key], file_, path_.empty() ? key : path_ + "." + key);
  }
  Place Item(size_t index) const {
    return Place(node_[index], file_, fmt::format("{}[{}]", path_, index));
  }
  bool Has(const std::string& key) const { return static_cast<bool>(node_[key]); }

  // A map with none but these keys.
  absl::Status IsMapOf(std::initializer_list<std::string_view> keys) const {
    RETURN_IF_ERROR(IsMap());
    for (const auto& entry : node_) {
      const std::string& key = entry.first.Scalar();
      bool known = false;
      std::string list;
      for (const std::string_view each : keys) {
        known = known || key == each;
        list += fmt::format("{}{}", list.empty() ? "" : ", ", each);
      }
      if (!known) {
        return Place(entry.first, file_, path_.empty() ? key : path_ + "." + key)
            .Expected(fmt::format("one of the keys {}", list));
      }
    }
    return absl::OkStatus();
  }
  absl::Status IsMap() const {
    if (!node_.IsMap()) return Expected("keys and values");
    for (const auto& entry : node_) {
      if (!entry.first.IsScalar()) return Expected("keys that are plain text");
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> Text(std::string_view what) const {
    if (!node_.IsScalar() || node_.Scalar().empty()) return Expected(what);
    return node_.Scalar();
  }

 private:
  YAML::Node node_;
  std::string_view file_;
  std::string path_;
};

absl::StatusOr<TrafficMatch> ReadMatch(std::string key, const Place& place) {
  TrafficMatch match{.key = std::move(key)};
  if (place.node().IsScalar()) {
    match.value = place.node().Scalar();
    return match;
  }
  RETURN_IF_ERROR(place.IsMapOf({"exact", "prefix", "present"}));
  if (place.node().size() != 1) return place.Expected("one of exact, prefix, present");
  if (place.Has("present")) {
    const Place present = place.Key("present");
    bool wanted = false;
    if (!YAML::convert<bool>::decode(present.node(), wanted))
      return present.Expected("true or false");
    match.kind = wanted ? TrafficMatch::Kind::kPresent : TrafficMatch::Kind::kAbsent;
    return match;
  }
  match.kind = place.Has("prefix") ? TrafficMatch::Kind::kPrefix : TrafficMatch::Kind::kExact;
  ASSIGN_OR_RETURN(match.value, place.Key(place.Has("prefix") ? "prefix" : "exact").Text("a text"));
  return match;
}

absl::StatusOr<TrafficRoute> ReadRoute(const Place& place) {
  RETURN_IF_ERROR(place.IsMapOf({"version", "weight"}));
  TrafficRoute route;
  if (!place.Has("version")) return place.Expected("a version");
  ASSIGN_OR_RETURN(route.version, place.Key("version").Text("a version"));
  if (!place.Has("weight")) return route;
  const Place weight = place.Key("weight");
  constexpr std::string_view kWeight = "a number from 0 to 1000000";
  ASSIGN_OR_RETURN(const std::string text, weight.Text(kWeight));
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), route.weight);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  if (!whole || !(route.weight >= 0 && route.weight <= kMostWeight))
    return weight.Expected(kWeight);
  return route;
}

absl::StatusOr<TrafficRule> ReadRule(size_t number, const Place& place) {
  RETURN_IF_ERROR(place.IsMapOf({"name", "match", "endpoint", "by", "route"}));
  TrafficRule rule{.name = fmt::format("rule {}", number + 1)};
  if (place.Has("name")) {
    ASSIGN_OR_RETURN(rule.name, place.Key("name").Text("a name"));
  }
  if (place.Has("endpoint")) {
    ASSIGN_OR_RETURN(rule.endpoint,
                     place.Key("endpoint").Text("an endpoint such as Greeter.Hello"));
  }
  if (place.Has("by")) {
    ASSIGN_OR_RETURN(rule.by, place.Key("by").Text("a key of the metadata"));
  }
  if (place.Has("match")) {
    const Place matches = place.Key("match");
    RETURN_IF_ERROR(matches.IsMap());
    if (matches.node().size() > kMostRules) return matches.Expected("fewer matches");
    for (const auto& entry : matches.node()) {
      const std::string& key = entry.first.Scalar();
      ASSIGN_OR_RETURN(TrafficMatch match, ReadMatch(key, matches.Key(key)));
      rule.matches.push_back(std::move(match));
    }
  }
  if (!place.Has("route")) return place.Expected("a route");
  const Place routes = place.Key("route");
  if (routes.node().IsMap()) {
    ASSIGN_OR_RETURN(TrafficRoute route, ReadRoute(routes));
    if (route.weight == 0) return routes.Expected("a weight above 0");
    rule.routes.push_back(std::move(route));
    return rule;
  }
  if (!routes.node().IsSequence() || routes.node().size() == 0 ||
      routes.node().size() > kMostRules) {
    return routes.Expected("{version: …} or a list of such");
  }
  double sum = 0;
  for (size_t i = 0; i < routes.node().size(); ++i) {
    ASSIGN_OR_RETURN(TrafficRoute route, ReadRoute(routes.Item(i)));
    sum += route.weight;
    rule.routes.push_back(std::move(route));
  }
  if (sum == 0) return routes.Expected("a weight above 0");
  return rule;
}

absl::StatusOr<std::vector<TrafficRule>> ReadRules(const Place& place) {
  if (!place.node().IsSequence() || place.node().size() > kMostRules)
    return place.Expected("a list of at most 1000 rules");
  std::vector<TrafficRule> rules;
  for (size_t i = 0; i < place.node().size(); ++i) {
    ASSIGN_OR_RETURN(TrafficRule rule, ReadRule(i, place.Item(i)));
    rules.push_back(std::move(rule));
  }
  return rules;
}

absl::StatusOr<TrafficRules> ReadFile(const Place& file) {
  TrafficRules read;
  if (file.node().IsNull()) return read;  // an empty file has no rules
  RETURN_IF_ERROR(file.IsMapOf({"services"}));
  if (!file.Has("services")) return read;
  const Place services = file.Key("services");
  RETURN_IF_ERROR(services.IsMap());
  for (const auto& entry : services.node()) {
    const std::string& name = entry.first.Scalar();
    const Place service = services.Key(name);
    RETURN_IF_ERROR(service.IsMapOf({"rules"}));
    if (!service.Has("rules")) continue;
    ASSIGN_OR_RETURN(read.services[name], ReadRules(service.Key("rules")));
  }
  return read;
}

}  // namespace

bool TrafficMatch::Holds(const Metadata* metadata) const {
  const std::optional<std::string_view> found =
      metadata == nullptr ? std::nullopt : metadata->Get(key);
  switch (kind) {
    case Kind::kExact:
      return found == value;
    case Kind::kPrefix:
      return found.has_value() && found->starts_with(value);
    case Kind::kPresent:
      return found.has_value();
    case Kind::kAbsent:
      return !found.has_value();
  }
  return false;
}

bool TrafficRule::Applies(std::string_view called, const Metadata* metadata) const {
  if (!endpoint.empty() && endpoint != called) return false;
  for (const TrafficMatch& match : matches) {
    if (!match.Holds(metadata)) return false;
  }
  return true;
}

std::string TrafficRule::When() const {
  std::vector<std::string> parts;
  if (!endpoint.empty()) parts.push_back("endpoint " + endpoint);
  for (const TrafficMatch& match : matches) {
    switch (match.kind) {
      case TrafficMatch::Kind::kExact:
        parts.push_back(fmt::format("{} is {}", match.key, match.value));
        break;
      case TrafficMatch::Kind::kPrefix:
        parts.push_back(fmt::format("{} begins with {}", match.key, match.value));
        break;
      case TrafficMatch::Kind::kPresent:
        parts.push_back(fmt::format("{} is there", match.key));
        break;
      case TrafficMatch::Kind::kAbsent:
        parts.push_back(fmt::format("{} is not there", match.key));
        break;
    }
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

double TrafficRule::LotOf(const Metadata* metadata) const {
  if (!by.empty() && metadata != nullptr) {
    if (const auto value = metadata->Get(by))
      return static_cast<double>(StableHash(*value) >> 11) * 0x1.0p-53;
  }
  return RandomUnit();
}

absl::StatusOr<TrafficRules> ParseTraffic(std::string_view text, std::string_view name) {
  if (text.size() > kMostBytes)
    return absl::InvalidArgumentError(fmt::format("{}: is larger than 1 MiB", name));
  try {
    return ReadFile(Place(YAML::Load(std::string(text)), name, ""));
  } catch (const YAML::Exception& e) {
    return absl::InvalidArgumentError(
        fmt::format("{}:{}: is no YAML: {}", name, e.mark.line + 1, e.msg));
  } catch (const std::exception& e) {
    return absl::InvalidArgumentError(fmt::format("{}: cannot be read: {}", name, e.what()));
  }
}

}  // namespace micro::selector
