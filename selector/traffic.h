// Traffic rules say which versions of a service calls may go to: a canary by weight, testers by a
// header, an A/B test by user. They stand in a file:
//
//   services:
//     greeter:
//       rules:                               # the first whose matches all hold decides
//         - name: testers
//           match: {X-Canary: "true"}        # of the call's metadata; {prefix: …} and {present: true} too
//           route: {version: 2.0.0}
//         - name: canary
//           endpoint: Greeter.Hello          # without it: every endpoint
//           by: X-User                       # the same user, the same version; without it: by lot
//           route:
//             - {version: 1.0.0, weight: 90}
//             - {version: 2.0.0, weight: 10}
//
// Calls that no rule is for go to all versions. Values; any thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/metadata.h"

namespace micro::selector {

// What a call's metadata must have.
struct TrafficMatch {
  enum class Kind { kExact, kPrefix, kPresent, kAbsent };
  std::string key = {};
  Kind kind = Kind::kExact;
  std::string value = {};

  bool Holds(const Metadata* metadata) const;
};

// A part of the calls, and who gets it.
struct TrafficRoute {
  std::string version = {};
  double weight = 1;
};

struct TrafficRule {
  std::string name = {};  // "rule 2" where the file gives none
  std::vector<TrafficMatch> matches = {};
  std::string endpoint = {};  // empty: any
  std::string by = {};        // the metadata that decides among the routes; empty: by lot
  std::vector<TrafficRoute> routes = {};

  // Whether the rule is for a call.
  bool Applies(std::string_view called, const Metadata* metadata) const;

  // The same for people: "endpoint Greeter.Hello, X-Canary is true"; empty: always.
  std::string When() const;

  // Where in [0, 1) a call stands among the routes.
  double LotOf(const Metadata* metadata) const;
};

struct TrafficRules {
  std::map<std::string, std::vector<TrafficRule>, std::less<>> services = {};
};

// The rules in the text of the file `name`. INVALID_ARGUMENT names file, line and key:
// "traffic.yaml:12: services.greeter.rules[1].route[0].weight: expected a number …".
absl::StatusOr<TrafficRules> ParseTraffic(std::string_view text, std::string_view name);

}  // namespace micro::selector
