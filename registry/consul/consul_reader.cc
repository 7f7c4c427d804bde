#include "registry/consul/consul_reader.h"

#include "core/log.h"
#include "core/status_macros.h"

namespace micro::registry::consul {

absl::StatusOr<Health> Reader::ReadHealth(std::string_view json, std::string_view name) {
  ASSIGN_OR_RETURN(Health health, codec_.ReadHealth(json, names_.InConsul(name)));
  for (Service& service : health.services) service.name = name;
  constexpr size_t kRemembered = 1000;
  for (const std::string& line : health.unreadable) {
    MutexLock lock(mutex_);
    if (logged_.size() >= kRemembered) logged_.clear();
    if (logged_.insert(line).second) {
      log::Warn("a part of a record in Consul cannot be read; the rest is used",
                {{"record", line}});
    }
  }
  return health;
}

absl::StatusOr<std::vector<std::string>> Reader::ReadCatalog(std::string_view json) const {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, codec_.ReadCatalog(json));
  std::vector<std::string> ours;
  for (const std::string& name : names) {
    if (names_.Has(name)) ours.push_back(names_.Ours(name));
  }
  return ours;
}

}  // namespace micro::registry::consul
