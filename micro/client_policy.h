// How calls to one service, or to one endpoint of it, differ from what their client's options say.
//
//   auto policies = std::make_shared<micro::ClientPolicies>(micro::PolicyTable{
//       {"helloworld",
//        {.calls = {.request_timeout = absl::Seconds(2)},
//         .endpoints = {{"Greeter.Hello", {.retries = 1, .hedge_after = absl::Milliseconds(20)}}}}}});
//   auto service = micro::NewService({.name = "caller", .client = {.policies = policies}});
//   ...
//   policies->Replace(read_again);      // counts for the calls that begin from now on
//
// What counts for a call is, field by field, the first that is set of: its CallOptions, the policy of
// its endpoint, the policy of its service, the ClientOptions.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "core/published.h"
#include "micro/request.h"

namespace micro {

// How long to wait before attempt number `attempt`; it is asked before every attempt, the first (0)
// too.
using BackoffFunc = std::function<absl::Duration(const Request&, int attempt)>;

// Whether a call that failed with `error` at attempt number `attempt` is tried again.
using RetryFunc = std::function<bool(const Request&, int attempt, const absl::Status& error)>;

// The fields are those of CallOptions (micro/client.h). Unset: somebody else says.
struct CallPolicy {
  std::optional<absl::Duration> request_timeout = std::nullopt;     // the whole call
  std::optional<absl::Duration> connection_timeout = std::nullopt;  // one attempt
  std::optional<absl::Duration> stream_timeout = std::nullopt;      // a stream's whole life
  std::optional<int> retries = std::nullopt;                        // attempts after the first
  std::optional<absl::Duration> hedge_after = std::nullopt;
  std::optional<int> max_hedges = std::nullopt;
  BackoffFunc backoff = nullptr;
  RetryFunc retry = nullptr;
};

struct ServicePolicy {
  CallPolicy calls = {};                                          // to any endpoint
  std::map<std::string, CallPolicy, std::less<>> endpoints = {};  // by "Greeter.Hello"
};

// By the service's registered name.
using PolicyTable = std::map<std::string, ServicePolicy, std::less<>>;

// The policies of a client, which may be replaced while it runs. All methods from any thread.
class ClientPolicies {
 public:
  explicit ClientPolicies(PolicyTable table = {});

  // Puts `table` in place of all that was: calls that run keep what they began with.
  void Replace(PolicyTable table);

  // What is said of calls to an endpoint (its own policy over its service's); null: nothing is.
  std::shared_ptr<const CallPolicy> Of(std::string_view service, std::string_view endpoint) const;

 private:
  Published<PolicyTable> table_;  // in which each endpoint's policy is completed by its service's
};

}  // namespace micro
