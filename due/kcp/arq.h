// An Arq is one side of a KCP conversation: it makes a stream of bytes of datagrams that get lost,
// come twice and in any order. It knows no socket, clock or thread. Internal.
//
//   if (!arq.Take(segments, now)) …                    // a datagram has come (Open has looked at it)
//   size_t count = arq.Read(buffer, size, now);
//   bytes.remove_prefix(arq.Write(bytes, now));
//   if (arq.IsDue(now)) arq.Flush(now, outbox);        // once after all of that
//   … wait until arq.due() …                           // or the next datagram
//
// `now` is in milliseconds, of any beginning, and goes round at 2^32. It acts as kcp-go does, but
// sends nothing unless something is under way, and acknowledges sooner (options.h, ack_no_delay).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "due/kcp/block_pool.h"
#include "due/kcp/datagrams.h"
#include "due/kcp/moment.h"
#include "due/kcp/options.h"
#include "due/kcp/ring.h"
#include "due/kcp/segment.h"

namespace due {

class Arq {
 public:
  // Both sides number their segments from `first` on: 0, but in tests. The pool outlives it.
  Arq(uint32_t conv, const KcpOptions& options, BlockPool& pool, uint32_t first = 0);
  ~Arq();
  Arq(const Arq&) = delete;
  Arq& operator=(const Arq&) = delete;

  uint32_t conv() const { return conv_; }

  // Takes what a datagram carries (Carried::kSegments, of this conversation). False: some of its
  // numbers cannot be, and their segments were left out.
  bool Take(std::string_view segments, uint32_t now);

  // How many bytes can be read: what has come in order, at most receive_window segments.
  size_t readable() const { return readable_; }
  size_t Read(char* buffer, size_t size, uint32_t now);

  // Takes what there is room for, and says how much that was.
  size_t Write(std::string_view bytes, uint32_t now);

  // When Flush has something to do; none: not before something else happens.
  Moment due() const;
  bool IsDue(uint32_t now) const { return HasCome(due(), now); }

  // Sends what is to be sent now.
  void Flush(uint32_t now, Outbox& outbox);

  // The peer takes nothing any more: something was sent 20 times, and for 10 s nothing has got on.
  bool is_dead() const { return is_dead_; }

  // Segments that were written and not acknowledged.
  size_t unacknowledged() { return sending_.size(); }

 private:
  // A segment of ours. Those that were sent are the first in_flight_ of sending_.
  struct Sending {
    Block* block = nullptr;  // null: acknowledged, while ones before it are not
    uint32_t ts = 0;         // when it was sent last
    uint32_t resend_at = 0;
    uint32_t timeout = 0;
    uint16_t later_acks = 0;  // of segments sent after it
    uint16_t sends = 0;
  };
  struct Ack {
    uint32_t sn = 0, ts = 0;
  };

  static constexpr uint32_t kFirstAskWait = 500;  // ms; kcp-go: 7 s

  bool TakePush(const Segment& segment, uint32_t now);
  void AckLater(const Ack& ack, size_t size, bool at_once, uint32_t now);
  bool TakeAck(const Segment& segment, uint32_t now);
  void DropAcknowledged(uint32_t una, uint32_t now);
  void Measure(int32_t round_trip);
  void GrowWindow();
  void WatchPeersWindow(uint32_t now);
  void SendLater(uint32_t now);
  bool CanSend() const { return in_flight_ < sending_.size() && in_flight_ < Limit(); }
  size_t Limit() const;
  uint32_t Interval() const { return static_cast<uint32_t>(options_.no_delay.interval_ms); }
  uint16_t Window() const;
  Segment Head(Segment::Command command) const;
  void PutControls(uint32_t now, Datagrams& datagrams);
  void PutPushes(uint32_t now, Datagrams& datagrams);
  bool MustSend(Sending& segment, bool has_new, uint32_t now, bool& is_early, bool& is_late);

  const KcpOptions options_;
  BlockPool& pool_;
  const uint32_t conv_;

  // What comes in: from read_ on, with gaps.
  Ring<Block*> received_;
  uint32_t read_;      // the first that was not read
  uint32_t expected_;  // the first that has not come
  size_t readable_ = 0;
  uint16_t told_window_;         // last
  std::vector<Ack> acks_;        // of segments that came out of order
  std::optional<Ack> last_ack_;  // of the one that came in order last; the rest is una
  size_t unacked_bytes_ = 0;
  Moment ack_at_, tell_at_;
  int tells_left_ = 0;

  // What goes out.
  Ring<Sending> sending_;
  size_t in_flight_ = 0;
  uint32_t una_;  // the number of sending_'s first
  uint32_t got_on_at_ = 0;
  Moment send_at_, resend_at_, ask_at_;
  uint32_t ask_wait_ = kFirstAskWait;
  uint16_t peers_window_ = 32;  // as kcp-go thinks until it is told
  bool is_dead_ = false;
  bool is_measured_ = false;
  float round_trip_ = 0, variance_ = 0;  // ms
  uint32_t timeout_ = 200;
  float window_ = 4, slow_start_until_;  // congestion control's, in segments
};

}  // namespace due
