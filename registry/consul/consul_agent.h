// An Agent is Consul as one registry sees it: the calls of its HTTP interface that a registry
// needs, at one of several addresses.
//
// All calls go to the address that answered last. One that cannot be reached, does not answer in
// time or fails by itself (5xx: "No cluster leader") is left for the next. All methods may be called
// from any thread; failures are UNAVAILABLE (no address answers; the message has each one's reason),
// PERMISSION_DENIED (the token), INVALID_ARGUMENT (Consul refuses the request) or the context's.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/context.h"
#include "core/task.h"
#include "registry/consul/consul_link.h"
#include "registry/registry.h"

namespace micro::registry::consul {

// Asks for what is later than `index` and waits for it for at most `wait`; without an index for
// what is there.
struct After {
  uint64_t index = 0;
  absl::Duration wait = absl::ZeroDuration();
};

// Which of the agent's addresses something is about.
using AddressIndex = size_t;

class Agent {
 public:
  static absl::StatusOr<std::unique_ptr<Agent>> Open(const Options& options);

  // Registers a node from its RegistrationJson; with which address it did. Checks that the agent
  // has of the node stay, an operator's maintenance above all, unless `drop_checks`.
  Task<absl::StatusOr<AddressIndex>> Register(Context ctx, std::string json, bool drop_checks);

  // Takes the node out, at the address in use or at a certain one; OK when it is not there.
  Task<absl::Status> Deregister(Context ctx, std::string id);
  Task<absl::Status> DeregisterAt(Context ctx, std::string id, AddressIndex address);

  // Passes the TTL check of a node. NOT_FOUND: the agent has no such check.
  Task<absl::Status> PassCheck(Context ctx, std::string id);

  // What the agent itself has of a node, its hash above all; with a hash it waits, for at most
  // `wait`, for something else. NOT_FOUND: it does not have the node.
  Task<absl::StatusOr<HttpAnswer>> Local(Context ctx, std::string id, std::string hash,
                                         absl::Duration wait);

  // What Consul has: the nodes of a service, the list of services, the failing checks. A waiting
  // question is asked at one address only: another agent's index may mean something else. One
  // without leader may have lost what it knew: its empty answer is a failure.
  Task<absl::StatusOr<HttpAnswer>> Health(Context ctx, std::string name, After after);
  Task<absl::StatusOr<HttpAnswer>> Catalog(Context ctx, After after);
  Task<absl::StatusOr<HttpAnswer>> CriticalChecks(Context ctx);

  // The address in use.
  AddressIndex current() const { return current_.load(std::memory_order_relaxed); }
  const std::string& url(AddressIndex address) const { return links_[address]->url(); }

 private:
  Agent(std::vector<std::unique_ptr<AgentLink>> links, const Options& options);

  // One request at one address; a connection that broke is replaced once, as connections may have
  // died unnoticed and every request may be repeated.
  Task<absl::StatusOr<HttpAnswer>> SendTo(AddressIndex address, Context ctx, HttpRequest request,
                                          absl::Duration wait);

  // At the address in use, then at the others.
  struct Sent {
    HttpAnswer answer = {};
    AddressIndex address = 0;
  };
  Task<absl::StatusOr<Sent>> Send(Context ctx, HttpRequest request);

  // At the address in use alone, which is left for the next when it fails.
  Task<absl::StatusOr<HttpAnswer>> Wait(Context ctx, HttpRequest request, absl::Duration wait);

  // A question about the catalog.
  Task<absl::StatusOr<HttpAnswer>> Query(Context ctx, std::string path, After after);

  absl::Status Unavailable(std::string_view reasons) const;
  void Switch(AddressIndex from, AddressIndex to);

  const std::vector<std::unique_ptr<AgentLink>> links_;
  const absl::Duration timeout_;
  const std::string datacenter_;
  std::atomic<AddressIndex> current_ = 0;
};

}  // namespace micro::registry::consul
