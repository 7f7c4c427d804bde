// The endpoints of a server by name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "micro/wire.h"

namespace micro::rpc {

class Endpoints {
 public:
  explicit Endpoints(std::vector<ServedEndpoint> served);

  // Null: there is none, and WhyNot tells why in go-micro's words.
  const ServedEndpoint* Find(std::string_view name) const;
  std::string WhyNot(std::string_view name) const;

 private:
  const std::vector<ServedEndpoint> served_;
  absl::flat_hash_map<std::string_view, const ServedEndpoint*> by_name_;
  absl::flat_hash_set<std::string_view> handlers_;
};

}  // namespace micro::rpc
