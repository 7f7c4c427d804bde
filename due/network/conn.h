// A Conn is one connection between a game's client and server, whatever carries it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "due/network/attributes.h"
#include "due/network/upgrade_request.h"

namespace due {

// Why a connection has ended; each is counted by its server.
enum class Cause {
  kPeer,          // the peer closed it, or it was lost
  kLocal,         // Conn::Close, or the server's stop
  kSilent,        // no heartbeat
  kUnauthorized,  // nobody was bound to it in time
  kTooLarge,      // a packet above receive_bytes
  kMalformed,     // bytes that the transport's protocol does not have
  kStalled,       // it took nothing of what was to be written
};
inline constexpr size_t kCauses = 7;

std::string_view NameOf(Cause cause);  // "peer", "silent" …

// All of it from any thread, and from hooks.
class Conn : public std::enable_shared_from_this<Conn> {
 public:
  enum State { kOpened = 1, kHanged = 2, kClosed = 3 };

  virtual ~Conn() = default;

  // first_id, one more … of a server, and of a client 1, 2 …: never given twice.
  virtual int64_t id() const = 0;
  virtual State state() const = 0;

  // The user whose connection it is; 0: nobody's. Bind ends the wait of authorize_timeout, Unbind
  // begins it again.
  virtual int64_t uid() const = 0;
  virtual void Bind(int64_t uid) = 0;
  virtual void Unbind() = 0;

  // Queues a whole packet (Packer's form), which is copied; packets arrive in the order of Push, on one
  // thread or on several that pass it on. FAILED_PRECONDITION: the connection is hanged or closed;
  // INVALID_ARGUMENT: this is no packet; RESOURCE_EXHAUSTED: write_queue_size packets wait that the
  // peer does not take, or that came from other threads in one turn.
  virtual absl::Status Push(std::string_view packet) = 0;

  // Ends it once what waits was written, or at once with `force`, which drops that. Packets that
  // still come are not heeded. More calls do nothing.
  virtual void Close(bool force) = 0;

  // What the program keeps with it.
  virtual Attributes& attr() = 0;

  virtual std::string local_address() const = 0;  // "127.0.0.1:3553"
  virtual std::string remote_address() const = 0;
};

// What is to happen on a connection's loop, which must not be blocked: all connections of the loop
// wait meanwhile. Packets of one connection come one after the other. A Conn is lent;
// shared_from_this keeps it.
struct Hooks {
  // WebSocket: whether who asks this may connect; false: it is answered 403.
  std::function<bool(const UpgradeRequest&)> on_upgrade = nullptr;

  std::function<void(Conn&)> on_connect = nullptr;

  // A data packet, size included, which lies in a buffer that is reused afterwards. Heartbeats and
  // empty packets are not told.
  std::function<void(Conn&, std::string_view packet)> on_receive = nullptr;

  std::function<void(Conn&, Cause)> on_disconnect = nullptr;
};

}  // namespace due
