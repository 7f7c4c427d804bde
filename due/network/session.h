// A Session is a Conn over a Socket: what is the same for servers and clients. Internal.
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
#include "due/packet/framing.h"

namespace due {

// What all sessions of a server, or a client's one, have in common.
struct SessionSettings {
  Framing framing;
  Hooks hooks = {};
  int write_queue_size = 512;
  absl::Duration stall_timeout = absl::InfiniteDuration();
  absl::Duration heartbeat_interval = absl::ZeroDuration();
  bool answers_heartbeats = false;  // a server of mechanism resp
  bool sends_heartbeats = false;    // a server of mechanism tick, and every client
  bool is_client = false;
  absl::Duration authorize_timeout = absl::ZeroDuration();
};

class Session final : public Conn {
 public:
  using OnEnd = std::function<void(Session&, Cause)>;

  // `on_end` is told once, after on_disconnect; on the loop.
  Session(int64_t id, std::unique_ptr<micro::net::Socket> socket,
          std::shared_ptr<const SessionSettings> settings, std::shared_ptr<LoopTurn> turn,
          OnEnd on_end);

  // Tells on_connect, and begins to read. On its loop.
  void Start();

  int64_t id() const override { return id_; }
  State state() const override { return state_.load(std::memory_order_acquire); }
  int64_t uid() const override { return uid_.load(std::memory_order_acquire); }
  void Bind(int64_t uid) override { uid_.store(uid, std::memory_order_release); }
  void Unbind() override;
  absl::Status Push(std::string_view packet) override;
  void Close(bool force) override;
  std::string local_address() const override { return local_; }
  std::string remote_address() const override { return remote_; }

  // For LoopTurn, on the loop: takes a packet that another thread pushed, and writes what waits.
  void Take(std::string_view packet);
  void Flush();

 private:
  std::shared_ptr<Session> Self();
  void Read();
  void OnRead(const absl::Status& status, size_t count);
  void Advance();
  absl::StatusOr<bool> DeliverAll();
  void Deliver(std::string_view packet);
  void MakeRoom(size_t wanted);
  void SendHeartbeat();
  void OnWritten(const absl::Status& status);
  void WatchForSilence();
  void WaitForAuthorization();
  void Linger();
  void End(Cause cause);
  bool IsFull() const {
    return queued_.load(std::memory_order_relaxed) >= settings_->write_queue_size;
  }

  const int64_t id_;
  std::unique_ptr<micro::net::Socket> socket_;  // until the end
  const std::shared_ptr<const SessionSettings> settings_;
  const std::shared_ptr<LoopTurn> turn_;
  OnEnd on_end_;
  const std::string local_, remote_;

  std::atomic<State> state_ = kOpened;
  std::atomic<int64_t> uid_ = 0;
  std::atomic<int> queued_ = 0;  // packets pushed and not written

  // What was read and is not whole: from begin_ to end_.
  std::unique_ptr<char[]> space_;
  size_t capacity_ = 0, begin_ = 0, end_ = 0;
  std::string scratch_;  // for the framing of old dialects
  absl::Time heard_;

  std::string waiting_, writing_;
  int waiting_packets_ = 0, writing_packets_ = 0;
  bool is_writing_ = false;
  bool is_delivering_ = false;  // what is pushed meanwhile is written in one go afterwards
  bool is_reading_ = false;
  bool is_paused_ = false;  // reading, until less waits
  bool is_flush_due_ = false;
  micro::net::Deadline silence_, authorization_, stall_, linger_;
};

}  // namespace due
