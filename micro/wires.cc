#include "micro/wires.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string_view>
#include <utility>
#include <vector>

#include "core/plugin_table.h"
#include "core/status_macros.h"
#include "micro/call_error.h"

namespace micro {

absl::StatusOr<ClientWire*> Wires::Of(const registry::Node& node) const {
  const auto protocol = node.metadata.find("protocol");
  if (protocol == node.metadata.end()) return usual;
  const auto wire = all.find(protocol->second);
  if (wire != all.end()) return wire->second.get();
  std::vector<std::string_view> linked;
  for (const auto& [name, unused] : all) linked.push_back(name);
  return ClientError(fmt::format("node {} speaks protocol \"{}\", linked are: {}", node.id,
                                 protocol->second, fmt::join(linked, ", ")),
                     absl::StatusCode::kUnimplemented);
}

absl::StatusOr<std::shared_ptr<const Wires>> LinkedWires(const ClientOptions& options) {
  auto wires = std::make_shared<Wires>();
  // Asked for by name first, so that an unknown name is said.
  ASSIGN_OR_RETURN(std::unique_ptr<ClientWire> first,
                   PluginTable<ClientWire>::Create(options.wire, options));
  wires->usual = first.get();
  wires->all.emplace(first->protocol(), std::move(first));
  for (const std::string& name : PluginTable<ClientWire>::Names()) {
    if (name == options.wire) continue;
    ASSIGN_OR_RETURN(std::unique_ptr<ClientWire> wire,
                     PluginTable<ClientWire>::Create(name, options));
    wires->all.try_emplace(std::string(wire->protocol()), std::move(wire));
  }
  return wires;
}

}  // namespace micro
