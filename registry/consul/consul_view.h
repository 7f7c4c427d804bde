// A View is what watchers have been told of one service: it turns what Consul says into the changes
// since then.
//
// An agent that was away may have lost what it knew, and the checks that nobody could pass meanwhile
// have failed: its word that nodes are gone is not believed at once. For a grace period after a
// break, nodes are kept that its first answer lacks, until they are back, and nodes that fail a
// check. When the period is over, what is still missing is gone. For one thread at a time.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "registry/consul/consul_record.h"
#include "registry/registry.h"

namespace micro::registry::consul {

class View {
 public:
  // `known`: what needs no telling.
  View(const std::vector<Service>& known, absl::Duration grace);

  // The changes to what Consul says now, new nodes first and lost ones last.
  std::vector<Event> Update(const Health& health, absl::Time now);

  // The agent was lost.
  void Break() { broken_ = true; }

  // When Update wants to be called again even if Consul says nothing new.
  absl::Time due() const { return doubted_.empty() ? absl::InfiniteFuture() : doubt_ends_; }

  // The nodes, by version, that are kept although Consul's last answer did not have them; all of
  // them between a break and the first answer.
  std::vector<Service> Doubted() const;

  bool empty() const { return told_.empty(); }

 private:
  using Versions = std::map<std::string, Service>;

  const absl::Duration grace_;
  Versions told_;
  Versions doubted_;            // a part of what was told
  std::set<std::string> lost_;  // ids of those that no answer since the break has had
  bool broken_ = false;
  absl::Time doubt_ends_ = absl::InfinitePast();
};

}  // namespace micro::registry::consul
