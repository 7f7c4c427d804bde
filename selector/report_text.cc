#include "selector/report_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string_view>
#include <vector>

#include "core/text.h"

namespace micro::selector {
namespace {

std::string Counted(size_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

std::string OrDash(const std::string& text) { return text.empty() ? "-" : text; }

std::string EjectionText(const Ejection& ejection, absl::Time now) {
  std::string text = fmt::format(" {} ago", ShortText(now - ejection.since));
  if (ejection.times > 1) text += fmt::format(" ({} times in a row)", ejection.times);
  text += ejection.until > now ? fmt::format(", tried again in {}", ShortText(ejection.until - now))
                               : std::string(", the next call tries it");
  return text + ": " + ejection.why;
}

std::string NodeText(const NodeReport& node, absl::Time now) {
  std::string text = fmt::format(
      "node {} {} version={} locality={} weight={} in_flight={} calls={} latency={} {}", node.id,
      node.address, OrDash(node.version), OrDash(node.locality), node.weight, node.in_flight,
      node.calls, node.latency == absl::ZeroDuration() ? "-" : ShortText(node.latency), node.state);
  if (node.ejection.has_value()) {
    if (node.state != "ejected") text += ", ejected";
    text += EjectionText(*node.ejection, now);
  }
  return text;
}

std::string RuleText(const RuleReport& rule) {
  std::vector<std::string> routes;
  for (const RuleReport::Route& route : rule.routes) {
    routes.push_back(fmt::format("version {} weight {} ({})", route.version, route.weight,
                                 Counted(route.nodes, "node")));
  }
  return fmt::format("rule {}, {}: {}", rule.name,
                     rule.when.empty() ? "always" : "when " + rule.when, fmt::join(routes, ", "));
}

}  // namespace

std::string ToText(const Report& report, absl::Time now) {
  const std::string registry =
      report.registry_status.ok()
          ? "registry ok"
          : "the registry does not answer: " + std::string(report.registry_status.message());
  std::string text =
      OneLine(fmt::format("service {}: strategy {}, {}, confirmed {} ago, {}", report.service,
                          report.strategy, Counted(report.nodes.size(), "node"),
                          ShortText(report.age), registry)) +
      "\n";
  for (const NodeReport& node : report.nodes) text += OneLine(NodeText(node, now)) + "\n";
  for (const RuleReport& rule : report.rules) text += OneLine(RuleText(rule)) + "\n";
  return text;
}

}  // namespace micro::selector
