#include "due/node/links.h"

#include <fmt/format.h>

#include <set>

namespace due {

void NodeLinks::SetGates(const std::vector<Gate>& gates) {
  auto now = std::make_shared<Gates>();
  std::set<std::string> addresses;
  for (const Gate& gate : gates) {
    now->emplace(gate.id, pool_.Get(gate.address));
    addresses.insert(gate.address);
  }
  const std::shared_ptr<const Gates> before = gates_.Load();
  gates_.Store(std::move(now));
  for (const auto& [id, link] : *before) {
    if (!addresses.contains(link->address())) pool_.Drop(link->address());
  }
}

absl::StatusOr<std::shared_ptr<LinkClient>> NodeLinks::GateOf(const std::string& gid) const {
  const Gates& gates = gates_.Read();
  const auto found = gates.find(gid);
  if (found != gates.end()) return found->second;
  return absl::UnavailableError(fmt::format("gate \"{}\" is not known", gid));
}

}  // namespace due
