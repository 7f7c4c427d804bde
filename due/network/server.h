// A Server takes a game's clients.
//
//   ASSIGN_OR_RETURN(auto server, Server::Listen({.address = ":3553"},
//       {.on_receive = [](Conn& conn, std::string_view packet) { (void)conn.Push(packet); }}));
//   …
//   co_await server->Stop(ctx);
//
// Each connection belongs to one of the process's loops (core/net/loops.h): no lock is taken and no
// thread is changed for its packets. Mirrors due's network servers, without their quirks: sizes are
// bounded, and a client that reads nothing cannot hold up others.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "core/context.h"
#include "core/task.h"
#include "due/network/conn.h"
#include "due/network/counts.h"
#include "due/network/options.h"

namespace due {

class Server {
 public:
  // INVALID_ARGUMENT names an option or file; UNAVAILABLE: the address is taken, or not this
  // machine's.
  static absl::StatusOr<std::unique_ptr<Server>> Listen(ServerOptions options, Hooks hooks);

  // Ends all connections at once. Not on a loop's thread.
  virtual ~Server() = default;

  virtual int port() const = 0;
  virtual Counts counts() const = 0;  // from any thread

  // Writes a packet (Packer's form) to every connection that `is_meant` says, null: to all; from any
  // thread. It is made into what goes over the wire once, and keeps its place among packets that are
  // pushed. `is_meant` is called on the connections' loops, later. A connection whose queue is full
  // misses it, which is counted. INVALID_ARGUMENT: this is no packet.
  virtual absl::Status Broadcast(std::string_view packet,
                                 std::function<bool(const Conn&)> is_meant = nullptr) = 0;

  // Takes no more connections, and ends those that are: once what waits for them was written, or
  // when `ctx` ends. Hooks are not called any more afterwards.
  virtual micro::Task<void> Stop(micro::Context ctx) = 0;
};

}  // namespace due
