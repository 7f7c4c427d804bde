#include "micro/debug/nodes.h"

#include <string>

#include "core/strings.h"
#include "core/text.h"

namespace micro {

debug::NodesResponse ToMessage(const selector::Report& report, absl::Time now) {
  debug::NodesResponse message;
  message.set_service(ValidUtf8(report.service));
  message.set_strategy(ValidUtf8(report.strategy));
  message.set_age(absl::ToInt64Nanoseconds(report.age));
  if (!report.registry_status.ok()) {
    const std::string error(report.registry_status.message());
    message.set_registry_error(error.empty() ? "unknown" : ValidUtf8(error));
  }
  for (const selector::NodeReport& node : report.nodes) {
    debug::NodesResponse::Node& to = *message.add_nodes();
    to.set_id(ValidUtf8(node.id));
    to.set_address(ValidUtf8(node.address));
    to.set_version(ValidUtf8(node.version));
    to.set_locality(ValidUtf8(node.locality));
    to.set_weight(node.weight);
    to.set_in_flight(node.in_flight);
    to.set_calls(node.calls);
    to.set_latency(absl::ToInt64Nanoseconds(node.latency));
    to.set_state(node.state);
    if (!node.ejection.has_value()) continue;
    debug::NodesResponse::Ejection& ejection = *to.mutable_ejection();
    ejection.set_since(absl::ToInt64Nanoseconds(now - node.ejection->since));
    ejection.set_until(absl::ToInt64Nanoseconds(node.ejection->until - now));
    ejection.set_why(ValidUtf8(node.ejection->why));
    ejection.set_times(node.ejection->times);
  }
  for (const selector::RuleReport& rule : report.rules) {
    debug::NodesResponse::Rule& to = *message.add_rules();
    to.set_name(ValidUtf8(rule.name));
    to.set_when(ValidUtf8(rule.when));
    for (const selector::RuleReport::Route& route : rule.routes) {
      debug::NodesResponse::Route& to_route = *to.add_routes();
      to_route.set_version(ValidUtf8(route.version));
      to_route.set_weight(route.weight);
      to_route.set_nodes(static_cast<int64_t>(route.nodes));
    }
  }
  return message;
}

selector::Report FromMessage(const debug::NodesResponse& message, absl::Time now) {
  selector::Report report{.service = message.service(),
                          .strategy = message.strategy(),
                          .age = absl::Nanoseconds(message.age())};
  if (!message.registry_error().empty())
    report.registry_status = absl::UnavailableError(ToAbsl(message.registry_error()));
  for (const debug::NodesResponse::Node& node : message.nodes()) {
    selector::NodeReport& to = report.nodes.emplace_back();
    to.id = node.id();
    to.address = node.address();
    to.version = node.version();
    to.locality = node.locality();
    to.weight = node.weight();
    to.in_flight = node.in_flight();
    to.calls = node.calls();
    to.latency = absl::Nanoseconds(node.latency());
    to.state = node.state();
    if (!node.has_ejection()) continue;
    to.ejection = selector::Ejection{.since = now - absl::Nanoseconds(node.ejection().since()),
                                     .until = now + absl::Nanoseconds(node.ejection().until()),
                                     .why = node.ejection().why(),
                                     .times = node.ejection().times()};
  }
  for (const debug::NodesResponse::Rule& rule : message.rules()) {
    selector::RuleReport& to = report.rules.emplace_back();
    to.name = rule.name();
    to.when = rule.when();
    for (const debug::NodesResponse::Route& route : rule.routes()) {
      to.routes.push_back({.version = route.version(),
                           .weight = route.weight(),
                           .nodes = static_cast<size_t>(route.nodes())});
    }
  }
  return report;
}

}  // namespace micro
