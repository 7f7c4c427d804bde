// The EtcdKeeper keeps the nodes of this process in etcd: each at its key, by a lease that is kept
// alive as long as the node is registered and the keeper lives.
//
// Each node has a coroutine of its own, which alone writes its key, one wish after the other, the
// latest of several. In between it holds the lease: when that is lost (it lapsed, etcd lost its
// data), or the way to etcd was, it puts right at once what etcd has. A node is left alone where
// etcd has it as it should be. The destructor stops everything and waits; leases then lapse by
// themselves.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "core/async.h"
#include "core/context.h"
#include "core/mutex.h"
#include "core/task.h"
#include "core/task_scope.h"
#include "registry/etcd/etcd_client.h"
#include "registry/etcd/etcd_record.h"
#include "registry/registry.h"

namespace micro::registry {

class EtcdKeeper {
 public:
  // Client and codec outlive the keeper.
  EtcdKeeper(EtcdClient& client, std::string prefix, const EtcdRecordCodec& codec);
  ~EtcdKeeper();
  EtcdKeeper(const EtcdKeeper&) = delete;
  EtcdKeeper& operator=(const EtcdKeeper&) = delete;

  // As Registry's. INVALID_ARGUMENT: nobody could read such a record (ReadEtcdRecord). A node that
  // could not be registered the first time is not tried again.
  Task<absl::Status> Register(Context ctx, Service service, absl::Duration ttl);
  Task<absl::Status> Deregister(Context ctx, Service service);

 private:
  struct Record;
  struct Kept;
  using Waiter = std::shared_ptr<OneShot<bool>>;

  Waiter Ask(const std::string& key, std::optional<Record> wanted);
  Task<void> Keep(std::shared_ptr<Kept> node);

  Task<absl::Status> Make(Context ctx, Kept& node, const Record& record);
  Task<absl::Status> MakeWithLease(Context ctx, Kept& node, const Record& record);
  Task<absl::StatusOr<bool>> Adopt(Context ctx, Kept& node, const Record& record, int64_t lease);
  Task<absl::Status> Put(Context ctx, const Kept& node, const Record& record, int64_t lease);
  Task<absl::Status> Remove(Context ctx, Kept& node);
  Task<void> Revoke(Context ctx, int64_t lease);

  Task<absl::Status> Hold(Context ctx, Kept& node);
  Task<absl::Status> HoldLease(Context ctx, Kept& node);
  Task<absl::Status> HoldConnection(Context ctx, Kept& node);

  EtcdClient& client_;
  const std::string prefix_;
  const EtcdRecordCodec& codec_;
  Context ctx_;
  CancelFunction cancel_;

  Mutex mutex_;
  std::map<std::string, std::shared_ptr<Kept>> nodes_ ABSL_GUARDED_BY(mutex_);  // by key
  TaskScope scope_;
};

}  // namespace micro::registry
