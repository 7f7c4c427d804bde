#include "due/node/links.h"

#include <fmt/format.h>

#include <set>
#include <utility>

namespace due {

NodeLinks::NodeLinks(LinkClientOptions self, std::string name, const Packer& packer,
                     CachedLocator& locator, micro::net::Loops& loops, Dispatch dispatch,
                     std::shared_ptr<const Bodies> bodies)
    : nid_(self.id),
      name_(std::move(name)),
      packer_(packer),
      locator_(locator),
      bodies_(std::move(bodies)),
      gate_links_(self, loops),
      node_links_(std::move(self), loops),
      nodes_(dispatch, node_links_) {}

void NodeLinks::SetGates(const std::vector<Gate>& gates) {
  auto now = std::make_shared<Gates>();
  std::set<std::string> addresses;
  for (const Gate& gate : gates) {
    now->emplace(gate.id, gate_links_.Get(gate.address));
    addresses.insert(gate.address);
  }
  const std::shared_ptr<const Gates> before = gates_.Load();
  gates_.Store(std::move(now));
  for (const auto& [id, link] : *before) {
    if (!addresses.contains(link->address())) gate_links_.Drop(link->address());
  }
}

absl::StatusOr<std::shared_ptr<LinkClient>> NodeLinks::GateOf(const std::string& gid) const {
  const Gates& gates = gates_.Read();
  const auto found = gates.find(gid);
  if (found != gates.end()) return found->second;
  return absl::UnavailableError(fmt::format("gate \"{}\" is not known", gid));
}

micro::Task<void> NodeLinks::Close(micro::Context ctx) {
  co_await gate_links_.Close(ctx);
  co_await node_links_.Close(ctx);
}

std::vector<NodeLinks::Gate> ReadGates(const std::vector<Instance>& instances) {
  std::vector<NodeLinks::Gate> gates;
  for (const Instance& instance : instances) {
    std::string address = LinkAddressOf(instance);
    if (!address.empty()) gates.push_back({.id = instance.id, .address = std::move(address)});
  }
  return gates;
}

}  // namespace due
