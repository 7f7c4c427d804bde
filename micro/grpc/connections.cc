#include "micro/grpc/connections.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <utility>

#include "core/async.h"

namespace micro::grpc_wire {
namespace {

constexpr int kPingEveryMs = 6 * 60 * 1000;
constexpr int kVanishedAfterMs = 10 * 1000;

int DialMillis(absl::Duration timeout) {
  return static_cast<int>(
      absl::ToInt64Milliseconds(std::clamp(timeout, absl::Milliseconds(1), absl::Hours(24))));
}

}  // namespace

Connections::Connections(std::vector<std::shared_ptr<grpc::Channel>> channels)
    : channels_(std::move(channels)) {
  for (const auto& channel : channels_) stubs_.emplace_back(channel);
}

// Whether none is about to connect; those that have not begun begin.
bool Connections::Settled() {
  bool settled = true;
  for (const auto& channel : channels_) {
    const grpc_connectivity_state state = channel->GetState(/*try_to_connect=*/true);
    if (state == GRPC_CHANNEL_IDLE || state == GRPC_CHANNEL_CONNECTING) settled = false;
  }
  return settled;
}

// gRPC tells of a change only on completion queues, which would need a thread: so it is asked now
// and then.
Task<void> Connections::Connect(Context ctx) {
  absl::Duration pause = absl::Milliseconds(1);
  while (!Settled()) {
    if (!(co_await Sleep(ctx, pause)).ok()) co_return;
    pause = std::min(2 * pause, absl::Milliseconds(100));
  }
}

std::shared_ptr<Connections> Pool::To(const std::string& address) {
  const int64_t now = absl::ToUnixNanos(clock_.Now());
  const std::shared_ptr<const Table> table = table_.Load();
  const auto known = table->find(address);
  std::shared_ptr<Connections> connections;
  if (known != table->end()) connections = known->second.lock();
  if (connections == nullptr) connections = Add(address, now);
  connections->used_ns_.store(now, std::memory_order_relaxed);
  return connections;
}

// Opens connections to an address, and drops those that nobody used for the time to live.
std::shared_ptr<Connections> Pool::Add(const std::string& address, int64_t now) {
  const int64_t oldest = now - absl::ToInt64Nanoseconds(options_.pool_ttl);
  std::vector<std::shared_ptr<Connections>> dropped;  // closed without the lock
  MutexLock lock(mutex_);
  if (const auto known = open_.find(address); known != open_.end()) return known->second;
  for (auto entry = open_.begin(); entry != open_.end();) {
    if (entry->second->used_ns_.load() < oldest) {
      dropped.push_back(std::move(entry->second));
      entry = open_.erase(entry);
    } else {
      ++entry;
    }
  }
  auto made = Open(address);
  made->used_ns_ = now;
  open_.emplace(address, made);
  table_.Store(std::make_shared<const Table>(open_.begin(), open_.end()));
  return made;
}

std::shared_ptr<Connections> Pool::Open(const std::string& address) const {
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  for (int i = 0; i < std::max(options_.pool_size, 1); ++i) {
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(options_.max_recv_message_size);
    arguments.SetMaxSendMessageSize(options_.max_send_message_size);
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    // Retries are the client's, by its policy; gRPC's own cost each call some 2 µs.
    arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);  // nodes are called directly
    // Not a pause, for all its name, but how long TCP, TLS and HTTP/2 may take to connect.
    arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, DialMillis(options_.dial_timeout));
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 5000);
    // Pings on a connection with calls: no more often than servers suffer (grpc-go: 5 min). With them
    // on, bytes that nobody acknowledges end the connection after the timeout (TCP_USER_TIMEOUT).
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kPingEveryMs);
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kVanishedAfterMs);
    if (!options_.tls_server_name.empty())
      arguments.SetSslTargetNameOverride(options_.tls_server_name);
    channels.push_back(grpc::CreateCustomChannel(address, credentials_, arguments));
  }
  return std::make_shared<Connections>(std::move(channels));
}

}  // namespace micro::grpc_wire
