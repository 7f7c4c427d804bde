#include "due/network/session.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "core/clock.h"

namespace due {
namespace {

using micro::Clock;

constexpr size_t kFirstSpace = 2 << 10;               // of most connections for all their lives
constexpr size_t kKeptSpace = 64 << 10;               // a larger one is given back
constexpr absl::Duration kLinger = absl::Seconds(2);  // for the peer's end, after ours

absl::Status NotOpen(Conn::State state) {
  return absl::FailedPreconditionError(state == Conn::kHanged ? "connection is hanged"
                                                              : "connection is closed");
}

}  // namespace

std::string_view NameOf(Cause cause) {
  constexpr std::string_view kNames[kCauses] = {"peer",         "local",     "silent",
                                                "unauthorized", "too large", "stalled"};
  return kNames[static_cast<size_t>(cause)];
}

Session::Session(int64_t id, std::unique_ptr<micro::net::Socket> socket,
                 std::shared_ptr<const SessionSettings> settings, std::shared_ptr<LoopTurn> turn,
                 OnEnd on_end)
    : id_(id),
      socket_(std::move(socket)),
      settings_(std::move(settings)),
      turn_(std::move(turn)),
      on_end_(std::move(on_end)),
      local_(socket_->local()),
      remote_(socket_->remote()) {}

std::shared_ptr<Session> Session::Self() {
  return std::static_pointer_cast<Session>(shared_from_this());
}

void Session::Start() {
  heard_ = Clock::Real().Now();
  WatchForSilence();
  WaitForAuthorization();
  is_delivering_ = true;
  if (settings_->hooks.on_connect != nullptr) settings_->hooks.on_connect(*this);
  is_delivering_ = false;
  Flush();
  if (socket_ != nullptr) Read();
}

// ---- What comes in ----

void Session::Read() {
  if (is_reading_) return;
  MakeRoom(0);
  is_reading_ = true;
  socket_->Read(space_.get() + end_, capacity_ - end_,
                [self = Self()](const absl::Status& status, size_t count) {
                  self->is_reading_ = false;
                  self->OnRead(status, count);
                });
}

void Session::OnRead(const absl::Status& status, size_t count) {
  if (state() == kClosed) return;
  if (!status.ok()) return End(state() == kHanged ? Cause::kLocal : Cause::kPeer);
  heard_ = Clock::Real().Now();
  if (state() == kHanged) {  // nobody heeds it
    begin_ = end_ = 0;
    return Read();
  }
  end_ += count;
  Advance();
}

// Delivers what is whole, writes all that was answered in one go, and reads on; but not while as many
// answers wait as may.
void Session::Advance() {
  bool is_stopped = true;
  while (is_stopped) {
    const absl::StatusOr<bool> all = DeliverAll();
    if (!all.ok()) return End(Cause::kTooLarge);
    is_stopped = !*all;
    Flush();
    if (state() != kOpened) break;
    if (IsFull()) {
      is_paused_ = true;
      return;
    }
  }
  if (state() == kClosed) return;
  if (state() == kHanged) begin_ = end_ = 0;
  Read();
}

// False: as many answers wait as may, and packets are left.
absl::StatusOr<bool> Session::DeliverAll() {
  is_delivering_ = true;
  const auto done = absl::MakeCleanup([this] { is_delivering_ = false; });
  while (state() == kOpened) {
    if (IsFull()) return false;
    std::string_view rest(space_.get() + begin_, end_ - begin_);
    const auto packet = settings_->framing.Take(rest, scratch_);
    if (!packet.ok()) return packet.status();
    if (!packet->has_value()) return true;
    begin_ = end_ - rest.size();
    Deliver(**packet);
  }
  return true;
}

void Session::Deliver(std::string_view packet) {
  turn_->packets_in.fetch_add(1, std::memory_order_relaxed);
  if (packet.size() == kSizeBytes) return;  // it tells that the peer lives
  if (Packer::IsHeartbeat(packet)) {
    if (settings_->answers_heartbeats) SendHeartbeat();
    return;
  }
  if (settings_->hooks.on_receive != nullptr) settings_->hooks.on_receive(*this, packet);
}

// Room for the rest of the packet that is under way, or for the first bytes of one.
void Session::MakeRoom(size_t wanted) {
  const size_t kept = end_ - begin_;
  if (kept >= kSizeBytes) {
    const Packer& packer = settings_->framing.packer();
    wanted =
        kSizeBytes + packer.ReadInteger(space_.get() + begin_, kSizeBytes);  // Take has bounded it
  }
  wanted = std::max(wanted, kFirstSpace);
  const bool is_too_large = kept == 0 && capacity_ > kKeptSpace;
  if (space_ == nullptr || capacity_ < wanted || is_too_large) {
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
  if (queued_.fetch_add(1, std::memory_order_relaxed) >= settings_->write_queue_size) {
    queued_.fetch_sub(1, std::memory_order_relaxed);
    return absl::ResourceExhaustedError("the connection's write queue is full");
  }
  if (turn_->loop().IsCurrent()) {
    Take(packet);
  } else {
    turn_->Push(Self(), packet);
  }
  return absl::OkStatus();
}

void Session::Take(std::string_view packet) {
  if (state() == kClosed) return;
  settings_->framing.Put(packet, waiting_);
  ++waiting_packets_;
  if (is_delivering_ || std::exchange(is_flush_due_, true)) return;
  turn_->FlushLater(Self());
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
  if (waiting_packets_ > 0) {
    const size_t written = socket_->TryWrite(waiting_);
    if (written == waiting_.size()) {
      turn_->packets_out.fetch_add(waiting_packets_, std::memory_order_relaxed);
      queued_.fetch_sub(std::exchange(waiting_packets_, 0), std::memory_order_relaxed);
      waiting_.clear();
      if (waiting_.capacity() > kKeptSpace) waiting_.shrink_to_fit();
    } else {
      writing_.swap(waiting_);
      writing_packets_ = std::exchange(waiting_packets_, 0);
      is_writing_ = true;
      stall_.Set(turn_->deadlines(), Clock::Real().Now() + settings_->stall_timeout,
                 [self = Self()] { self->End(Cause::kStalled); });
      socket_->Write(std::string_view(writing_).substr(written),
                     [self = Self()](const absl::Status& status) { self->OnWritten(status); });
      return;
    }
  }
  if (state() == kHanged) return Linger();
  if (is_paused_ && !IsFull()) {
    is_paused_ = false;
    Advance();
  }
}

void Session::OnWritten(const absl::Status& status) {
  is_writing_ = false;
  stall_.Clear();
  if (state() == kClosed) return;
  if (!status.ok()) return End(state() == kHanged ? Cause::kLocal : Cause::kPeer);
  turn_->packets_out.fetch_add(writing_packets_, std::memory_order_relaxed);
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
                       if (self->uid() == 0) self->End(Cause::kUnauthorized);
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
  turn_->loop().Post([self = Self(), force] {
    if (self->state() == kClosed) return;
    if (force) return self->End(Cause::kLocal);
    self->Flush();
    if (self->socket_ == nullptr || self->is_reading_) return;
    self->begin_ = self->end_ = 0;
    self->Read();
  });
}

// All is written: the peer is told, and has a moment to read it before the connection is closed.
void Session::Linger() {
  socket_->EndWrites();
  linger_.Set(turn_->deadlines(), Clock::Real().Now() + kLinger,
              [self = Self()] { self->End(Cause::kLocal); });
}

void Session::End(Cause cause) {
  if (state_.exchange(kClosed) == kClosed) return;
  const auto self = Self();
  silence_.Clear();
  authorization_.Clear();
  stall_.Clear();
  linger_.Clear();
  socket_.reset();
  if (settings_->hooks.on_disconnect != nullptr) settings_->hooks.on_disconnect(*this, cause);
  std::exchange(on_end_, nullptr)(*this, cause);
}

}  // namespace due
