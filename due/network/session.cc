#include "due/network/session.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/clock.h"
#include "core/status_macros.h"

namespace due {
namespace {

using micro::Clock;

constexpr size_t kFirstSpace = 2 << 10;  // of most connections for all their lives
constexpr size_t kBusySpace = 32 << 10;  // read at once, at most
constexpr size_t kKeptSpace = 64 << 10;  // of what waited; a larger one is given back
constexpr size_t kWritten = 64 << 10;    // to be taken within stall_timeout
constexpr absl::Duration kSlow = absl::Milliseconds(10);  // until one who sends too much is read on
constexpr absl::Duration kLinger = absl::Seconds(2);      // for the peer's end, after ours

absl::Status NotOpen(Conn::State state) {
  return absl::FailedPreconditionError(state == Conn::kHanged ? "connection is hanged"
                                                              : "connection is closed");
}

}  // namespace

absl::Status CheckPacket(const Packer& packer, std::string_view packet) {
  if (packet.size() >= kSizeBytes &&  // due's empty packet is one, too
      packer.ReadInteger(packet.data(), kSizeBytes) == packet.size() - kSizeBytes)
    return absl::OkStatus();
  return absl::InvalidArgumentError("this is no packet of Packer's form");
}

std::string_view NameOf(Cause cause) {
  constexpr std::string_view kNames[kCauses] = {"peer",      "local",     "silent", "unauthorized",
                                                "too large", "malformed", "stalled"};
  return kNames[static_cast<size_t>(cause)];
}

Session::Session(int64_t id, std::unique_ptr<micro::net::Socket> socket, std::unique_ptr<Wire> wire,
                 std::shared_ptr<const SessionSettings> settings, std::shared_ptr<LoopTurn> turn,
                 OnEnd on_end)
    : socket_(std::move(socket)),
      wire_(std::move(wire)),
      settings_(std::move(settings)),
      turn_(std::move(turn)),
      id_(id),
      on_end_(std::move(on_end)),
      local_(socket_->local()),
      remote_(socket_->remote()) {}

std::shared_ptr<Session> Session::Self() {
  return std::static_pointer_cast<Session>(shared_from_this());
}

void Session::Start(std::string_view read) {
  heard_ = Clock::Real().Now();
  WatchForSilence();
  WaitForAuthorization();
  capacity_ = std::max(kFirstSpace, read.size());
  space_ = std::make_unique_for_overwrite<char[]>(capacity_);
  if (!read.empty()) std::memcpy(space_.get(), read.data(), read.size());
  end_ = read.size();
  turn_->bytes_in.Add(static_cast<int64_t>(read.size()));
  is_delivering_ = true;
  if (settings_->hooks.on_connect != nullptr) settings_->hooks.on_connect(*this);
  is_delivering_ = false;
  Advance();
}

// ---- What comes in ----

void Session::Read() {
  if (is_reading_ || socket_ == nullptr) return;
  is_reading_ = true;
  socket_->Read(space_.get() + end_, capacity_ - end_,
                [self = Self()](const absl::Status& status, size_t count) {
                  self->is_reading_ = false;
                  self->OnRead(status, count);
                });
}

void Session::OnRead(const absl::Status& status, size_t count) {
  if (state() == kClosed) return;
  // Who says nothing more may still listen.
  if (absl::IsOutOfRange(status) && (is_writing_ || !waiting_.empty())) {
    has_peer_ended_ = true;
    Hang(Cause::kPeer);
    return Flush();
  }
  if (!status.ok()) return End(state() == kHanged ? cause_ : Cause::kPeer);
  turn_->bytes_in.Add(static_cast<int64_t>(count));
  end_ += count;
  last_read_ = count;
  Advance();
}

// Delivers what is whole, writes all that was answered in one go, and reads on; but not while as many
// answers wait as may.
void Session::Advance() {
  bool is_stopped = true;
  while (is_stopped) {
    DeliverAll();
    is_stopped = state() == kOpened && IsPushedBack();
    Flush();
    if (state() != kOpened) break;
    if (IsPushedBack()) {
      is_paused_ = true;
      return;
    }
  }
  if (state() == kClosed || (state() == kOpened && is_slowed_)) return;
  if (state() == kHanged) begin_ = end_ = 0;  // nobody heeds it
  MakeRoom(last_read_);
  Read();
}

void Session::DeliverAll() {
  const int64_t before = turn_->packets_in;
  if (waiting_.empty()) waiting_.swap(turn_->spare);
  is_delivering_ = true;
  while (state() == kOpened && !IsPushedBack() && MayTake() && TakeNext()) {
  }
  is_delivering_ = false;
  // Bytes that are no whole packet are no sign of life: whoever sends them one by one is silent.
  if (turn_->packets_in != before) heard_ = Clock::Real().Now();
}

// False: it has sent so much that the rest waits.
bool Session::MayTake() {
  const int rate = settings_->packet_rate;
  if (rate == 0) return true;
  if (may_take_ < 1 && !is_slowed_) {
    const absl::Time now = Clock::Real().Now();
    may_take_ += rate * std::min(absl::ToDoubleSeconds(now - counted_), 1.0);
    counted_ = now;
    is_slowed_ = may_take_ < 1;
    if (is_slowed_) {
      turn_->slowed.Add(1);
      slow_.Set(turn_->deadlines(), now + kSlow, [self = Self()] {
        self->is_slowed_ = false;
        if (self->state() == kOpened && !self->is_paused_) self->Advance();
      });
    }
  }
  return !is_slowed_;
}

// False: nothing whole is left.
bool Session::TakeNext() {
  std::span<char> rest(space_.get() + begin_, end_ - begin_);
  const size_t waited = waiting_.size();
  const absl::StatusOr<Wire::Taken> taken = wire_->Take(rest, waiting_);
  begin_ = end_ - rest.size();
  if (waiting_.size() > waited) {
    ++waiting_packets_;
    queued_.fetch_add(1, std::memory_order_relaxed);
  }
  if (!taken.ok()) {
    Hang(absl::IsResourceExhausted(taken.status()) ? Cause::kTooLarge : Cause::kMalformed);
    return false;
  }
  switch (taken->kind) {
    case Wire::Taken::kNothing:
      return false;
    case Wire::Taken::kPacket:
      Deliver(taken->packet);
      return true;
    case Wire::Taken::kDropped:
      turn_->dropped.Add(1);
      return true;
    case Wire::Taken::kControl:
      return true;
    case Wire::Taken::kGoodbye:
      Hang(Cause::kPeer);
      return false;
  }
  return false;
}

void Session::Deliver(std::string_view packet) {
  turn_->packets_in.Add(1);
  may_take_ -= 1;
  if (packet.size() == kSizeBytes) return;  // it tells that the peer lives
  if (Packer::IsHeartbeat(packet)) {
    if (settings_->answers_heartbeats) SendHeartbeat();
    return;
  }
  if (settings_->hooks.on_receive != nullptr) settings_->hooks.on_receive(*this, packet);
}

// Room for the rest of what is under way, and for more than the last read where it left none: few
// reads for a busy connection, little space for an idle one.
void Session::MakeRoom(size_t last_read) {
  const size_t kept = end_ - begin_;
  size_t wanted = kFirstSpace;
  if (last_read > capacity_ / 2) wanted = std::min(2 * capacity_, kBusySpace);
  // Who only says that much will come gets no more space than for what has come, twice.
  if (kept > 0) {
    const size_t whole = wire_->Wanted({space_.get() + begin_, kept});
    wanted = std::max(wanted, std::min(whole, 2 * kept));
  }
  const bool is_too_large = kept == 0 && wanted < capacity_ && last_read <= kFirstSpace / 2;
  if (capacity_ < wanted || is_too_large) {
    auto space = std::make_unique_for_overwrite<char[]>(wanted);
    if (kept > 0) std::memcpy(space.get(), space_.get() + begin_, kept);
    space_ = std::move(space);
    capacity_ = wanted;
  } else if (begin_ > 0 && kept > 0) {
    std::memmove(space_.get(), space_.get() + begin_, kept);
  }
  begin_ = 0;
  end_ = kept;
}

// ---- What goes out ----

absl::Status Session::Push(std::string_view packet) {
  if (const State now = state(); now != kOpened) return NotOpen(now);
  RETURN_IF_ERROR(CheckPacket(settings_->framing.packer(), packet));
  const bool is_here = turn_->loop().IsCurrent();
  if (is_here) {
    turn_->TakeSent();
    if (IsFull()) Flush();  // more than may wait in one turn: what the peer takes makes room
  }
  int queued = queued_.load(std::memory_order_relaxed);
  do {
    if (queued >= settings_->write_queue_size) {
      turn_->refused.fetch_add(1, std::memory_order_relaxed);
      return absl::ResourceExhaustedError("the connection's write queue is full");
    }
  } while (!queued_.compare_exchange_weak(queued, queued + 1, std::memory_order_relaxed));
  if (is_here) {
    Take(packet);
  } else {
    turn_->Push(Self(), packet);
  }
  return absl::OkStatus();
}

void Session::Take(std::string_view packet) {
  if (state() == kClosed || has_said_goodbye_) return;
  wire_->Put(packet, waiting_);
  ++waiting_packets_;
  if (is_delivering_ || std::exchange(is_flush_due_, true)) return;
  turn_->FlushLater(Self());
}

void Session::Write(std::string_view bytes) {
  if (state() == kClosed || has_said_goodbye_) return;
  if (IsFull()) {
    turn_->missed.Add(1);
    return;
  }
  if (!is_writing_ && !is_delivering_ && waiting_.empty()) {
    const size_t written = socket_->TryWrite(bytes);
    turn_->bytes_out.Add(static_cast<int64_t>(written));
    if (written == bytes.size()) {
      turn_->packets_out.Add(1);
      return;
    }
    bytes.remove_prefix(written);
  }
  waiting_ += bytes;
  ++waiting_packets_;
  queued_.fetch_add(1, std::memory_order_relaxed);
  if (!is_delivering_ && !std::exchange(is_flush_due_, true)) turn_->FlushLater(Self());
}

void Session::SendHeartbeat() {
  const Packer& packer = settings_->framing.packer();
  queued_.fetch_add(1, std::memory_order_relaxed);
  Take(settings_->is_client ? std::string(packer.ClientHeartbeat())
                            : packer.Heartbeat(Clock::Real().Now()));
}

void Session::Flush() {
  is_flush_due_ = false;
  if (state() == kClosed || is_writing_) return;
  if (is_ending_ && !std::exchange(has_said_goodbye_, true)) wire_->PutGoodbye(waiting_);
  if (!waiting_.empty()) {
    const size_t written = socket_->TryWrite(waiting_);
    turn_->bytes_out.Add(static_cast<int64_t>(written));
    if (written < waiting_.size()) {
      writing_.swap(waiting_);
      writing_packets_ = std::exchange(waiting_packets_, 0);
      written_ = written;
      is_writing_ = true;
      return WriteOn();
    }
    turn_->packets_out.Add(waiting_packets_);
    queued_.fetch_sub(std::exchange(waiting_packets_, 0), std::memory_order_relaxed);
    waiting_.clear();
  }
  GiveBackSpace();
  if (is_ending_) return Linger();
  if (is_paused_ && !IsPushedBack()) {
    is_paused_ = false;
    Advance();
  }
}

// What is written at once goes through one buffer of the loop's.
void Session::GiveBackSpace() {
  if (waiting_.capacity() > turn_->spare.capacity()) waiting_.swap(turn_->spare);
  if (turn_->spare.capacity() > kKeptSpace) turn_->spare.shrink_to_fit();
  if (waiting_.capacity() > 0) waiting_ = {};
}

void Session::WriteOn() {
  stall_.Set(turn_->deadlines(), Clock::Real().Now() + settings_->stall_timeout, [self = Self()] {
    self->End(self->state() == kHanged ? self->cause_ : Cause::kStalled);
  });
  const std::string_view part = std::string_view(writing_).substr(written_, kWritten);
  written_ += part.size();
  turn_->bytes_out.Add(static_cast<int64_t>(part.size()));
  socket_->Write(part, [self = Self()](const absl::Status& status) { self->OnWritten(status); });
}

void Session::OnWritten(const absl::Status& status) {
  if (state() == kClosed) return;
  if (!status.ok()) return End(state() == kHanged ? cause_ : Cause::kPeer);
  if (written_ < writing_.size()) return WriteOn();
  is_writing_ = false;
  stall_.Clear();
  turn_->packets_out.Add(writing_packets_);
  queued_.fetch_sub(std::exchange(writing_packets_, 0), std::memory_order_relaxed);
  writing_.clear();
  if (writing_.capacity() > kKeptSpace) writing_.shrink_to_fit();
  Flush();
}

// ---- Its times, and its end ----

void Session::WatchForSilence() {
  const absl::Duration interval = settings_->heartbeat_interval;
  if (interval <= absl::ZeroDuration()) return;
  silence_.Set(turn_->deadlines(), Clock::Real().Now() + interval, [self = Self()] {
    if (self->state() == kClosed) return;
    // Nobody listens while it is paused or ends: what it does not take tells whether it lives.
    if (self->state() == kHanged || self->is_paused_) self->heard_ = Clock::Real().Now();
    if (Clock::Real().Now() - self->heard_ > 2 * self->settings_->heartbeat_interval)
      return self->End(Cause::kSilent);
    if (self->settings_->sends_heartbeats && self->state() == kOpened) self->SendHeartbeat();
    self->WatchForSilence();
  });
}

void Session::WaitForAuthorization() {
  if (settings_->authorize_timeout <= absl::ZeroDuration()) return;
  authorization_.Set(turn_->deadlines(), Clock::Real().Now() + settings_->authorize_timeout,
                     [self = Self()] {
                       if (self->uid() == 0 && self->state() == kOpened)
                         self->End(Cause::kUnauthorized);
                     });
}

void Session::Unbind() {
  uid_.store(0, std::memory_order_release);
  turn_->loop().Post([self = Self()] {
    if (self->state() != kClosed) self->WaitForAuthorization();
  });
}

void Session::Close(bool force) {
  State opened = kOpened;
  if (!force && !state_.compare_exchange_strong(opened, kHanged)) return;
  // Behind the packets that this thread has pushed.
  turn_->loop().Post([self = Self(), force] {
    if (self->state() == kClosed) return;
    if (force) return self->End(Cause::kLocal);
    self->turn_->TakeSent();
    self->is_ending_ = true;
    self->Flush();
    if (self->is_reading_ || self->socket_ == nullptr) return;
    self->begin_ = self->end_ = 0;
    self->Read();
  });
}

// Ends it on the loop, once what waits was written.
void Session::Hang(Cause cause) {
  State opened = kOpened;
  if (!state_.compare_exchange_strong(opened, kHanged)) return;
  cause_ = cause;
  is_ending_ = true;
}

// All is written: the peer is told, and has a moment to read it before the connection is closed.
void Session::Linger() {
  if (has_peer_ended_) return End(cause_);
  if (std::exchange(is_lingering_, true)) return;
  socket_->EndWrites();
  linger_.Set(turn_->deadlines(), Clock::Real().Now() + kLinger,
              [self = Self()] { self->End(self->cause_); });
}

void Session::End(Cause cause) {
  if (state_.exchange(kClosed) == kClosed) return;
  const auto self = Self();
  silence_.Clear();
  authorization_.Clear();
  stall_.Clear();
  linger_.Clear();
  slow_.Clear();
  socket_.reset();
  if (settings_->hooks.on_disconnect != nullptr) settings_->hooks.on_disconnect(*this, cause);
  std::exchange(on_end_, nullptr)(*this, cause);
}

}  // namespace due
