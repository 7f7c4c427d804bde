// How a LinkLine opens its connection, loses it and ends.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/clock.h"
#include "core/log.h"
#include "due/link/line.h"

namespace due {
namespace {

using micro::Clock;
using micro::net::Socket;

constexpr absl::Duration kFirstPause = absl::Milliseconds(5);
constexpr absl::Duration kLongestPause = absl::Seconds(1);
constexpr absl::Duration kFirstDown = absl::Milliseconds(50);
constexpr absl::Duration kSteady = absl::Seconds(1);  // lost sooner, it is not dialled at once

absl::Duration Longer(absl::Duration pause, absl::Duration first) {
  return std::clamp(2 * pause, first, kLongestPause);
}

}  // namespace

void LinkLine::Dial() {
  is_ = Is::kDialing;
  micro::net::Connect(turn_->loop(), shared_->address, nullptr, options_.dial_timeout,
                      [self = shared_from_this()](absl::StatusOr<std::unique_ptr<Socket>> socket) {
                        self->OnDialled(std::move(socket));
                      });
}

void LinkLine::DialAfter(absl::Duration pause) {
  if (pause <= absl::ZeroDuration()) return Dial();
  is_ = Is::kPausing;
  retry_.Set(turn_->deadlines(), Clock::Real().Now() + pause,
             [self = shared_from_this()] { self->Dial(); });
}

void LinkLine::OnDialled(absl::StatusOr<std::unique_ptr<Socket>> socket) {
  if (is_ != Is::kDialing) return;  // it has been ended
  if (!socket.ok()) return DialFailed(socket.status(), /*may_retry=*/true);
  is_ = Is::kShaking;
  stream_ = std::make_shared<LinkStream>(*std::move(socket), turn_, options_.stall_timeout);
  stream_->Start(shared_from_this());
  stream_->Put([&](std::string& out) {
    return Reserve(link::Handshake{.kind = options_.kind, .id = options_.id}, 1, out).ok();
  });
  handshake_.Set(turn_->deadlines(), Clock::Real().Now() + options_.handshake_timeout,
                 [stream = stream_] { stream->End(LinkEnd::kSilent); });
}

void LinkLine::OnShaken() {
  is_ = Is::kOpen;
  handshake_.Clear();
  shared_->opened.fetch_add(1, std::memory_order_relaxed);
  shared_->open.fetch_add(1, std::memory_order_relaxed);
  if (shared_->is_unreachable.exchange(false))
    micro::log::Info("a peer can be reached again", {{"peer", shared_->address}});
  opened_ = Clock::Real().Now();
  failures_ = 0;
  down_ = absl::ZeroDuration();
  down_until_ = 0;
  stream_->PutAll(std::exchange(backlog_, {}), std::exchange(backlog_frames_, 0));
  BeatLater();
  FinishIfDone();
}

void LinkLine::BeatLater() {
  if (options_.heartbeat_interval <= absl::ZeroDuration()) return;
  heartbeat_.Set(turn_->deadlines(), Clock::Real().Now() + options_.heartbeat_interval,
                 [self = shared_from_this()] {
                   self->stream_->Put([&](std::string& out) {
                     const size_t before = out.size();
                     link::AppendHeartbeat(out);
                     self->Release(-1, -static_cast<int64_t>(out.size() - before));
                     return true;
                   });
                   self->BeatLater();
                 });
}

// What waits is lost unless there is another attempt; the next frame begins from anew, a moment
// later.
void LinkLine::DialFailed(const absl::Status& why, bool may_retry) {
  shared_->failed.fetch_add(1, std::memory_order_relaxed);
  if (may_retry && ++failures_ < options_.dial_retry_times)
    return DialAfter(
        std::min(kFirstPause * (int64_t{1} << std::min(failures_ - 1, 8)), kLongestPause));
  failures_ = 0;
  is_ = Is::kIdle;
  down_ = Longer(down_, kFirstDown);
  down_until_ = absl::ToUnixNanos(Clock::Real().Now() + down_);
  if (!is_closing_ && !shared_->is_unreachable.exchange(true))
    micro::log::Warn("a peer cannot be reached", {{"peer", shared_->address}, {"error", why}});
  DropBacklog(LinkDrop::kUnreachable);
  FailAll(absl::UnavailableError(std::string(why.message())));
  FinishIfDone();
}

void LinkLine::OnEnd(LinkEnd end) {
  const auto self = shared_from_this();
  KeepUnsent(*std::exchange(stream_, nullptr));
  for (micro::net::Deadline* deadline : {&handshake_, &heartbeat_, &more_}) deadline->Clear();
  short_publish_ = kNone;
  if (is_ == Is::kShaking) {
    is_ = Is::kIdle;
    if (is_closing_) return EndNow();
    return DialFailed(absl::UnavailableError(fmt::format("{} does not shake hands ({})",
                                                         shared_->address, NameOf(end))),
                      /*may_retry=*/false);
  }
  shared_->open.fetch_sub(1, std::memory_order_relaxed);
  shared_->ended[static_cast<size_t>(end)].fetch_add(1, std::memory_order_relaxed);
  is_ = Is::kIdle;
  if (is_closing_) return EndNow();
  const bool was_steady = Clock::Real().Now() - opened_ >= kSteady;
  pause_ = was_steady ? absl::ZeroDuration() : Longer(pause_, kFirstPause);
  micro::log::Write(end == LinkEnd::kStalled ? micro::log::Level::kWarn : micro::log::Level::kDebug,
                    "a link to a peer was lost",
                    {{"peer", shared_->address}, {"cause", NameOf(end)}});
  DialAfter(pause_);
  FailAll(absl::UnavailableError(
      fmt::format("the link to {} was lost ({})", shared_->address, NameOf(end))));
}

// What the peer cannot have got whole goes first when it is dialled again; but no calls, which
// fail.
void LinkLine::KeepUnsent(LinkStream& stream) {
  const LinkStream::Unsent unsent = stream.TakeUnsent();
  std::string kept;
  int64_t whole = 0, kept_frames = 0;
  for (std::string_view rest = unsent.bytes; !rest.empty(); ++whole) {
    const char* const begin = rest.data();
    const auto frame = link::Take(rest);
    if (!frame.ok() || !frame->has_value()) break;
    if ((*frame)->is_heartbeat || (*frame)->seq != 0) continue;
    kept.append(begin, static_cast<size_t>(rest.data() - begin));
    ++kept_frames;
  }
  shared_->Drop(LinkDrop::kLost, unsent.frames - whole);
  Release(unsent.frames - kept_frames, unsent.frame_bytes - static_cast<int64_t>(kept.size()));
  backlog_frames_ += kept_frames;
  backlog_.insert(0, kept);
}

void LinkLine::DropBacklog(LinkDrop why) {
  shared_->Drop(why, backlog_frames_);
  Release(std::exchange(backlog_frames_, 0), static_cast<int64_t>(backlog_.size()));
  backlog_ = {};
}

// ---- Its end ----

void LinkLine::FinishIfDone() {
  if (!is_closing_ || !calls_.empty()) return;
  if (is_ == Is::kOpen) return stream_->Finish();
  if (backlog_.empty()) EndNow();
}

void LinkLine::EndNow() {
  if (is_ == Is::kEnded) return;
  const auto self = shared_from_this();
  if (stream_ != nullptr) return stream_->End(LinkEnd::kLocal);  // and on from OnEnd
  is_ = Is::kEnded;
  retry_.Clear();
  grace_.Clear();
  DropBacklog(LinkDrop::kClosed);
  FailAll(absl::CancelledError(fmt::format("the link to {} was closed", shared_->address)));
  shared_->LineEnded();
}

}  // namespace due
