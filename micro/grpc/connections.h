// The connections of a client, by address.
#pragma once

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/mutex.h"
#include "core/published.h"
#include "micro/client.h"

namespace micro::grpc_wire {

// The connections to one address.
class Connections {
 public:
  explicit Connections(const std::vector<std::shared_ptr<grpc::Channel>>& channels);

  // One of them, in turn.
  grpc::GenericStub& Next() {
    return stubs_[next_.fetch_add(1, std::memory_order_relaxed) % stubs_.size()];
  }

 private:
  friend class Pool;
  std::vector<grpc::GenericStub> stubs_;
  std::atomic<uint32_t> next_ = 0;
  std::atomic<int64_t> used_ns_ = 0;
};

// All connections of a client: any thread, without a lock once an address is known.
class Pool {
 public:
  Pool(const ClientOptions& options, std::shared_ptr<grpc::ChannelCredentials> credentials)
      : options_(options), credentials_(std::move(credentials)) {}

  // Those to `address`, opened at the first call. gRPC connects when they are used.
  std::shared_ptr<Connections> To(const std::string& address);

 private:
  using Table = std::map<std::string, std::shared_ptr<Connections>, std::less<>>;
  std::shared_ptr<Connections> Add(const std::string& address, int64_t now);

  const ClientOptions options_;
  const std::shared_ptr<grpc::ChannelCredentials> credentials_;
  Published<Table> table_;
  Mutex mutex_;
};

}  // namespace micro::grpc_wire
