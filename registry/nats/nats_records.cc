#include "registry/nats/nats_records.h"

namespace micro::registry {
namespace {

Service WithoutNodes(const Service& service) {
  return {service.name, service.version, service.metadata, service.endpoints, {}};
}

}  // namespace

uint64_t NatsRecords::Register(const Service& service, absl::Time expires) {
  const uint64_t number = ++registrations_;
  Record& record = records_[{service.name, service.version}];
  record.service = WithoutNodes(service);
  for (const Node& node : service.nodes) {
    const uint64_t first =
        record.nodes.try_emplace(node.id, Entry{.first = number}).first->second.first;
    record.nodes[node.id] = {.node = node, .expires = expires, .first = first, .last = number};
  }
  return number;
}

void NatsRecords::Deregister(const Service& service) {
  const auto record = records_.find({service.name, service.version});
  if (record == records_.end()) return;
  for (const Node& node : service.nodes) record->second.nodes.erase(node.id);
  if (record->second.nodes.empty()) records_.erase(record);
}

Service NatsRecords::Withdraw(Service service, uint64_t registration) {
  const auto record = records_.find({service.name, service.version});
  std::erase_if(service.nodes, [&](const Node& node) {
    if (record == records_.end()) return true;
    const auto entry = record->second.nodes.find(node.id);
    return entry == record->second.nodes.end() || entry->second.first != registration ||
           entry->second.last != registration;
  });
  Deregister(service);
  return service;
}

std::vector<Service> NatsRecords::Find(std::string_view name) const {
  std::vector<Service> found;
  for (const auto& [key, record] : records_) {
    if (!name.empty() && key.first != name) continue;
    Service& service = found.emplace_back(record.service);
    for (const auto& [id, entry] : record.nodes) service.nodes.push_back(entry.node);
  }
  return found;
}

std::vector<Service> NatsRecords::TakeExpired(absl::Time now) {
  std::vector<Service> expired;
  for (auto record = records_.begin(); record != records_.end();) {
    Service lost = WithoutNodes(record->second.service);
    std::erase_if(record->second.nodes, [&](const auto& node) {
      if (node.second.expires > now) return false;
      lost.nodes.push_back(node.second.node);
      return true;
    });
    if (!lost.nodes.empty()) expired.push_back(std::move(lost));
    record = record->second.nodes.empty() ? records_.erase(record) : std::next(record);
  }
  return expired;
}

}  // namespace micro::registry
