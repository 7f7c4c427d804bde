#include "micro/rpc/endpoints.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace micro::rpc {

Endpoints::Endpoints(std::vector<ServedEndpoint> served) : served_(std::move(served)) {
  for (const ServedEndpoint& endpoint : served_) {
    const std::string_view name = endpoint.endpoint.method.endpoint;
    by_name_.emplace(name, &endpoint);
    handlers_.insert(name.substr(0, name.find('.')));
  }
}

const ServedEndpoint* Endpoints::Find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

std::string Endpoints::WhyNot(std::string_view name) const {
  if (std::count(name.begin(), name.end(), '.') != 1)
    return fmt::format("rpc: service/endpoint request ill-formed: {}", name);
  const size_t dot = name.find('.');
  const std::string_view handler = name.substr(0, dot);
  if (!handlers_.contains(handler)) return fmt::format("rpc: can't find service {}", handler);
  return fmt::format("rpc: can't find method {}", name.substr(dot + 1));
}

}  // namespace micro::rpc
