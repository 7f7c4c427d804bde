#include "registry/nats/nats_answers.h"

#include <fmt/format.h>

#include "registry/record_json.h"

namespace micro::registry {
namespace {

size_t BytesOf(const Service& service) {
  size_t bytes = sizeof(Service) + service.name.size() + service.version.size() +
                 MemoryOf(service.metadata) + MemoryOf(service.endpoints);
  for (const Node& node : service.nodes) {
    bytes += sizeof(Node) + node.id.size() + node.address.size() + MemoryOf(node.metadata);
  }
  return bytes;
}

}  // namespace

absl::Status NatsAnswers::Add(const Service& answer) {
  if (!service_.empty() && answer.name != service_) {
    return absl::InvalidArgumentError(
        fmt::format("an answer of \"{}\" to a question for \"{}\"", answer.name, service_));
  }
  if (answer.nodes.empty()) return absl::OkStatus();
  // Doubles count as well: they are answers too.
  const size_t bytes = BytesOf(answer);
  if (nodes_ + answer.nodes.size() > kMaxNodes || bytes_ + bytes > kMaxBytes) {
    return absl::ResourceExhaustedError(fmt::format(
        "answers of more than {} nodes or {} MiB to one question", kMaxNodes, kMaxBytes >> 20));
  }
  nodes_ += answer.nodes.size();
  bytes_ += bytes;
  Version& version = versions_[{answer.name, answer.version}];
  for (const Node& node : answer.nodes) version.nodes[node.id] = node;
  version.service = answer;
  version.service.nodes.clear();
  return absl::OkStatus();
}

std::vector<Service> NatsAnswers::Take() {
  std::vector<Service> found;
  for (auto& [key, version] : versions_) {
    Service& service = found.emplace_back(std::move(version.service));
    for (auto& [id, node] : version.nodes) service.nodes.push_back(std::move(node));
  }
  versions_.clear();
  return found;
}

}  // namespace micro::registry
