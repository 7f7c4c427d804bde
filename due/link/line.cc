#include "due/link/line.h"

#include <fmt/format.h>

#include <utility>

#include "core/clock.h"
#include "core/log.h"
#include "core/status_macros.h"

namespace due {
namespace {

using micro::Clock;

constexpr size_t kMostAnswerBytes = 1024;  // none that there is has more than 20

// For another thread: copies share a count that Debian's abseil hides from tsan.
absl::Status OwnCopy(const absl::Status& status) { return {status.code(), status.message()}; }

}  // namespace

LinkTurns::LinkTurns(micro::net::Loops& loops) {
  for (size_t i = 0; i < loops.size(); ++i)
    turns_.push_back(micro::net::Turn::New<micro::net::Turn>(loops[i]));
}

void LinkShared::LineEnded() {
  std::vector<std::shared_ptr<micro::OneShot<bool>>> all;
  {
    micro::MutexLock lock(mutex);
    if (--lines == 0) all.swap(waiters);
  }
  for (const auto& waiter : all) waiter->TrySet(true);
}

LinkLine::LinkLine(std::shared_ptr<LinkShared> shared, std::shared_ptr<micro::net::Turn> turn)
    : shared_(std::move(shared)), options_(*shared_->options), turn_(std::move(turn)) {}

// ---- From any thread ----

// A frame from another thread.
class LinkLine::Parcel final : public micro::net::Turn::Parcel {
 public:
  Parcel(std::shared_ptr<LinkLine> line, std::string frame, std::shared_ptr<Call> call)
      : line_(std::move(line)), frame_(std::move(frame)), call_(std::move(call)) {}
  void Open() override { line_->Take(frame_, std::move(call_)); }

 private:
  const std::shared_ptr<LinkLine> line_;
  const std::string frame_;
  std::shared_ptr<Call> call_;
};

absl::Status LinkLine::Send(const link::Request& request) { return Submit(request, 0, nullptr); }

absl::Status LinkLine::Ask(const link::Request& request, std::shared_ptr<Call> call) {
  const uint64_t seq = call->seq;
  return Submit(request, seq, std::move(call));
}

absl::Status LinkLine::CheckOpen() {
  if (is_closed_.load(std::memory_order_relaxed)) {
    shared_->Drop(LinkDrop::kClosed, 1);
    return absl::FailedPreconditionError(fmt::format("the link to {} is closed", shared_->address));
  }
  const int64_t down_until = down_until_.load(std::memory_order_relaxed);
  if (down_until != 0 && absl::ToUnixNanos(Clock::Real().Now()) < down_until) {
    shared_->Drop(LinkDrop::kUnreachable, 1);
    return absl::UnavailableError(
        fmt::format("{} could not be reached a moment ago", shared_->address));
  }
  if (queued_frames_.load(std::memory_order_relaxed) >= options_.write_queue_size ||
      queued_bytes_.load(std::memory_order_relaxed) >= options_.write_queue_bytes) {
    shared_->Drop(LinkDrop::kFull, 1);
    return absl::ResourceExhaustedError(
        fmt::format("the queue of a link to {} is full", shared_->address));
  }
  return absl::OkStatus();
}

// Appends a request's frame, as one of those that wait.
absl::Status LinkLine::Reserve(const link::Request& request, uint64_t seq, std::string& out) {
  const size_t before = out.size();
  absl::Status appended = link::Append(request, seq, out);
  if (!appended.ok()) {
    shared_->Drop(LinkDrop::kRefused, 1);
    return appended;
  }
  queued_frames_.fetch_add(1, std::memory_order_relaxed);
  queued_bytes_.fetch_add(static_cast<int64_t>(out.size() - before), std::memory_order_relaxed);
  return absl::OkStatus();
}

void LinkLine::Release(int64_t frames, int64_t bytes) {
  queued_frames_.fetch_sub(frames, std::memory_order_relaxed);
  queued_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
}

absl::Status LinkLine::Submit(const link::Request& request, uint64_t seq,
                              std::shared_ptr<Call> call) {
  const bool is_here = turn_->loop().IsCurrent();
  if (is_here) turn_->TakeSent();
  RETURN_IF_ERROR(CheckOpen());
  if (is_here && is_ == Is::kOpen && call == nullptr) {
    // Most frames: straight into what is written at the end of the turn.
    absl::Status reserved = absl::OkStatus();
    stream_->Put([&](std::string& out) {
      reserved = Reserve(request, seq, out);
      return reserved.ok();
    });
    return reserved;
  }
  std::string frame;
  RETURN_IF_ERROR(Reserve(request, seq, frame));
  if (is_here) {
    Take(frame, std::move(call));
  } else {
    turn_->Send(std::make_unique<Parcel>(shared_from_this(), std::move(frame), std::move(call)));
  }
  return absl::OkStatus();
}

void LinkLine::Close(absl::Duration grace) {
  is_closed_.store(true, std::memory_order_relaxed);
  // Behind the frames that this thread has sent; and in nobody's midst, as calls go on.
  turn_->loop().Post([self = shared_from_this(), grace] {
    self->turn_->TakeSent();
    self->is_closing_ = true;
    if (grace <= absl::ZeroDuration()) return self->EndNow();
    if (self->is_ != Is::kEnded) {
      self->grace_.Set(self->turn_->deadlines(), Clock::Real().Now() + grace,
                       [self] { self->EndNow(); });
    }
    self->FinishIfDone();
  });
}

// ---- Frames ----

void LinkLine::Take(std::string_view frame, std::shared_ptr<Call> call) {
  if (is_ == Is::kEnded || (is_ == Is::kOpen && !stream_->is_taking()))
    return Refuse(frame, call, LinkDrop::kClosed);
  if (is_ == Is::kIdle && is_closing_) return Refuse(frame, call, LinkDrop::kClosed);
  if (is_ == Is::kIdle && absl::ToUnixNanos(Clock::Real().Now()) < down_until_)
    return Refuse(frame, call, LinkDrop::kUnreachable);
  if (call != nullptr) Expect(std::move(call));
  if (is_ == Is::kOpen) return stream_->PutAll(frame, 1);
  backlog_ += frame;
  ++backlog_frames_;
  if (is_ == Is::kIdle) Dial();
}

// It may be on behalf of somebody else's Send, in whose midst no caller goes on.
void LinkLine::Refuse(std::string_view frame, const std::shared_ptr<Call>& call, LinkDrop why) {
  Release(1, static_cast<int64_t>(frame.size()));
  shared_->Drop(why, 1);
  if (call == nullptr) return;
  absl::Status status =
      why == LinkDrop::kClosed
          ? absl::FailedPreconditionError(fmt::format("the link to {} is closed", shared_->address))
          : absl::UnavailableError(
                fmt::format("{} could not be reached a moment ago", shared_->address));
  turn_->loop().Post(
      [call, status = std::move(status)]() mutable { call->answer.TrySet(std::move(status)); });
}

void LinkLine::Expect(std::shared_ptr<Call> call) {
  shared_->calls.fetch_add(1, std::memory_order_relaxed);
  call->watch.emplace(turn_->loop(), turn_->deadlines(), call->ctx,
                      [self = shared_from_this(), seq = call->seq](const absl::Status& why) {
                        self->GiveUp(seq, why);
                      });
  calls_.emplace(call->seq, std::move(call));
}

std::shared_ptr<LinkLine::Call> LinkLine::TakeCall(uint64_t seq) {
  const auto found = calls_.extract(seq);
  if (found.empty()) return nullptr;
  found.mapped()->watch.reset();
  return found.mapped();
}

void LinkLine::GiveUp(uint64_t seq, const absl::Status& why) {
  const auto self = shared_from_this();
  const std::shared_ptr<Call> call = TakeCall(seq);
  if (call == nullptr) return;
  // Its answer may be what came half, of which the rest never comes.
  if (is_ == Is::kOpen && stream_->has_part() && absl::IsDeadlineExceeded(why))
    stream_->End(LinkEnd::kMalformed);
  if (absl::IsDeadlineExceeded(why)) {
    call->answer.TrySet(absl::DeadlineExceededError(fmt::format(
        "{} has not answered {} in time", shared_->address, link::NameOf(call->route))));
  } else {
    call->answer.TrySet(OwnCopy(why));
  }
  FinishIfDone();
}

void LinkLine::FailAll(const absl::Status& why) {
  for (auto& [seq, call] : std::exchange(calls_, {})) {
    call->watch.reset();
    call->answer.TrySet(OwnCopy(why));
  }
}

std::optional<LinkEnd> LinkLine::OnBytes(std::string_view& bytes) {
  while (is_ == Is::kShaking || is_ == Is::kOpen) {
    link::ShortPublish brief = link::CheckShortPublish(bytes);
    if (brief == link::ShortPublish::kMaybe) {
      if (short_publish_ != kOver) {
        WaitForMore();
        return std::nullopt;
      }
      if (bytes.size() > link::kShortPublishBytes) return LinkEnd::kMalformed;
      brief = link::ShortPublish::kYes;
    }
    if (std::exchange(short_publish_, kNone) == kWaiting) more_.Clear();
    std::optional<LinkEnd> wrong;
    if (brief == link::ShortPublish::kYes) {
      shared_->short_publishes.fetch_add(1, std::memory_order_relaxed);
      wrong = OnFrame(link::TakeShortPublish(bytes));
    } else {
      const auto frame = link::Take(bytes, kMostAnswerBytes);
      if (!frame.ok()) {
        micro::log::Warn("a link is replaced, as what came are no frames",
                         {{"peer", shared_->address}, {"error", frame.status()}});
        return absl::IsResourceExhausted(frame.status()) ? LinkEnd::kTooLarge : LinkEnd::kMalformed;
      }
      if (!frame->has_value()) return std::nullopt;
      wrong = OnFrame(**frame);
    }
    if (wrong.has_value()) return wrong;
  }
  bytes = {};
  return std::nullopt;
}

// A whole answer to Publish comes in one piece nearly always.
void LinkLine::WaitForMore() {
  if (std::exchange(short_publish_, kWaiting) == kWaiting) return;
  more_.Set(turn_->deadlines(), Clock::Real().Now() + options_.short_publish_wait,
            [self = shared_from_this()] {
              self->short_publish_ = kOver;
              if (self->stream_ != nullptr) self->stream_->Again();
            });
}

std::optional<LinkEnd> LinkLine::OnFrame(const link::Frame& frame) {
  if (frame.is_heartbeat) return std::nullopt;
  if (is_ == Is::kShaking) return OnHandshake(frame);
  const auto found = calls_.find(frame.seq);
  if (found == calls_.end()) {
    shared_->unexpected.fetch_add(1, std::memory_order_relaxed);
    return std::nullopt;
  }
  const auto response = link::ParseResponse(found->second->route, frame);
  if (!response.ok()) {
    micro::log::Warn("a link is replaced, as an answer does not fit",
                     {{"peer", shared_->address}, {"error", response.status()}});
    return LinkEnd::kMalformed;
  }
  shared_->answered.fetch_add(1, std::memory_order_relaxed);
  TakeCall(frame.seq)->answer.TrySet(*response);
  FinishIfDone();
  return std::nullopt;
}

std::optional<LinkEnd> LinkLine::OnHandshake(const link::Frame& frame) {
  if (frame.seq != 1) return std::nullopt;
  const auto response = link::ParseResponse(link::Route::kHandshake, frame);
  if (!response.ok() || response->code != link::Code::kOk) return LinkEnd::kMalformed;
  OnShaken();
  return std::nullopt;
}

void LinkLine::OnWritten(int64_t frames, int64_t bytes) {
  Release(frames, bytes);
  shared_->frames_out.fetch_add(frames, std::memory_order_relaxed);
}

}  // namespace due
