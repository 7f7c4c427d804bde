// What a selector knows of a service, for people who ask why a call went where it did.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "selector/health.h"

namespace micro::selector {

struct NodeReport {
  std::string id = {}, address = {}, version = {}, locality = {};
  double weight = 1;
  int64_t in_flight = 0;
  int64_t calls = 0;                              // ended, since the node is known
  absl::Duration latency = absl::ZeroDuration();  // moving average; zero: no call has ended
  std::string state = {};                         // "usable", "ejected", "on trial"
  std::optional<Ejection> ejection = {};          // unless it is usable
};

struct RuleReport {
  std::string name = {};
  std::string when = {};  // "endpoint Greeter.Hello, X-Canary is true"; empty: always
  struct Route {
    std::string version = {};
    double weight = 1;
    size_t nodes = 0;
  };
  std::vector<Route> routes = {};
};

struct Report {
  std::string service = {}, strategy = {};
  absl::Duration age = absl::ZeroDuration();  // since the registry last answered for the service
  absl::Status registry_status = {};          // OK, or why it does not
  std::vector<NodeReport> nodes = {};         // by id
  std::vector<RuleReport> rules = {};         // in their order
};

}  // namespace micro::selector
