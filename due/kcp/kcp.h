// KCP connections as Sockets (core/net/socket.h): ordered bytes over UDP, for games whose players
// lose packets. Speaks with kcp-go v5.6.20 as due uses it: no encryption; from a peer with forward
// error correction the datagrams of data are read, those of parity are not needed (due's clients send
// both, its servers neither).
//
//   ASSIGN_OR_RETURN(auto listener, KcpListener::Listen(Loops::Default(), "", 3553, {}, 5000,
//       [](Loop& loop, std::unique_ptr<Socket> socket) { … }));
//
// What is different from TCP, as nothing on the wire tells of a beginning or an end:
// - A connection is there once the client has sent something, and `DialKcp` succeeds without a peer.
// - A peer that has ended says nothing. Its connection is lost (UNAVAILABLE) when something is sent
//   that it acknowledges neither the 20th time nor for 10 s; without that, heartbeats must tell.
// - Socket::EndWrites tells the peer nothing. Read is told the end (OUT_OF_RANGE) in place of the
//   peer's, once it has acknowledged all: a good moment to close. Until Close, what is not
//   acknowledged is sent again; Close sends what waits a last time and forgets the connection.
// - TryWrite and Write take bytes while fewer than twice send_window segments are unacknowledged.
//   SetReadLowWater has no effect.
// - Without encryption, who can send from a client's address can speak for it, and end it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/net/loops.h"
#include "core/net/socket.h"
#include "due/kcp/options.h"

namespace due {

// Why a datagram went nowhere.
enum class KcpDrop {
  kParity,       // forward error correction, not needed
  kTooLong,      // above 1500 bytes
  kMalformed,    // cut short, or not of KCP
  kWrongConv,    // of another conversation than its address has
  kOutOfWindow,  // numbers that cannot be: neither awaited nor come before
  kNoSession,    // of no connection that there is, and not the beginning of one
  kEnded,        // of one that has ended
  kRefused,      // the beginning of one too many
  kUnsent,       // the system's send buffer is full
  kUnsendable,   // the system cannot send it
};
inline constexpr size_t kKcpDrops = 10;

std::string_view NameOf(KcpDrop drop);  // "parity", "too long" …

// What a listener has seen since it began.
struct KcpCounts {
  int64_t accepted = 0;
  int64_t open = 0;      // now
  int64_t replaced = 0;  // ended by a new one from the same address
  int64_t datagrams_in = 0, datagrams_out = 0;
  std::array<int64_t, kKcpDrops> dropped = {};  // by KcpDrop
};

// A KcpListener takes connections: on each loop a UDP socket of the same port, over which the system
// spreads clients by their address. A connection stays on its loop.
//
// A connection is a client's address and its conversation's number. It begins with a datagram that
// holds one of the first segments; a first segment with a new number takes the place of a connection
// from the same address, as in kcp-go.
class KcpListener {
 public:
  // Called on the connection's loop.
  using OnAccept = std::function<void(micro::net::Loop&, std::unique_ptr<micro::net::Socket>)>;

  // Listens on `host` ("": all interfaces) and `port` (0: a free one). UNAVAILABLE: taken, or not
  // this machine's; INVALID_ARGUMENT names an option. Above `most_sessions` connections, new ones are
  // not answered. `loops` outlive the listener and its connections.
  static absl::StatusOr<std::unique_ptr<KcpListener>> Listen(micro::net::Loops& loops,
                                                             const std::string& host, int port,
                                                             const KcpOptions& options,
                                                             int most_sessions, OnAccept on_accept);
  virtual ~KcpListener() = default;  // as Close; frees the port unless there are connections

  virtual int port() const = 0;
  virtual KcpCounts counts() const = 0;  // from any thread

  // Takes no more connections: on_accept is not called again once this has returned. Those that are
  // go on, and hold the port until the last has ended. Waits for the loops, so not on one of their
  // threads.
  virtual void Close() = 0;
};

// Opens a connection to host:port on `loop`; `timeout` is for looking up the host. From any thread;
// `done` is called on the loop's. UNAVAILABLE says what failed, INVALID_ARGUMENT names the option or
// says that `address` is none. Whether anybody is there shows when something is sent.
void DialKcp(micro::net::Loop& loop, const std::string& address, const KcpOptions& options,
             absl::Duration timeout,
             absl::AnyInvocable<void(absl::StatusOr<std::unique_ptr<micro::net::Socket>>)> done);

}  // namespace due
