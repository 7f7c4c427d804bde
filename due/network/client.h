// A Client opens connections to a game's server, as due's own clients do.
//
//   ASSIGN_OR_RETURN(auto client, Client::New({.address = "127.0.0.1:3553"},
//       {.on_receive = [](Conn& conn, std::string_view packet) { … }}));
//   CO_ASSIGN_OR_RETURN(const std::shared_ptr<Conn> conn, co_await client->Dial(ctx));
//   CO_RETURN_IF_ERROR(conn->Push(packet));
//
// Each connection belongs to one of the process's loops. It sends heartbeats by itself, and leaves a
// server that is silent for two intervals; it does not connect again by itself.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "core/context.h"
#include "core/task.h"
#include "due/network/conn.h"
#include "due/network/counts.h"
#include "due/network/options.h"

namespace due {

class Client {
 public:
  // INVALID_ARGUMENT names an option or file.
  static absl::StatusOr<std::unique_ptr<Client>> New(ClientOptions options, Hooks hooks);

  // Ends its connections at once. Not on a loop's thread.
  virtual ~Client() = default;

  // One more connection; on_connect has been told of it. Goes on on no loop's thread. UNAVAILABLE says what failed, with the
  // address; the errors of `ctx`.
  virtual micro::Task<absl::StatusOr<std::shared_ptr<Conn>>> Dial(micro::Context ctx) = 0;

  virtual Counts counts() const = 0;  // from any thread

  // Ends its connections, once what waits for them was written, or when `ctx` ends. Hooks are not
  // called any more afterwards. Not on a loop's thread.
  virtual micro::Task<void> Stop(micro::Context ctx) = 0;
};

}  // namespace due
