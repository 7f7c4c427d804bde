#include "due/kcp/arq.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace due {
namespace {

constexpr uint32_t kAckWait = 10;    // ms: below any timeout of a peer
constexpr size_t kManyBytes = 1024;  // acknowledged at once
constexpr uint32_t kFirstTimeout = 200;
constexpr uint32_t kLeastTimeout = 100, kLeastTimeoutNoDelay = 30, kMostTimeout = 60'000;
constexpr uint32_t kFirstAskWait = 500, kMostAskWait = 7'000;
constexpr int kTells = 3;  // that the window is open again, as the peer may ask after 7 s only
constexpr uint16_t kPeersFirstWindow = 32;
constexpr int kDeadSends = 20;
constexpr int32_t kDeadTime = 10'000;
constexpr float kLeastWindow = 2;

void KeepEarlier(std::optional<uint32_t>& time, uint32_t other) {
  if (!time.has_value() || Distance(other, *time) < 0) time = other;
}

bool HasCome(const std::optional<uint32_t>& time, uint32_t now) {
  return time.has_value() && Distance(now, *time) >= 0;
}

}  // namespace

// Packs segments into datagrams.
class Arq::Datagrams {
 public:
  Datagrams(Outbox& outbox, size_t mtu) : outbox_(outbox), mtu_(mtu) {}
  ~Datagrams() {
    if (used_ > 0) outbox_.Put(used_);
  }

  void Put(const Segment& segment) {
    const size_t size = kSegmentHead + segment.bytes.size();
    if (used_ > 0 && used_ + size > mtu_) {
      outbox_.Put(used_);
      used_ = 0;
    }
    if (used_ == 0) room_ = outbox_.Room();
    WriteHead(segment, room_ + used_);
    if (!segment.bytes.empty())
      std::memcpy(room_ + used_ + kSegmentHead, segment.bytes.data(), segment.bytes.size());
    used_ += size;
  }

 private:
  Outbox& outbox_;
  const size_t mtu_;
  char* room_ = nullptr;
  size_t used_ = 0;
};

Arq::Arq(uint32_t conv, const KcpOptions& options, BlockPool& pool, uint32_t first)
    : options_(options),
      pool_(pool),
      conv_(conv),
      read_(first),
      expected_(first),
      told_window_(static_cast<uint16_t>(options.receive_window)),
      una_(first),
      ask_wait_(kFirstAskWait),
      peers_window_(kPeersFirstWindow),
      timeout_(kFirstTimeout),
      slow_start_until_(static_cast<float>(options.send_window)) {}

Arq::~Arq() {
  for (size_t i = 0; i < received_.size(); ++i) {
    if (received_[i] != nullptr) pool_.Give(received_[i]);
  }
  for (size_t i = 0; i < sending_.size(); ++i) {
    if (sending_[i].block != nullptr) pool_.Give(sending_[i].block);
  }
}

// ---- What comes in ----

bool Arq::Take(std::string_view segments, uint32_t now) {
  bool is_possible = true;
  bool has_got_on = false;
  std::optional<uint32_t> said;  // when the last that was acknowledged had been sent
  while (const std::optional<Segment> segment = TakeSegment(segments)) {
    if (Distance(segment->una, una_ + static_cast<uint32_t>(in_flight_)) > 0) {
      is_possible = false;
      continue;
    }
    // One that was overtaken says nothing new of these.
    if (const int32_t gain = Distance(segment->una, una_); gain >= 0) {
      peers_window_ = segment->window;
      if (gain > 0) DropAcknowledged(segment->una, now);
      has_got_on |= gain > 0;
    }
    switch (segment->command) {
      case Segment::kPush:
        is_possible &= TakePush(*segment, now);
        break;
      case Segment::kAck:
        if (TakeAck(*segment, now)) {
          said = segment->ts;
        } else {
          is_possible = false;
        }
        break;
      case Segment::kAsk:
        tell_at_ = now;
        tells_left_ = std::max(tells_left_, 1);
        break;
      case Segment::kTell:
        break;
    }
  }
  // The peer says the time of the very sending that it acknowledges: no doubt with those that were
  // sent again.
  if (said.has_value()) {
    const int32_t round_trip = Distance(now, *said);
    if (round_trip >= 0 && round_trip <= static_cast<int32_t>(kMostTimeout))
      Measure(static_cast<uint32_t>(round_trip));
  }
  if (has_got_on) GrowWindow();
  if (CanSend() && (has_got_on || !send_at_.has_value())) send_at_ = now;
  WatchPeersWindow(now);
  return is_possible;
}

bool Arq::TakePush(const Segment& segment, uint32_t now) {
  const Ack ack{.sn = segment.sn, .ts = segment.ts};
  if (Distance(segment.sn, expected_) < 0) {  // again: our acknowledgement is lost, or late
    AckLater(ack, segment.bytes.size(), /*at_once=*/true, now);
    return true;
  }
  const uint32_t index = segment.sn - read_;
  if (index >= static_cast<uint32_t>(options_.receive_window)) return false;
  while (received_.size() <= index) received_.push_back(nullptr);
  if (Block*& place = received_[index]; place == nullptr) {
    place = pool_.Take();
    if (!segment.bytes.empty())
      std::memcpy(place->bytes, segment.bytes.data(), segment.bytes.size());
    place->end = static_cast<uint16_t>(segment.bytes.size());
  }
  tells_left_ = 0;
  tell_at_.reset();
  while (expected_ - read_ < received_.size() && received_[expected_ - read_] != nullptr) {
    readable_ += received_[expected_ - read_]->size();
    ++expected_;
  }
  while (readable_ == 0 && read_ != expected_) {  // segments without a byte
    pool_.Give(received_.front());
    received_.pop_front();
    ++read_;
  }
  const bool has_gap = expected_ - read_ < received_.size();
  AckLater(ack, segment.bytes.size(), has_gap, now);
  return true;
}

// Remembers what is to be acknowledged: of what has come in order, the last.
void Arq::AckLater(const Ack& ack, size_t size, bool at_once, uint32_t now) {
  if (Distance(ack.sn, expected_) < 0) {
    last_ack_ = ack;
  } else if (acks_.size() < static_cast<size_t>(options_.receive_window)) {
    acks_.push_back(ack);
  }
  unacked_bytes_ += size;
  at_once |= options_.ack_no_delay || unacked_bytes_ >= kManyBytes;
  KeepEarlier(ack_at_, at_once ? now : now + kAckWait);
}

size_t Arq::Read(char* buffer, size_t size, uint32_t now) {
  size_t count = 0;
  while (read_ != expected_) {
    Block& block = *received_.front();
    const size_t part = std::min<size_t>(size - count, block.size());
    if (part > 0) std::memcpy(buffer + count, block.bytes + block.begin, part);
    block.begin = static_cast<uint16_t>(block.begin + part);
    count += part;
    if (block.size() > 0) break;
    pool_.Give(&block);
    received_.pop_front();
    ++read_;
  }
  readable_ -= count;
  if (told_window_ == 0 && Window() > 0 && tells_left_ == 0) {
    tells_left_ = kTells;
    tell_at_ = now;
  }
  return count;
}

uint16_t Arq::Window() const {
  return static_cast<uint16_t>(static_cast<uint32_t>(options_.receive_window) -
                               (expected_ - read_));
}

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
void Arq::Measure(uint32_t round_trip) {
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

// ---- What goes out ----

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

std::optional<uint32_t> Arq::due() const {
  std::optional<uint32_t> due;
  for (const std::optional<uint32_t>& time : {ack_at_, tell_at_, send_at_, resend_at_, ask_at_}) {
    if (time.has_value()) KeepEarlier(due, *time);
  }
  return due;
}

void Arq::Flush(uint32_t now, Outbox& outbox) {
  Datagrams datagrams(outbox, static_cast<size_t>(options_.mtu));
  PutControls(now, datagrams);
  PutPushes(now, datagrams);
  WatchPeersWindow(now);
}

Segment Arq::Head(Segment::Command command) const {
  return {.conv = conv_, .command = command, .window = Window(), .una = expected_};
}

void Arq::PutControls(uint32_t now, Datagrams& datagrams) {
  Segment ack = Head(Segment::kAck);
  for (const Ack& one : acks_) {
    if (Distance(one.sn, expected_) < 0) continue;  // una tells it
    ack.sn = one.sn;
    ack.ts = one.ts;
    datagrams.Put(ack);
  }
  acks_.clear();
  if (last_ack_.has_value()) {
    ack.sn = last_ack_->sn;
    ack.ts = last_ack_->ts;
    datagrams.Put(ack);
    last_ack_.reset();
  }
  unacked_bytes_ = 0;
  ack_at_.reset();

  if (HasCome(ask_at_, now)) {
    datagrams.Put(Head(Segment::kAsk));
    ask_wait_ = std::min(ask_wait_ + ask_wait_ / 2, kMostAskWait);
    ask_at_ = now + ask_wait_;
  }
  if (HasCome(tell_at_, now)) {
    datagrams.Put(Head(Segment::kTell));
    tell_at_.reset();
    if (--tells_left_ > 0) tell_at_ = now + timeout_;
  }
  told_window_ = Window();
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
