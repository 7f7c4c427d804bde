// A KcpSession is one conversation with one peer, through a port. Internal. For its loop's thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "core/net/deadlines.h"
#include "core/net/socket.h"
#include "due/kcp/arq.h"
#include "due/kcp/peer_address.h"

namespace due {

class KcpPort;
class KcpTurn;

class KcpSession final : public std::enable_shared_from_this<KcpSession>, private Outbox {
 public:
  KcpSession(KcpPort& port, const PeerAddress& peer, uint32_t conv);

  const PeerAddress& peer() const { return peer_; }
  uint32_t conv() const { return conv_; }

  // For its port: what a datagram of the conversation carries, as in Arq.
  bool Take(std::string_view segments, uint32_t now);

  // It is over: readers and writers are told UNAVAILABLE, and why.
  void Lose(std::string why);

  // Its loop is gone: nothing is called any more.
  void Abandon();

  // For the turn: calls who waits for what has happened; sends what is due.
  void CallBack();
  void Flush(uint32_t now);

  // What Socket says.
  void Read(char* buffer, size_t size, absl::AnyInvocable<void(absl::Status, size_t)> done);
  size_t TryWrite(std::string_view bytes);
  void Write(std::string_view bytes, absl::AnyInvocable<void(absl::Status)> done);
  void Close();
  std::string local() const;

 private:
  char* Room() override;
  void Put(size_t size) override;
  void AddToTurn();
  absl::Status End() const;
  bool is_over() const { return port_ == nullptr; }

  std::shared_ptr<KcpTurn> turn_;
  KcpPort* port_;  // until it is over
  const PeerAddress peer_;
  const uint32_t conv_;
  std::optional<Arq> arq_;                         // until Close
  absl::StatusCode code_ = absl::StatusCode::kOk;  // how it ended
  std::string reason_;
  bool is_in_turn_ = false;

  char* buffer_ = nullptr;  // of a Read that waits
  size_t buffer_size_ = 0;
  absl::AnyInvocable<void(absl::Status, size_t)> read_;
  std::string_view rest_;  // of a Write that waits
  absl::AnyInvocable<void(absl::Status)> written_;

  micro::net::Deadline deadline_;
  Moment wakes_up_at_;
};

// The socket of a session.
std::unique_ptr<micro::net::Socket> NewKcpSocket(std::shared_ptr<KcpSession> session);

}  // namespace due
