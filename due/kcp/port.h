// A KcpPort is a UDP socket on a loop, with the KCP sessions of its peers. Internal. For the loop's
// thread.
//
// It lives until it is closed, or its loop is gone: the wait for datagrams keeps it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "due/kcp/kcp.h"
#include "due/kcp/peer_address.h"
#include "due/kcp/segment.h"
#include "due/kcp/turn.h"

namespace due {

class KcpPort;
class KcpSession;

// What the ports of one listener have in common; a dialed connection has one of its own.
struct KcpLedger {
  struct alignas(64) OfLoop {
    std::atomic<int64_t> accepted = 0, replaced = 0, datagrams_in = 0, datagrams_out = 0;
    std::array<std::atomic<int64_t>, kKcpDrops> dropped = {};
    std::weak_ptr<KcpPort> port;  // on the loop alone
    micro::net::Loop* loop = nullptr;
  };

  KcpLedger(size_t loops, const KcpOptions& kcp_options) : options(kcp_options), on(loops) {}

  // Closes all ports if nobody accepts any more and no session is left. From any thread.
  static void CloseIfIdle(const std::shared_ptr<KcpLedger>& ledger);

  const KcpOptions options;
  KcpListener::OnAccept on_accept = nullptr;
  int64_t most_sessions = 0;
  std::atomic<int64_t> open = 0;
  std::atomic<bool> is_closed = false;
  std::vector<OfLoop> on;
};

class KcpPort : public std::enable_shared_from_this<KcpPort> {
 public:
  // Takes the socket, which does not block. Opens it on the ledger's loop `index`.
  static std::shared_ptr<KcpPort> Open(std::shared_ptr<KcpLedger> ledger, size_t index, int socket);
  ~KcpPort();

  KcpTurn& turn() { return *turn_; }
  const KcpOptions& options() const { return ledger_->options; }
  std::string local() const;

  // A session with `peer`, which is this port's for as long as it is not forgotten.
  std::shared_ptr<KcpSession> Begin(const PeerAddress& peer, uint32_t conv);
  void Forget(KcpSession& session);

  void StopAccepting() { is_accepting_ = false; }
  void Close();

  // The first `count` of a batch.
  void Send(DatagramBatch& batch, size_t count);

 private:
  struct Socket;
  using Conversation = std::pair<PeerAddress, uint32_t>;

  KcpPort(std::shared_ptr<KcpLedger> ledger, size_t index, int socket);
  void AwaitDatagrams();
  void Receive();
  void Take(const PeerAddress& peer, std::string_view datagram, uint32_t now);
  void TakeFirst(const PeerAddress& peer, const Segment& first, std::string_view segments,
                 uint32_t now);
  void Drop(KcpDrop cause, int64_t count = 1);
  KcpLedger::OfLoop& counts() { return ledger_->on[index_]; }

  const std::shared_ptr<KcpLedger> ledger_;
  const size_t index_;
  const std::shared_ptr<KcpTurn> turn_;
  const std::unique_ptr<Socket> socket_;
  bool is_accepting_;
  absl::flat_hash_map<PeerAddress, std::shared_ptr<KcpSession>> sessions_;

  // Conversations that have ended: their clients do not know, and must not begin anew with what they
  // send again.
  absl::flat_hash_set<Conversation> ended_;
  std::deque<Conversation> ended_order_;
};

}  // namespace due
