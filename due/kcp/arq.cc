#include "due/kcp/arq.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace due {
namespace {

constexpr uint32_t kAckWait = 10;    // ms: below any timeout of a peer
constexpr size_t kManyBytes = 1024;  // acknowledged at once
constexpr uint32_t kMostAskWait = 7'000;
constexpr int kTells = 3;  // that the window is open again, as the peer may ask after 7 s only

}  // namespace

Arq::Arq(uint32_t conv, const KcpOptions& options, BlockPool& pool, uint32_t first)
    : options_(options),
      pool_(pool),
      conv_(conv),
      read_(first),
      expected_(first),
      told_window_(static_cast<uint16_t>(options.receive_window)),
      una_(first),
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
  if (said.has_value()) Measure(Distance(now, *said));
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

// ---- What is to be sent ----

Moment Arq::due() const {
  Moment due;
  for (const Moment& time : {ack_at_, tell_at_, send_at_, resend_at_, ask_at_}) {
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

}  // namespace due
