// How an Arq sends: what the peer has received, when that is too late, and how much may be under way.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "due/kcp/arq.h"

namespace due {
namespace {

constexpr uint32_t kLeastTimeout = 100, kLeastTimeoutNoDelay = 30, kMostTimeout = 60'000;
constexpr int kDeadSends = 20;
constexpr int32_t kDeadTime = 10'000;
constexpr float kLeastWindow = 2;

}  // namespace

// ---- What the peer has received ----

bool Arq::TakeAck(const Segment& segment, uint32_t now) {
  const uint32_t index = segment.sn - una_;
  if (Distance(segment.sn, una_) < 0) return true;  // una has told already
  if (index >= in_flight_) return false;
  if (Block*& block = sending_[index].block; block != nullptr) {
    pool_.Give(block);
    block = nullptr;
  }
  for (size_t i = 0; i < index; ++i) {
    Sending& earlier = sending_[i];
    if (earlier.block == nullptr || Distance(earlier.ts, segment.ts) > 0) continue;
    if (earlier.later_acks < UINT16_MAX) ++earlier.later_acks;
    // Sent again once that is sure, or it was not just the order.
    const int enough = options_.no_delay.resend;
    const bool is_sure = enough > 0 && earlier.later_acks >= enough;
    KeepEarlier(resend_at_, is_sure ? now : now + Interval());
  }
  return true;
}

void Arq::DropAcknowledged(uint32_t una, uint32_t now) {
  while (una_ != una) {
    if (Block* const block = sending_.front().block; block != nullptr) pool_.Give(block);
    sending_.pop_front();
    --in_flight_;
    ++una_;
  }
  got_on_at_ = now;
  if (in_flight_ == 0) resend_at_.reset();
}

// RFC 6298; kcp-go has its interval for the clock's granularity.
void Arq::Measure(int32_t round_trip) {
  if (round_trip < 0 || round_trip > static_cast<int32_t>(kMostTimeout)) return;
  const auto sample = static_cast<float>(round_trip);
  if (!is_measured_) {
    is_measured_ = true;
    round_trip_ = sample;
    variance_ = sample / 2;
  } else {
    variance_ += (std::abs(sample - round_trip_) - variance_) / 4;
    round_trip_ += (sample - round_trip_) / 8;
  }
  const float margin = std::max(static_cast<float>(options_.no_delay.interval_ms), 4 * variance_);
  const uint32_t least = options_.no_delay.nodelay > 0 ? kLeastTimeoutNoDelay : kLeastTimeout;
  timeout_ = std::clamp(static_cast<uint32_t>(round_trip_ + margin), least, kMostTimeout);
}

// Slow start, then about a segment a round trip.
void Arq::GrowWindow() {
  if (options_.no_delay.nc > 0) return;
  window_ += window_ < slow_start_until_ ? 1 : 1 / window_ + 1.0f / 16;
  window_ = std::clamp(window_, 1.0f, std::max(1.0f, static_cast<float>(peers_window_)));
}

size_t Arq::Limit() const {
  const size_t limit = std::min<size_t>(static_cast<size_t>(options_.send_window), peers_window_);
  if (options_.no_delay.nc > 0) return limit;
  return std::min(limit, static_cast<size_t>(window_));
}

// ---- What is written, and sent ----

size_t Arq::Write(std::string_view bytes, uint32_t now) {
  const size_t most = 2 * static_cast<size_t>(options_.send_window);
  const size_t payload = static_cast<size_t>(options_.mtu) - kSegmentHead;
  size_t count = 0;
  while (count < bytes.size()) {
    if (sending_.size() == in_flight_ || sending_.back().block->end == payload) {
      if (sending_.size() >= most) break;
      sending_.push_back({.block = pool_.Take()});
    }
    Block& block = *sending_.back().block;
    const size_t part = std::min(bytes.size() - count, payload - block.end);
    std::memcpy(block.bytes + block.end, bytes.data() + count, part);
    block.end = static_cast<uint16_t>(block.end + part);
    count += part;
  }
  if (count > 0) {
    SendLater(now);
    WatchPeersWindow(now);
  }
  return count;
}

void Arq::SendLater(uint32_t now) {
  if (!CanSend()) return;
  const bool is_full = sending_.size() - in_flight_ > 1;
  const bool waits = options_.write_delay && !is_full;
  KeepEarlier(send_at_, waits ? now + Interval() : now);
}

// Asks a peer that has no room, from time to time, as what it tells may be lost.
void Arq::WatchPeersWindow(uint32_t now) {
  if (peers_window_ > 0 || sending_.size() == in_flight_) {
    ask_at_.reset();
    ask_wait_ = kFirstAskWait;
  } else if (!ask_at_.has_value()) {
    ask_at_ = now + ask_wait_;
  }
}

void Arq::PutPushes(uint32_t now, Datagrams& datagrams) {
  const size_t limit = Limit();
  const size_t sent_before = in_flight_;
  if (in_flight_ == 0) got_on_at_ = now;
  while (in_flight_ < sending_.size() && in_flight_ < limit) ++in_flight_;
  send_at_.reset();

  const bool has_new = in_flight_ > sent_before;
  const bool looks_at_all = HasCome(resend_at_, now);
  if (looks_at_all) resend_at_.reset();
  bool is_early = false, is_late = false;
  for (size_t i = looks_at_all ? 0 : sent_before; i < in_flight_; ++i) {
    Sending& segment = sending_[i];
    if (segment.block == nullptr) continue;
    if (MustSend(segment, has_new, now, is_early, is_late)) {
      segment.ts = now;
      segment.resend_at = now + segment.timeout;
      segment.later_acks = 0;
      if (segment.sends < UINT16_MAX) ++segment.sends;
      is_dead_ |= segment.sends >= kDeadSends && Distance(now, got_on_at_) >= kDeadTime;
      Segment push = Head(Segment::kPush);
      push.ts = now;
      push.sn = una_ + static_cast<uint32_t>(i);
      push.bytes = {segment.block->bytes, segment.block->end};
      datagrams.Put(push);
    }
    KeepEarlier(resend_at_, segment.resend_at);
    if (segment.later_acks > 0) KeepEarlier(resend_at_, now + Interval());
  }
  if (options_.no_delay.nc > 0) return;
  if (is_early) {
    slow_start_until_ = std::max(static_cast<float>(in_flight_) / 2, kLeastWindow);
    window_ = slow_start_until_ + static_cast<float>(options_.no_delay.resend);
  }
  if (is_late) {
    slow_start_until_ = std::max(static_cast<float>(limit) / 2, kLeastWindow);
    window_ = 1;
  }
}

// Whether a segment is to be sent: for the first time, since later ones were acknowledged (early), or
// since nobody has for too long (late).
bool Arq::MustSend(Sending& segment, bool has_new, uint32_t now, bool& is_early, bool& is_late) {
  if (segment.sends == 0) {
    segment.timeout = timeout_;
    return true;
  }
  const int enough = options_.no_delay.resend;
  if (segment.later_acks > 0 && (enough > 0 && segment.later_acks >= enough ? true : !has_new)) {
    segment.timeout = timeout_;
    return is_early = true;
  }
  if (Distance(now, segment.resend_at) < 0) return false;
  const uint32_t more = options_.no_delay.nodelay > 0 ? timeout_ / 2 : timeout_;
  segment.timeout = std::min(segment.timeout + more, kMostTimeout);
  return is_late = true;
}

}  // namespace due
