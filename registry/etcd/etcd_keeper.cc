#include "registry/etcd/etcd_keeper.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/backoff.h"
#include "core/executor.h"
#include "core/log.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace micro::registry {

// What shall be at a key.
struct EtcdKeeper::Record {
  Service service;  // with one node
  std::string value;
  int64_t ttl = 0;  // in seconds; 0: no lease
};

struct EtcdKeeper::Kept {
  explicit Kept(std::string key) : key(std::move(key)) {}

  const std::string key;

  // Guarded by the keeper's mutex:
  std::optional<Record> wanted;  // nothing: it shall go
  std::vector<Waiter> waiters;   // who wants to know that it is so
  CancelFunction interrupt;      // ends what the coroutine does while nobody waits

  // The coroutine's own:
  bool made = false;    // once; from then on it is kept
  int64_t lease = 0;    // 0: none is known
  bool own = false;     // whether the lease was granted to us, not found at the key
  int64_t ttl = 0;      // that the lease was made for
  int64_t granted = 0;  // that etcd gave it; at least a second or two
};

namespace {

// Wakes who waits on threads of the executor: what they do next is not the node's coroutine's.
void Answer(const std::vector<std::shared_ptr<OneShot<bool>>>& waiters,
            const absl::Status& status) {
  for (const auto& waiter : waiters) {
    Executor::Default().Post([waiter, status] {
      waiter->TrySet(status.ok() ? absl::StatusOr<bool>(true) : absl::StatusOr<bool>(status));
    });
  }
}

bool Says(const etcd::KeyValue& entry, const std::string& value, const Service& service,
          const EtcdRecordCodec& codec) {
  if (entry.value() == value) return true;
  const absl::StatusOr<Service> found = codec.Read(entry.value());
  return found.ok() && *found == service;
}

}  // namespace

EtcdKeeper::EtcdKeeper(EtcdClient& client, std::string prefix, const EtcdRecordCodec& codec)
    : client_(client), prefix_(std::move(prefix)), codec_(codec) {
  std::tie(ctx_, cancel_) = WithCancel(Context());
}

EtcdKeeper::~EtcdKeeper() {
  cancel_();
  scope_.Join();
}

Task<absl::Status> EtcdKeeper::Register(Context ctx, Service service, absl::Duration ttl) {
  std::vector<std::pair<std::string, Record>> records;
  for (const Node& node : service.nodes) {
    Record record;
    record.service = service;
    record.service.nodes = {node};
    CO_ASSIGN_OR_RETURN(record.value, codec_.Write(record.service));
    if (ttl > absl::ZeroDuration()) record.ttl = std::max<int64_t>(absl::ToInt64Seconds(ttl), 1);
    std::string key = EtcdNodeKey(prefix_, service.name, node.id);
    const absl::Status readable = ReadEtcdRecord(prefix_, key, record.value, codec_).status();
    if (!readable.ok()) {
      co_return absl::InvalidArgumentError(fmt::format("node \"{}\" of service \"{}\": {}", node.id,
                                                       service.name, ToStd(readable.message())));
    }
    records.emplace_back(std::move(key), std::move(record));
  }
  std::vector<Waiter> waiters;
  for (auto& [key, record] : records) waiters.push_back(Ask(key, std::move(record)));
  absl::Status status;
  for (Waiter& waiter : waiters) status.Update((co_await Await(ctx, std::move(waiter))).status());
  co_return status;
}

Task<absl::Status> EtcdKeeper::Deregister(Context ctx, Service service) {
  std::vector<Waiter> waiters;
  for (const Node& node : service.nodes)
    waiters.push_back(Ask(EtcdNodeKey(prefix_, service.name, node.id), std::nullopt));
  absl::Status status;
  for (Waiter& waiter : waiters) status.Update((co_await Await(ctx, std::move(waiter))).status());
  co_return status;
}

EtcdKeeper::Waiter EtcdKeeper::Ask(const std::string& key, std::optional<Record> wanted) {
  auto waiter = std::make_shared<OneShot<bool>>();
  std::shared_ptr<Kept> begun;
  CancelFunction interrupt;
  {
    MutexLock lock(mutex_);
    std::shared_ptr<Kept>& node = nodes_[key];
    if (node == nullptr) node = begun = std::make_shared<Kept>(key);
    node->wanted = std::move(wanted);
    node->waiters.push_back(waiter);
    interrupt = std::exchange(node->interrupt, nullptr);
  }
  if (begun != nullptr) Spawn(scope_, Keep(begun));
  if (interrupt != nullptr) interrupt();
  return waiter;
}

// The life of one node.
Task<void> EtcdKeeper::Keep(std::shared_ptr<Kept> node) {
  Backoff backoff;
  bool complained = false;
  while (true) {
    std::optional<Record> wanted;
    std::vector<Waiter> waiters;
    Context ctx = ctx_;  // where nobody waits, one that Ask ends
    {
      MutexLock lock(mutex_);
      wanted = node->wanted;
      waiters.swap(node->waiters);
      if (waiters.empty()) std::tie(ctx, node->interrupt) = WithCancel(ctx_);
    }
    absl::Status status =
        wanted.has_value() ? co_await Make(ctx, *node, *wanted) : co_await Remove(ctx, *node);
    node->made = wanted.has_value() && (node->made || status.ok());
    // Of an etcd that cannot be reached, the client tells.
    if (!status.ok() && !absl::IsUnavailable(status) && ctx.status().ok() && node->made &&
        !std::exchange(complained, true))
      log::Warn("a node is not in etcd; it is tried again",
                {{"key", node->key}, {"error", status}});
    if (status.ok()) complained = false;

    enum { kAgain, kHold, kEnd } next = kHold;
    std::vector<Waiter> late;
    {
      MutexLock lock(mutex_);
      if (!ctx_.status().ok()) {
        late.swap(node->waiters);
        next = kEnd;
      } else if (!node->waiters.empty()) {
        next = kAgain;
      } else if (!node->made) {
        next = kEnd;
      } else {
        std::tie(ctx, node->interrupt) = WithCancel(ctx_);
      }
      if (next == kEnd) nodes_.erase(node->key);
    }
    Answer(waiters, status);
    Answer(late, ctx_.status());
    if (next == kEnd) co_return;
    if (next == kAgain) continue;

    if (status.ok()) {
      status = co_await Hold(ctx, *node);
      if (absl::IsNotFound(status)) {
        log::Info("a node was lost from etcd: it is registered anew",
                  {{"key", node->key}, {"error", status}});
      }
    }
    if (ctx.status().ok()) static_cast<void>(co_await Sleep(ctx, backoff.Next()));
  }
}

// Makes etcd have the record, unless it has.
Task<absl::Status> EtcdKeeper::Make(Context ctx, Kept& node, const Record& record) {
  etcd::RangeRequest request;
  request.set_key(node.key);
  CO_ASSIGN_OR_RETURN(const etcd::RangeResponse found, co_await client_.Range(ctx, request));
  const etcd::KeyValue* entry = found.kvs_size() > 0 ? &found.kvs(0) : nullptr;
  if (entry != nullptr && !Says(*entry, record.value, record.service, codec_)) entry = nullptr;

  if (record.ttl == 0) {
    if (entry == nullptr || entry->lease() != 0)
      CO_RETURN_IF_ERROR(co_await Put(ctx, node, record, 0));
    const int64_t before = std::exchange(node.lease, 0);
    if (before != 0 && node.own) co_await Revoke(ctx, before);
    co_return absl::OkStatus();
  }
  if (entry != nullptr && entry->lease() != 0) {
    if (entry->lease() == node.lease && node.ttl == record.ttl) co_return absl::OkStatus();
    if (node.lease == 0) {
      CO_ASSIGN_OR_RETURN(const bool adopted, co_await Adopt(ctx, node, record, entry->lease()));
      if (adopted) co_return absl::OkStatus();
    }
  }
  co_return co_await MakeWithLease(ctx, node, record);
}

Task<absl::Status> EtcdKeeper::MakeWithLease(Context ctx, Kept& node, const Record& record) {
  if (node.lease != 0 && node.ttl == record.ttl) {
    absl::Status put = co_await Put(ctx, node, record, node.lease);
    if (!absl::IsNotFound(put)) co_return put;
    node.lease = 0;  // it has lapsed
  }
  etcd::LeaseGrantRequest request;
  request.set_ttl(record.ttl);
  CO_ASSIGN_OR_RETURN(const etcd::LeaseGrantResponse granted,
                      co_await client_.LeaseGrant(ctx, request));
  const int64_t before = std::exchange(node.lease, granted.id());
  const bool revoke = before != 0 && std::exchange(node.own, true);
  node.own = true;
  node.ttl = record.ttl;
  node.granted = granted.ttl();
  CO_RETURN_IF_ERROR(co_await Put(ctx, node, record, node.lease));
  if (revoke) co_await Revoke(ctx, before);
  co_return absl::OkStatus();
}

// Takes over the lease that is at the key already, as go-micro does, of an earlier run of this
// process, say. Not one that would outlive us by much more than was asked for.
Task<absl::StatusOr<bool>> EtcdKeeper::Adopt(Context ctx, Kept& node, const Record& record,
                                             int64_t lease) {
  etcd::LeaseTimeToLiveRequest request;
  request.set_id(lease);
  CO_ASSIGN_OR_RETURN(const etcd::LeaseTimeToLiveResponse left,
                      co_await client_.LeaseTimeToLive(ctx, request));
  if (left.ttl() <= 0 || left.granted_ttl() > 2 * record.ttl) co_return false;
  node.lease = lease;
  node.own = false;
  node.ttl = record.ttl;
  node.granted = left.granted_ttl();
  co_return true;
}

// NOT_FOUND: there is no such lease.
Task<absl::Status> EtcdKeeper::Put(Context ctx, const Kept& node, const Record& record,
                                   int64_t lease) {
  etcd::PutRequest request;
  request.set_key(node.key);
  request.set_value(record.value);
  request.set_lease(lease);
  co_return (co_await client_.Put(ctx, std::move(request))).status();
}

Task<absl::Status> EtcdKeeper::Remove(Context ctx, Kept& node) {
  etcd::DeleteRangeRequest request;
  request.set_key(node.key);
  const absl::Status status = (co_await client_.DeleteRange(ctx, request)).status();
  const int64_t lease = std::exchange(node.lease, 0);
  if (status.ok() && lease != 0 && node.own) co_await Revoke(ctx, lease);
  co_return status;
}

// A lease that nothing hangs on any more; it would lapse by itself too.
Task<void> EtcdKeeper::Revoke(Context ctx, int64_t lease) {
  etcd::LeaseRevokeRequest request;
  request.set_id(lease);
  const absl::Status status = (co_await client_.LeaseRevoke(ctx, request)).status();
  if (!status.ok()) log::Debug("a lease of etcd was not revoked", {{"error", status}});
}

// Returns when etcd may have lost the node, or the way to it was, or `ctx` ended.
Task<absl::Status> EtcdKeeper::Hold(Context ctx, Kept& node) {
  if (node.lease != 0) return HoldLease(std::move(ctx), node);
  return HoldConnection(std::move(ctx), node);
}

Task<absl::Status> EtcdKeeper::HoldLease(Context ctx, Kept& node) {
  using Stream = EtcdClient::KeepAliveStream;
  etcd::LeaseKeepAliveRequest request;
  request.set_id(node.lease);
  const absl::Duration interval = absl::Seconds(std::max<int64_t>(node.granted, 1)) / 3;
  const absl::Duration patience =
      interval + std::min(client_.timeout(), std::max(interval, absl::Seconds(1)));
  CO_ASSIGN_OR_RETURN(const std::unique_ptr<Stream> stream,
                      co_await client_.LeaseKeepAlive(ctx, ctx, request));

  const auto [sending, stop] = WithCancel(ctx);
  TaskScope sender;
  Spawn(sender,
        [](Context ctx, Stream& stream, etcd::LeaseKeepAliveRequest request,
           absl::Duration interval) -> Task<void> {
          while ((co_await Sleep(ctx, interval)).ok() && co_await stream.Send(request)) {
          }
        }(sending, *stream, request, interval));
  absl::Status lost;
  while (lost.ok()) {
    const absl::StatusOr<etcd::LeaseKeepAliveResponse> alive =
        co_await stream->Recv(WithTimeout(ctx, patience));
    if (!alive.ok()) {
      lost = alive.status();
    } else if (alive->ttl() <= 0) {
      node.lease = 0;
      lost = absl::NotFoundError("its lease has lapsed");
    }
  }
  stop();
  co_await sender.Done();
  co_return lost;
}

// A node without a lease: there is nothing to keep alive, but etcd may come back without its data.
// A watch that shows nothing ends with the connection.
Task<absl::Status> EtcdKeeper::HoldConnection(Context ctx, Kept& node) {
  etcd::WatchCreateRequest request;
  request.set_key(node.key);
  request.add_filters(etcd::WatchCreateRequest::NOPUT);
  request.add_filters(etcd::WatchCreateRequest::NODELETE);
  CO_ASSIGN_OR_RETURN(const std::unique_ptr<EtcdClient::WatchStream> stream,
                      co_await client_.Watch(ctx, ctx, request));
  while (true) {
    CO_ASSIGN_OR_RETURN(const etcd::WatchResponse response, co_await stream->Recv(ctx));
    if (response.canceled()) co_return absl::UnavailableError(response.cancel_reason());
  }
}

}  // namespace micro::registry
