// NatsAnswers gathers what peers answer to one question.
//
// Not for several threads at once.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "registry/registry.h"

namespace micro::registry {

class NatsAnswers {
 public:
  static constexpr size_t kMaxNodes = 10000;
  static constexpr size_t kMaxBytes = 64 << 20;

  // `service`: the name that was asked for; empty: all.
  explicit NatsAnswers(std::string service) : service_(std::move(service)) {}

  // Merges an answer by name and version; one without nodes says nothing. INVALID_ARGUMENT: it is
  // another service's. RESOURCE_EXHAUSTED: the limits are reached.
  absl::Status Add(const Service& answer);

  // Sorted by name and version.
  std::vector<Service> Take();

 private:
  struct Version {
    Service service;                    // as the last answer has it
    std::map<std::string, Node> nodes;  // of all answers, by id
  };

  const std::string service_;
  std::map<std::pair<std::string, std::string>, Version> versions_;  // by name and version
  size_t nodes_ = 0;
  size_t bytes_ = 0;
};

}  // namespace micro::registry
