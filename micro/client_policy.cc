#include "micro/client_policy.h"

#include <utility>

namespace micro {
namespace {

template <class Field>
void Complete(Field& own, const Field& other) {
  if (!own) own = other;
}

std::shared_ptr<const PolicyTable> Completed(PolicyTable table) {
  for (auto& [name, service] : table) {
    for (auto& [endpoint, own] : service.endpoints) {
      const CallPolicy& calls = service.calls;
      Complete(own.request_timeout, calls.request_timeout);
      Complete(own.connection_timeout, calls.connection_timeout);
      Complete(own.stream_timeout, calls.stream_timeout);
      Complete(own.retries, calls.retries);
      Complete(own.hedge_after, calls.hedge_after);
      Complete(own.max_hedges, calls.max_hedges);
      Complete(own.backoff, calls.backoff);
      Complete(own.retry, calls.retry);
    }
  }
  return std::make_shared<const PolicyTable>(std::move(table));
}

}  // namespace

ClientPolicies::ClientPolicies(PolicyTable table) : table_(Completed(std::move(table))) {}

void ClientPolicies::Replace(PolicyTable table) { table_.Store(Completed(std::move(table))); }

std::shared_ptr<const CallPolicy> ClientPolicies::Of(std::string_view service,
                                                     std::string_view endpoint) const {
  const std::shared_ptr<const PolicyTable> table = table_.Load();
  const auto known = table->find(service);
  if (known == table->end()) return nullptr;
  const auto own = known->second.endpoints.find(endpoint);
  // Either lives as long as the table.
  if (own != known->second.endpoints.end()) return {table, &own->second};
  return {table, &known->second.calls};
}

}  // namespace micro
