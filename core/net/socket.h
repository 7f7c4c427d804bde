// A Socket is one TCP connection, with TLS or without, on one loop.
//
//   socket.Read(buffer, size, [self](absl::Status status, size_t count) { … });
//   bytes.remove_prefix(socket.TryWrite(bytes));              // what the kernel takes at once
//   if (!bytes.empty()) socket.Write(bytes, [self](absl::Status status) { … });
//
// It belongs to its loop: everything here is called, and calls back, on the loop's thread, never
// from inside the call itself. What a callback uses must live until it has run: it runs once
// whatever happens, with CANCELLED after Close and after the socket's destruction. One Read and one
// Write at a time. (A loop that is destroyed frees callbacks that have not run.)
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/net/loops.h"

namespace micro::net {

// How a side of TLS behaves; made once from files, shared by its connections. Any thread.
struct TlsOptions {
  std::string ca = {};    // PEM file; client without: the system's roots
  std::string cert = {};  // PEM files: our chain and key; a server needs both
  std::string key = {};
  std::string server_name = {};  // client: that the certificate must bear; empty: the host
  std::string alpn = {};  // the one protocol that is spoken: "http/1.1"; empty: none is named
};
class Tls;  // shared_ptr<const Tls>

// INVALID_ARGUMENT names the file that cannot be used. Versions below TLS 1.2 are refused.
absl::StatusOr<std::shared_ptr<const Tls>> NewServerTls(const TlsOptions& options);
absl::StatusOr<std::shared_ptr<const Tls>> NewClientTls(const TlsOptions& options);

class Socket {
 public:
  virtual ~Socket() = default;  // closes

  // What has come, at least a byte and at most `size`; OUT_OF_RANGE at the peer's end of sending,
  // else UNAVAILABLE says why the connection is lost.
  virtual void Read(char* buffer, size_t size,
                    absl::AnyInvocable<void(absl::Status, size_t)> done) = 0;

  // A Read that finds nothing waits until so many bytes have come, or the peer's end: one wake-up for
  // a message that the peer writes in pieces. The caller knows that they will come, or lowers it in
  // time, which ends the wait. 1 at first; over TLS of no effect.
  virtual void SetReadLowWater(size_t bytes) = 0;

  // Writes what can be written at once and says how much that was: the cheap way out for most
  // answers. Zero while a Write runs, over TLS, and where the connection is lost: Write tells.
  virtual size_t TryWrite(std::string_view bytes) = 0;

  // Writes all of `bytes`, which lives until `done`. UNAVAILABLE says why the connection is lost.
  virtual void Write(std::string_view bytes, absl::AnyInvocable<void(absl::Status)> done) = 0;

  // Tells the peer that nothing more comes, once all is written. A peer that still sends when its
  // connection is closed may lose what it was told last: whoever closes after an answer ends its
  // writes, reads until the peer's end or a timeout, and closes then. What is read after this is
  // good for nothing but that (over TLS nobody decrypts it).
  virtual void EndWrites() = 0;

  // Ends both directions at once. Read and Write that wait call back with CANCELLED.
  virtual void Close() = 0;

  virtual std::string local() const = 0;  // "127.0.0.1:8080"
  virtual std::string remote() const = 0;
};

// Connects to host:port on `loop`, TLS handshake included, within `timeout`. From any thread; `done`
// is called on the loop's. UNAVAILABLE says what failed, INVALID_ARGUMENT that `address` is none.
void Connect(Loop& loop, const std::string& address, std::shared_ptr<const Tls> tls,
             absl::Duration timeout,
             absl::AnyInvocable<void(absl::StatusOr<std::unique_ptr<Socket>>)> done);

// A Listener takes connections and gives each to a loop.
class Listener {
 public:
  // Called on the connection's loop, with the connection open (and TLS shaken hands).
  using OnAccept = std::function<void(Loop&, std::unique_ptr<Socket>)>;

  // Listens on `host` ("": all interfaces) and `port` (0: a free one). UNAVAILABLE: taken, or not
  // this machine's. Handshakes that take longer than `handshake_timeout` are dropped. Without file
  // descriptors it pauses. `loops` outlive the listener.
  static absl::StatusOr<std::unique_ptr<Listener>> Listen(Loops& loops, const std::string& host,
                                                          int port, std::shared_ptr<const Tls> tls,
                                                          absl::Duration handshake_timeout,
                                                          OnAccept on_accept);
  virtual ~Listener() = default;  // as Close

  virtual int port() const = 0;

  // Takes no more connections and drops those that still shake hands; on_accept is not called again
  // once this has returned. Waits for the loops, so not on one of their threads.
  virtual void Close() = 0;
};

}  // namespace micro::net
