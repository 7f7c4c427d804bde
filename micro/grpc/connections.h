// The connections of a client, by address.
#pragma once

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/context.h"
#include "core/mutex.h"
#include "core/published.h"
#include "core/task.h"
#include "micro/client.h"

namespace micro::grpc_wire {

// The connections to one address.
class Connections {
 public:
  explicit Connections(std::vector<std::shared_ptr<grpc::Channel>> channels);

  // One of them, in turn.
  grpc::GenericStub& Next() {
    return stubs_[next_.fetch_add(1, std::memory_order_relaxed) % stubs_.size()];
  }

  // Has all of them connect, and waits until each stands or could not be made, or `ctx` ends.
  Task<void> Connect(Context ctx);

 private:
  friend class Pool;
  bool Settled();

  const std::vector<std::shared_ptr<grpc::Channel>> channels_;
  std::vector<grpc::GenericStub> stubs_;
  std::atomic<uint32_t> next_ = 0;
  std::atomic<int64_t> used_ns_ = 0;
};

// All connections of a client: any thread, without a lock once an address is known.
class Pool {
 public:
  // `clock` tells when connections were used last.
  Pool(const ClientOptions& options, std::shared_ptr<grpc::ChannelCredentials> credentials,
       Clock& clock = Clock::Real())
      : options_(options), credentials_(std::move(credentials)), clock_(clock) {}

  // Those to `address`, opened at the first call. gRPC connects when they are used. An address that
  // is new drops the ones that nobody asked for in the time to live: they close when their last
  // call has ended.
  std::shared_ptr<Connections> To(const std::string& address);

 private:
  // Weak: threads keep the last table that they saw, and must not keep connections open with it.
  using Table = std::map<std::string, std::weak_ptr<Connections>, std::less<>>;
  std::shared_ptr<Connections> Add(const std::string& address, int64_t now);
  std::shared_ptr<Connections> Open(const std::string& address) const;

  const ClientOptions options_;
  const std::shared_ptr<grpc::ChannelCredentials> credentials_;
  Clock& clock_;
  Published<Table> table_;
  Mutex mutex_;
  std::map<std::string, std::shared_ptr<Connections>> open_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace micro::grpc_wire
