// What the connections of one server share. It outlives the server where a handler does.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "core/async.h"
#include "core/net/loops.h"
#include "micro/rpc/endpoints.h"
#include "micro/rpc/http_message.h"

namespace micro::rpc {

class Connection;
struct ServerState;

struct ServerLimits {
  // A message that has begun comes on at least this often, and its headers are whole by then.
  absl::Duration message_timeout = absl::Seconds(5);
  // How long a connection is kept on which nothing happens: no message begins, or none is taken by
  // the peer.
  absl::Duration idle_timeout = absl::Minutes(3);
  // How long the peer may take to close a connection on which it was told the last.
  absl::Duration linger = absl::Seconds(1);
  int connections = 10'000;
  // Of requests that are not whole, on all connections of a loop; what would need more is refused.
  size_t unfinished_bytes = 256 << 20;
  // Of one connection
  size_t calls = 64;                // at once; more of them wait in the peer
  size_t streams = 64;              // at once; more of them are refused
  size_t queued_messages = 64;      // come for a stream and not taken by its handler
  size_t queued_bytes = 256 << 10;  // the same; one message may pass it
  size_t unsent_bytes = 256 << 10;  // above it Send waits, and no call is begun
  size_t stream_id_bytes = 256;
};

// The connections of one loop, and their time; used on its thread alone.
class OnLoop {
 public:
  OnLoop(ServerState& state, net::Loop& loop, absl::Duration interval);
  ~OnLoop();

  net::Loop& loop() { return loop_; }

  // Time as connections measure it, which costs them nothing: how often they were all looked at.
  uint64_t tick() const { return tick_; }

  // Ticks that take no less than `duration`.
  uint64_t TicksOf(absl::Duration duration) const;

  // The buffers of all its connections.
  size_t buffered() const { return buffered_; }
  void Rebuffer(size_t before, size_t after) { buffered_ += after - before; }

  void Add(Connection& connection);
  void Remove(Connection& connection);

  // Calls a method of each; it may close any of them.
  void ForEach(void (Connection::*method)());

 private:
  struct Ticker;
  void Wait();

  ServerState& state_;
  net::Loop& loop_;
  const absl::Duration interval_;
  uint64_t tick_ = 0;
  size_t buffered_ = 0;
  bool waiting_ = false;
  std::vector<Connection*> connections_;
  const std::unique_ptr<Ticker> ticker_;
};

struct ServerState : std::enable_shared_from_this<ServerState> {
  ServerState(std::string service, std::vector<ServedEndpoint> served, ServerLimits limits,
              HttpLimits http, size_t max_send, net::Loops& loops);

  OnLoop& On(net::Loop& loop);

  // Counts a connection that begins; false when there are too many.
  bool Admit();

  // A connection, or the server itself, is gone. The last one tells `drained`.
  void Leave();

  const std::string service;
  const Endpoints endpoints;
  const ServerLimits limits;
  const HttpLimits http;
  const size_t max_send;
  std::vector<std::unique_ptr<OnLoop>> on_loops;

  std::atomic<bool> leaving = false;  // peers are told that each answer is the last

  std::atomic<int> alive = 1;  // connections whose objects live, and the server
  std::atomic<int64_t> refused = 0;
  std::atomic<int64_t> next_log = 0;  // of refusals, in Unix seconds
  Queue<bool> drained{1};
};

}  // namespace micro::rpc
