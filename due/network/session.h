// A Session is a Conn over a Socket, whose bytes a Wire understands: what is the same for servers and
// clients, and for all transports. Internal.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "core/net/deadlines.h"
#include "core/net/socket.h"
#include "due/network/conn.h"
#include "due/network/loop_turn.h"
#include "due/network/wire.h"
#include "due/packet/framing.h"

namespace due {

// What all sessions of a server, or a client's one, have in common.
struct SessionSettings {
  Framing framing;
  Hooks hooks = {};
  int write_queue_size = 512;
  int packet_rate = 0;  // zero: any
  absl::Duration stall_timeout = absl::InfiniteDuration();
  absl::Duration heartbeat_interval = absl::ZeroDuration();
  bool answers_heartbeats = false;  // a server of mechanism resp
  bool sends_heartbeats = false;    // a server of mechanism tick, and every client
  bool is_client = false;
  absl::Duration authorize_timeout = absl::ZeroDuration();
};

// INVALID_ARGUMENT: what is to be sent is no whole packet, and would be taken for a part of others.
absl::Status CheckPacket(const Packer& packer, std::string_view packet);

class Session final : public Conn, public micro::net::Turn::Writer {
 public:
  using OnEnd = std::function<void(Session&, Cause)>;

  // `on_end` is told once, after on_disconnect; on the loop.
  Session(int64_t id, std::unique_ptr<micro::net::Socket> socket, std::unique_ptr<Wire> wire,
          std::shared_ptr<const SessionSettings> settings, std::shared_ptr<LoopTurn> turn,
          OnEnd on_end);

  // Tells on_connect, takes the bytes that have been `read` already, and reads on. On its loop.
  void Start(std::string_view read);

  int64_t id() const override { return id_; }
  State state() const override { return state_.load(std::memory_order_acquire); }
  int64_t uid() const override { return uid_.load(std::memory_order_acquire); }
  void Bind(int64_t uid) override { uid_.store(uid, std::memory_order_release); }
  void Unbind() override;
  absl::Status Push(std::string_view packet) override;
  void Close(bool force) override;
  Attributes& attr() override { return attributes_; }
  std::string local_address() const override { return local_; }
  std::string remote_address() const override { return remote_; }

  // For LoopTurn, on the loop: takes a packet that another thread pushed, and writes what waits.
  void Take(std::string_view packet);
  void Flush() override;

  // On the loop: writes at once, or as soon as it can, what carries a packet, unless as many wait as
  // may, which is counted; `bytes` are those of the wire.
  void Write(std::string_view bytes);

 private:
  std::shared_ptr<Session> Self();
  void Read();
  void OnRead(const absl::Status& status, size_t count);
  void Advance();
  void DeliverAll();
  bool MayTake();
  bool TakeNext();
  void Deliver(std::string_view packet);
  void MakeRoom(size_t last_read);
  void SendHeartbeat();
  void GiveBackSpace();
  void WriteOn();
  void OnWritten(const absl::Status& status);
  void WatchForSilence();
  void WaitForAuthorization();
  void Hang(Cause cause);
  void Linger();
  void End(Cause cause);
  bool IsFull() const {
    return queued_.load(std::memory_order_relaxed) >= settings_->write_queue_size;
  }
  // A server reads nothing meanwhile. A client does: it may be the server that waits for it.
  bool IsPushedBack() const { return IsFull() && !settings_->is_client; }

  // What each packet needs lies together: a server has thousands of these.
  std::unique_ptr<micro::net::Socket> socket_;  // until the end
  std::unique_ptr<Wire> wire_;
  const std::shared_ptr<const SessionSettings> settings_;
  const std::shared_ptr<LoopTurn> turn_;

  // What was read and is not whole: from begin_ to end_.
  std::unique_ptr<char[]> space_;
  size_t capacity_ = 0, begin_ = 0, end_ = 0, last_read_ = 0;
  absl::Time heard_;                           // of a whole packet
  double may_take_ = 0;                        // packets, at the time
  absl::Time counted_ = absl::InfinitePast();  // of that

  std::atomic<State> state_ = kOpened;
  std::atomic<int> queued_ = 0;  // packets pushed and not written
  bool is_writing_ = false;
  bool is_delivering_ = false;  // what is pushed meanwhile is written in one go afterwards
  bool is_reading_ = false;
  bool is_paused_ = false;  // reading, until less waits
  bool is_slowed_ = false;  // likewise, until more may be taken
  bool is_flush_due_ = false;
  bool is_ending_ = false;  // it is hanged, and all that may be written waits already
  bool has_said_goodbye_ = false;
  bool is_lingering_ = false;
  bool has_peer_ended_ = false;
  Cause cause_ = Cause::kLocal;  // of its end, once it is hanged
  int waiting_packets_ = 0, writing_packets_ = 0;
  std::string waiting_, writing_;
  size_t written_ = 0;  // of writing_

  const int64_t id_;
  std::atomic<int64_t> uid_ = 0;
  OnEnd on_end_;
  const std::string local_, remote_;
  micro::net::Deadline silence_, authorization_, stall_, linger_, slow_;
  Attributes attributes_;
};

}  // namespace due
