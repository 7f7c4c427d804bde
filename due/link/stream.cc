#include "due/link/stream.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/clock.h"
#include "due/link/frames.h"

namespace due {
namespace {

using micro::Clock;

constexpr size_t kFirstSpace = 4 << 10;
constexpr size_t kBusySpace = 256 << 10;              // read at once, at most
constexpr size_t kKeptSpace = 256 << 10;              // of what waited; a larger one is given back
constexpr size_t kEnough = 64 << 10;                  // to be written before the turn ends
constexpr size_t kWritten = 64 << 10;                 // to be taken within stall_timeout
constexpr absl::Duration kLinger = absl::Seconds(2);  // for the peer's end, after ours

void GiveBack(std::string& text) {
  text.clear();
  if (text.capacity() > kKeptSpace) text.shrink_to_fit();
}

}  // namespace

LinkStream::LinkStream(std::unique_ptr<micro::net::Socket> socket,
                       std::shared_ptr<micro::net::Turn> turn, absl::Duration stall_timeout)
    : socket_(std::move(socket)),
      turn_(std::move(turn)),
      stall_timeout_(stall_timeout),
      remote_(socket_->remote()),
      space_(std::make_unique_for_overwrite<char[]>(kFirstSpace)),
      capacity_(kFirstSpace),
      heard_(Clock::Real().Now()) {}

void LinkStream::Start(std::shared_ptr<Owner> owner) {
  owner_ = std::move(owner);
  Read();
}

// ---- What comes in ----

void LinkStream::Read() {
  if (is_reading_ || is_ended()) return;
  is_reading_ = true;
  socket_->Read(space_.get() + end_, capacity_ - end_,
                [self = shared_from_this()](const absl::Status& status, size_t count) {
                  self->is_reading_ = false;
                  if (self->is_ended()) return;
                  if (!status.ok())
                    return self->End(self->is_finishing_ ? LinkEnd::kLocal : LinkEnd::kPeer);
                  self->end_ += count;
                  self->has_heard_ = true;
                  self->heard_ = Clock::Real().Now();
                  self->Advance();
                  if (self->is_ended()) return;
                  self->MakeRoom(count);
                  if (self->is_advance_due_) return;
                  if (!self->is_paused_ || self->is_finishing_) self->Read();
                });
}

// Has what is whole taken, and writes all that was answered in one go.
void LinkStream::Advance() {
  if (is_finishing_) {
    begin_ = end_;
    return;
  }
  std::string_view rest(space_.get() + begin_, end_ - begin_);
  is_delivering_ = true;
  const std::shared_ptr<Owner> owner = owner_;  // who is told may end us
  const std::optional<LinkEnd> wrong = owner->OnBytes(rest);
  is_delivering_ = false;
  if (is_ended()) return;
  begin_ = is_finishing_ ? end_ : end_ - rest.size();
  Flush();
  if (wrong.has_value()) End(*wrong);
}

void LinkStream::Resume() {
  is_paused_ = false;
  Again();
}

void LinkStream::Again() {
  if (std::exchange(is_advance_due_, true)) return;
  turn_->loop().Post([self = shared_from_this()] {
    self->is_advance_due_ = false;
    if (self->is_ended() || self->is_paused_) return;
    self->Advance();
    // What lies where the kernel writes to must stay.
    if (self->is_ended() || self->is_reading_ || self->is_advance_due_) return;
    self->MakeRoom(0);
    if (!self->is_paused_) self->Read();
  });
}

// Room for the rest of what is under way, and for more than the last read where it left none.
void LinkStream::MakeRoom(size_t last_read) {
  const size_t kept = end_ - begin_;
  size_t wanted = capacity_ > kBusySpace ? kBusySpace : capacity_;
  if (last_read > capacity_ / 2)
    wanted = std::min(std::max(2 * capacity_, kFirstSpace), kBusySpace);
  // Who only says that much will come gets no more space than for what has come, twice.
  const std::string_view part(space_.get() + begin_, kept);
  wanted = std::max({wanted, std::min(link::Wanted(part), 2 * kept), kept + kFirstSpace / 2});
  if (wanted != capacity_ && (wanted > capacity_ || kept == 0)) {
    auto space = std::make_unique_for_overwrite<char[]>(wanted);
    if (kept > 0) std::memcpy(space.get(), part.data(), kept);
    space_ = std::move(space);
    capacity_ = wanted;
  } else if (begin_ > 0 && kept > 0) {
    std::memmove(space_.get(), part.data(), kept);
  }
  begin_ = 0;
  end_ = kept;
}

// ---- What goes out ----

void LinkStream::Added(int64_t frames) {
  waiting_frames_ += frames;
  if (waiting_.size() >= kEnough && !is_writing_) WriteNow();
  if (!is_delivering_ && !std::exchange(is_flush_due_, true)) turn_->FlushLater(shared_from_this());
}

void LinkStream::Flush() {
  is_flush_due_ = false;
  if (is_ended()) return;
  WriteNow();
  if (is_finishing_ && !is_writing_) Linger();
}

void LinkStream::WriteNow() {
  if (is_writing_ || waiting_.empty()) return;
  const size_t written = socket_->TryWrite(waiting_);
  writing_.swap(waiting_);
  writing_frames_ = std::exchange(waiting_frames_, 0);
  written_ = written;
  if (written == writing_.size()) return Written();
  is_writing_ = true;
  WriteOn();
}

void LinkStream::WriteOn() {
  stall_.Set(turn_->deadlines(), Clock::Real().Now() + stall_timeout_,
             [self = shared_from_this()] { self->End(LinkEnd::kStalled); });
  const std::string_view part = std::string_view(writing_).substr(written_, kWritten);
  written_ += part.size();
  socket_->Write(part, [self = shared_from_this()](const absl::Status& status) {
    if (self->is_ended()) return;
    if (!status.ok()) return self->End(self->is_finishing_ ? LinkEnd::kLocal : LinkEnd::kPeer);
    if (self->written_ < self->writing_.size()) return self->WriteOn();
    self->is_writing_ = false;
    self->stall_.Clear();
    self->Written();
    self->Flush();
  });
}

void LinkStream::Written() {
  const auto bytes = static_cast<int64_t>(writing_.size());
  GiveBack(writing_);
  owner_->OnWritten(std::exchange(writing_frames_, 0), bytes);
}

LinkStream::Unsent LinkStream::TakeUnsent() {
  Unsent unsent{.frames = waiting_frames_ + writing_frames_,
                .frame_bytes = static_cast<int64_t>(waiting_bytes())};
  std::string_view rest = writing_;
  while (!rest.empty() &&
         static_cast<size_t>(rest.data() - writing_.data()) + link::Wanted(rest) <= written_)
    rest.remove_prefix(link::Wanted(rest));
  unsent.bytes = std::string(rest) + waiting_;
  waiting_ = writing_ = {};
  waiting_frames_ = writing_frames_ = 0;
  return unsent;
}

// ---- Its end ----

void LinkStream::Finish() {
  if (is_ended() || std::exchange(is_finishing_, true)) return;
  const bool was_paused = std::exchange(is_paused_, false);
  if (was_paused && !is_reading_) Read();
  if (!is_delivering_) turn_->FlushLater(shared_from_this());
}

// All is written: the peer is told, and has a moment to read it before the connection is closed.
void LinkStream::Linger() {
  if (std::exchange(is_lingering_, true)) return;
  socket_->EndWrites();
  linger_.Set(turn_->deadlines(), Clock::Real().Now() + kLinger,
              [self = shared_from_this()] { self->End(LinkEnd::kLocal); });
}

void LinkStream::End(LinkEnd end) {
  if (is_ended()) return;
  const auto self = shared_from_this();
  stall_.Clear();
  linger_.Clear();
  socket_.reset();
  const std::shared_ptr<Owner> owner = std::exchange(owner_, nullptr);
  if (owner != nullptr) owner->OnEnd(end);
}

}  // namespace due
