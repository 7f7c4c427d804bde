// An Upgrade makes a WebSocket of an open connection: WebSocket's handshake, of either side. Internal.
#pragma once

#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/net/deadlines.h"
#include "core/net/socket.h"
#include "due/network/websocket_handshake.h"

namespace due {

// All of it on the socket's loop.
class Upgrade final : public std::enable_shared_from_this<Upgrade> {
 public:
  struct Opened {
    std::unique_ptr<micro::net::Socket> socket;
    std::string read = {};  // what came behind the handshake
  };

  // Told once, unless it is cancelled; not from inside the call that starts it. UNAVAILABLE: why not.
  using Done = absl::AnyInvocable<void(absl::StatusOr<Opened>)>;

  // A server's: answers the client's request as `rules` have it.
  static std::shared_ptr<Upgrade> Accept(std::unique_ptr<micro::net::Socket> socket,
                                         std::shared_ptr<const UpgradeRules> rules,
                                         micro::net::Deadlines& deadlines, absl::Duration timeout,
                                         Done done);

  // A client's.
  static std::shared_ptr<Upgrade> Request(std::unique_ptr<micro::net::Socket> socket,
                                          std::string_view host, std::string_view target,
                                          micro::net::Deadlines& deadlines, absl::Duration timeout,
                                          Done done);

  // Closes the connection; nobody is told.
  void Cancel();

 private:
  Upgrade(std::unique_ptr<micro::net::Socket> socket, Done done)
      : socket_(std::move(socket)), done_(std::move(done)) {}

  void Start(micro::net::Deadlines& deadlines, absl::Duration timeout);
  void Read();
  void OnRead(const absl::Status& status, size_t count);
  void Answer(size_t head_size);
  void Check(size_t head_size);
  void Write(std::string text, absl::AnyInvocable<void()> then);
  void ReadToTheEnd();
  void Finish(absl::Status status);

  std::unique_ptr<micro::net::Socket> socket_;
  Done done_;
  std::shared_ptr<const UpgradeRules> rules_;  // null: a client
  std::string key_;                            // a client's
  std::string read_, text_;
  absl::Status refused_;
  micro::net::Deadline deadline_;
};

}  // namespace due
