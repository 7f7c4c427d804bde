// A KcpTurn is what the KCP sessions of one loop have in common: memory, and the turn of the loop. In
// it they take what has come and been written, call back, and then send all their datagrams at once.
// Internal. For the loop's thread.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/time/time.h"
#include "core/net/deadlines.h"
#include "core/net/loops.h"
#include "due/kcp/block_pool.h"
#include "due/kcp/peer_address.h"
#include "due/kcp/segment.h"

namespace due {

class KcpPort;
class KcpSession;

// Room for the datagrams of one system call.
class DatagramBatch {
 public:
  static constexpr size_t kMost = 64;

  DatagramBatch();
  DatagramBatch(const DatagramBatch&) = delete;
  DatagramBatch& operator=(const DatagramBatch&) = delete;

  char* room(size_t i) { return rooms_[i].data(); }
  mmsghdr* messages() { return messages_.data(); }

  // Message i as it can receive, from anybody.
  void Prepare(size_t i);

  // Message i with the first `size` bytes of its room, for `peer`.
  void Address(size_t i, size_t size, const PeerAddress& peer);

  const sockaddr_storage& address(size_t i) const { return addresses_[i]; }

 private:
  std::array<mmsghdr, kMost> messages_ = {};
  std::array<iovec, kMost> pieces_ = {};
  std::array<sockaddr_storage, kMost> addresses_ = {};
  std::array<std::array<char, kMostDatagram>, kMost> rooms_;
};

class KcpTurn : public std::enable_shared_from_this<KcpTurn> {
 public:
  // The one of the loop, on its thread.
  static std::shared_ptr<KcpTurn> Of(micro::net::Loop& loop);

  explicit KcpTurn(micro::net::Loop& loop) : loop_(loop), deadlines_(loop) {}

  micro::net::Loop& loop() { return loop_; }
  micro::net::Deadlines& deadlines() { return deadlines_; }
  BlockPool& pool() { return pool_; }
  DatagramBatch& incoming() { return incoming_; }

  // The time of this moment, in the milliseconds of Arq, and when `now` will have become `later`.
  uint32_t Now();
  absl::Time TimeOf(uint32_t later, uint32_t now) const;

  // Has the session called at the end of the turn, to call back and to send.
  void Add(std::shared_ptr<KcpSession> session);

  // Between these two nothing needs to be posted: Run follows.
  void Begin() { is_running_ = true; }
  void Run();

  // For sessions: a datagram for `peer` through `port`; it is sent at the end of the turn.
  char* Room(KcpPort& port);
  void Put(size_t size, const PeerAddress& peer);

 private:
  void RunLater();
  void Abandon();
  void Send();

  micro::net::Loop& loop_;
  micro::net::Deadlines deadlines_;
  BlockPool pool_;
  DatagramBatch incoming_, outgoing_;
  std::shared_ptr<KcpPort> sender_;  // of what waits in outgoing_
  size_t waiting_ = 0;
  std::vector<std::shared_ptr<KcpSession>> sessions_, running_;
  bool is_running_ = false, is_posted_ = false;
  int64_t millis_ = 0;
};

}  // namespace due
