// An AgentLink carries HTTP requests to the agent at one address, over cpprestsdk.
//
// All methods may be called from any thread. Requests run beside each other, each on a connection
// of its own; connections are kept for later ones. Nothing blocks: cpprestsdk's threads carry the
// bytes, and a request's coroutine goes on on a thread of the executor.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/context.h"
#include "core/task.h"
#include "registry/consul/consul_address.h"
#include "registry/registry.h"

namespace micro::registry::consul {

struct HttpRequest {
  bool put = false;       // else GET
  std::string path = {};  // with the query, escaped
  std::string body = {};  // JSON
};

struct HttpAnswer {
  int status = 0;
  std::string body = {};
  uint64_t index = 0;      // X-Consul-Index; zero: none
  bool has_leader = true;  // X-Consul-KnownLeader
  std::string hash = {};   // X-Consul-ContentHash
};

class AgentLink {
 public:
  // Takes token and TLS from `options`. INVALID_ARGUMENT, naming the flag: a file of theirs cannot
  // be used.
  static absl::StatusOr<std::unique_ptr<AgentLink>> Open(const Address& address,
                                                         const Options& options);
  ~AgentLink();  // requests under way go on to their end
  AgentLink(const AgentLink&) = delete;
  AgentLink& operator=(const AgentLink&) = delete;

  // The answer, whatever its status. UNAVAILABLE: the agent cannot be reached. ABORTED: the
  // connection broke before the answer was whole. RESOURCE_EXHAUSTED: the answer has more than 64
  // MiB. The context's status when that ends first: the connection is closed then.
  Task<absl::StatusOr<HttpAnswer>> Send(Context ctx, HttpRequest request);

  const std::string& url() const { return url_; }

 private:
  struct Http;
  AgentLink(std::string url, std::unique_ptr<Http> http);

  const std::string url_;
  const std::unique_ptr<Http> http_;
};

}  // namespace micro::registry::consul
