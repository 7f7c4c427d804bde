// A client's connections on one loop: for each node, the idle ones (the one that was used last is
// used next) and the callers that wait for one.
//
// On the loop's thread alone, so that nothing here takes a lock: every loop has connections of its
// own.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "core/net/deadlines.h"
#include "core/net/loops.h"
#include "core/net/socket.h"
#include "micro/rpc/client_connection.h"
#include "micro/rpc/http_message.h"

namespace micro::rpc {

// What all loops of a client share.
struct ClientSettings {
  absl::Duration dial_timeout;
  absl::Duration pool_ttl;  // of a connection, from when it was made
  size_t most_idle;         // connections kept to a node
  size_t most_open = 1024;  // connections to a node; more callers wait for one
  size_t max_send;          // bytes of a body
  HttpLimits limits;        // of an answer
  std::shared_ptr<const net::Tls> tls;
};

// Somebody who waits for a connection.
class ConnectionWaiter {
 public:
  virtual ~ConnectionWaiter() = default;

  // Called once, unless it was taken back.
  virtual void OnConnection(absl::StatusOr<std::shared_ptr<ClientConnection>> connection) = 0;

 private:
  friend class NodePool;
  std::list<ConnectionWaiter*>::iterator place_ = {};
  bool fresh_ = false;
};

class LoopClient;

// The connections to one node.
class NodePool : public std::enable_shared_from_this<NodePool> {
 public:
  NodePool(LoopClient& client, std::string address);

  const std::string& address() const { return address_; }
  const ClientSettings& settings() const { return *settings_; }
  net::Deadlines& deadlines();

  // An idle connection; null: there is none.
  std::shared_ptr<ClientConnection> TakeIdle();

  // Has `waiter` called, when its turn comes, with a connection, or with the error of one that
  // could not be made; `fresh`: with a new connection, and before all others.
  void Await(ConnectionWaiter& waiter, bool fresh);
  void TakeBack(ConnectionWaiter& waiter);

  // A connection is free for the next call, or has ended (whatever it was doing).
  void Free(std::shared_ptr<ClientConnection> connection);
  void Ended(ClientConnection& connection);

  // Ends the connections that are idle since `then` or longer.
  void DropIdleSince(absl::Time then);

  // The client has gone.
  void Close();

 private:
  void Dial();
  void Dialled(absl::StatusOr<std::unique_ptr<net::Socket>> socket);
  ConnectionWaiter* TakeWaiter(bool fresh);
  void ForgetIfUnused();

  LoopClient* client_;  // null: it has gone
  const std::shared_ptr<const ClientSettings> settings_;
  const std::string address_;
  std::vector<std::shared_ptr<ClientConnection>> idle_;  // the last is used first
  std::list<ConnectionWaiter*> waiting_;
  size_t open_ = 0;
  size_t dialling_ = 0;
};

// What a client has on one loop.
class LoopClient {
 public:
  LoopClient(net::Loop& loop, std::shared_ptr<const ClientSettings> settings);
  ~LoopClient();  // in the loop

  net::Loop& loop() { return loop_; }
  net::Deadlines& deadlines() { return deadlines_; }
  const std::shared_ptr<const ClientSettings>& settings() const { return settings_; }

  // The connections to `address`; a pool without any, and without waiters, is forgotten when the
  // last has ended.
  NodePool& To(std::string_view address);

  // A buffer that keeps its room from one request to the next.
  std::string TakeBuffer();
  void GiveBuffer(std::string buffer);

 private:
  friend class NodePool;
  net::Loop& loop_;
  const std::shared_ptr<const ClientSettings> settings_;
  net::Deadlines deadlines_;
  absl::flat_hash_map<std::string, std::shared_ptr<NodePool>> nodes_;
  std::vector<std::string> buffers_;
};

}  // namespace micro::rpc
