#include "registry/consul/consul_view.h"

#include <algorithm>
#include <iterator>

namespace micro::registry::consul {
namespace {

Service WithoutNodes(const Service& service) {
  Service bare = service;
  bare.nodes.clear();
  return bare;
}

const Node* FindNode(const std::map<std::string, Service>& versions, const std::string& version,
                     const std::string& id) {
  const auto service = versions.find(version);
  if (service == versions.end()) return nullptr;
  const auto& nodes = service->second.nodes;
  const auto node =
      std::find_if(nodes.begin(), nodes.end(), [&](const Node& n) { return n.id == id; });
  return node == nodes.end() ? nullptr : &*node;
}

void Append(std::vector<Event>& events, Action action, Service service) {
  if (!service.nodes.empty()) events.push_back({action, std::move(service)});
}

}  // namespace

View::View(const std::vector<Service>& known, absl::Duration grace) : grace_(grace) {
  for (const Service& service : known) told_.emplace(service.version, service);
}

std::vector<Event> View::Update(const Health& health, absl::Time now) {
  const bool first = std::exchange(broken_, false);
  if (first) doubt_ends_ = now + grace_;
  const bool doubting = now < doubt_ends_;

  Versions live;
  std::set<std::string> live_ids, lost;
  for (const Service& service : health.services) {
    live.emplace(service.version, service);
    for (const Node& node : service.nodes) live_ids.insert(node.id);
  }

  std::vector<Event> created, updated, deleted;
  for (const auto& [version, service] : live) {
    const auto before = told_.find(version);
    const bool changed =
        before != told_.end() && WithoutNodes(before->second) != WithoutNodes(service);
    Service come = WithoutNodes(service), other = come;
    for (const Node& node : service.nodes) {
      const Node* known = FindNode(told_, version, node.id);
      if (known == nullptr) {
        come.nodes.push_back(node);
      } else if (changed || *known != node) {
        other.nodes.push_back(node);
      }
    }
    Append(created, Action::kCreate, std::move(come));
    Append(updated, Action::kUpdate, std::move(other));
  }

  doubted_.clear();
  for (const auto& [version, service] : told_) {
    const auto now_live = live.find(version);
    const Service bare = WithoutNodes(now_live == live.end() ? service : now_live->second);
    Service kept = bare, gone = bare;
    for (const Node& node : service.nodes) {
      if (FindNode(live, version, node.id) != nullptr) continue;
      const bool critical = health.critical.count(node.id) > 0;
      const bool missing_since_break = first || lost_.count(node.id) > 0;
      if (doubting && live_ids.count(node.id) == 0 && (critical || missing_since_break)) {
        if (!critical) lost.insert(node.id);
        kept.nodes.push_back(node);
      } else {
        gone.nodes.push_back(node);
      }
    }
    Append(deleted, Action::kDelete, std::move(gone));
    if (!kept.nodes.empty()) doubted_.emplace(version, std::move(kept));
  }

  told_ = std::move(live);
  lost_ = std::move(lost);
  for (const auto& [version, service] : doubted_) {
    Service& all = told_.try_emplace(version, WithoutNodes(service)).first->second;
    all.nodes.insert(all.nodes.end(), service.nodes.begin(), service.nodes.end());
  }

  std::vector<Event> events = std::move(created);
  std::move(updated.begin(), updated.end(), std::back_inserter(events));
  std::move(deleted.begin(), deleted.end(), std::back_inserter(events));
  return events;
}

std::vector<Service> View::Doubted() const {
  std::vector<Service> services;
  for (const auto& [version, service] : broken_ ? told_ : doubted_) services.push_back(service);
  return services;
}

}  // namespace micro::registry::consul
