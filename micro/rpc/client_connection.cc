#include "micro/rpc/client_connection.h"

#include <algorithm>
#include <utility>

#include "core/clock.h"
#include "core/strings.h"
#include "micro/rpc/client_error.h"
#include "micro/rpc/client_pool.h"

namespace micro::rpc {
namespace {

constexpr std::string_view kGreeting = "HTTP/1.";
constexpr size_t kLeastSpace = 2 << 10;   // that a read is given
constexpr size_t kKeptBuffer = 64 << 10;  // a larger one is freed after use

// go-micro's server hands each line of an answer's head to the kernel by itself: a dozen packets, and
// as many wake-ups, cost a call several times what all the rest does.
constexpr int kPieces = 3;             // reads of an answer that came in pieces
constexpr size_t kMostAwaited = 2048;  // bytes at once
// How long an answer that is shorter than those before is waited for: some times what answers take
// on this connection, since a busy peer's take longer, within bounds.
constexpr int kUsualTimes = 4;
constexpr absl::Duration kLeastPatience = absl::Milliseconds(5);
constexpr absl::Duration kMostPatience = absl::Milliseconds(100);
constexpr double kNewest = 0.25;  // how much the last answer's time counts for in the usual one

}  // namespace

ClientConnection::ClientConnection(std::shared_ptr<NodePool> pool,
                                   std::unique_ptr<net::Socket> socket)
    : pool_(std::move(pool)),
      socket_(std::move(socket)),
      made_(Clock::Real().Now()),
      moved_(made_),
      reader_(HttpReader::kResponses, pool_->settings().limits) {}

void ClientConnection::Start() {
  too_old_.Set(pool_->deadlines(), made_ + pool_->settings().pool_ttl, [this] {
    if (answer_ == nullptr) Close();  // else Finish will
  });
  Read();
}

void ClientConnection::Begin(std::string_view request, std::coroutine_handle<> waiter,
                             Answer* answer) {
  ++calls_;
  heard_ = false;
  greeting_ = 0;
  reads_ = 0;
  answer_size_ = 0;
  waiter_ = waiter;
  answer_ = answer;
  if (least_answer_ > 0) AwaitInOnePiece();
  request.remove_prefix(socket_->TryWrite(request));
  if (request.empty()) return;
  unsent_.assign(request);
  writing_ = true;
  // Whether it went well is heard from Read: an answer may stand there already.
  socket_->Write(unsent_, [self = shared_from_this()](const absl::Status&) {
    self->writing_ = false;
    if (self->unsent_.capacity() > kKeptBuffer) self->unsent_ = std::string();
  });
}

void ClientConnection::AwaitInOnePiece() {
  socket_->SetReadLowWater(least_answer_);
  asked_ = Clock::Real().Now();
  const absl::Duration patience =
      std::clamp(usual_time_ * kUsualTimes, kLeastPatience, kMostPatience);
  impatient_.Set(pool_->deadlines(), asked_ + patience, [this] { socket_->SetReadLowWater(1); });
}

void ClientConnection::LearnHowItAnswers() {
  if (reads_ < kPieces && least_answer_ == 0) return;
  // While it is not known to answer in pieces, nobody has looked at the clock.
  if (least_answer_ > 0) usual_time_ += (Clock::Real().Now() - asked_ - usual_time_) * kNewest;
  // A little less than it was: numbers among the headers have more digits or fewer.
  const size_t awaited = std::clamp<size_t>(answer_size_ - answer_size_ / 16, 1, kMostAwaited);
  least_answer_ = least_answer_ == 0 ? awaited : std::min(least_answer_, awaited);
}

void ClientConnection::Read() {
  space_ = reader_.Space(kLeastSpace);
  socket_->Read(space_, reader_.SpaceLeft(),
                [self = shared_from_this()](const absl::Status& status, size_t count) {
                  self->OnRead(status, count);
                });
}

void ClientConnection::OnRead(const absl::Status& status, size_t count) {
  if (closed_) return;
  if (!status.ok()) return OnPeersEnd(status);
  if (!waiter_) return Close();  // nobody has asked
  impatient_.Clear();
  heard_ = true;
  ++reads_;
  answer_size_ += count;
  const std::string_view bytes(space_, count);
  if (!BeginsAsHttp(bytes))
    return Fail(NotHttp(pool_->address(), bytes, /*never_has=*/calls_ == 1));
  reader_.Commit(count);
  Advance();
}

// False when an answer, of which `bytes` are the next, does not begin as HTTP's do.
bool ClientConnection::BeginsAsHttp(std::string_view bytes) {
  const std::string_view due = kGreeting.substr(greeting_, bytes.size());
  greeting_ += due.size();
  return bytes.starts_with(due);
}

void ClientConnection::Advance() {
  const absl::StatusOr<const HttpMessage*> message = reader_.Next();
  if (!message.ok()) return Fail(BadAnswer(pool_->address(), message.status()));
  if (*message == nullptr) {
    socket_->SetReadLowWater(1);  // nobody knows how much is still to come
    return Read();
  }
  LearnHowItAnswers();
  Deliver(**message);
}

void ClientConnection::Deliver(const HttpMessage& message) {
  keep_ = message.keep_alive;
  answer_->message = &message;
  std::exchange(waiter_, nullptr).resume();
}

void ClientConnection::OnPeersEnd(const absl::Status& status) {
  if (!waiter_) return Close();
  if (absl::IsOutOfRange(status)) {
    const absl::StatusOr<const HttpMessage*> message = reader_.End();
    if (message.ok() && *message != nullptr) return Deliver(**message);
    return Fail(
        Lost(pool_->address(), heard_ ? "it closed the connection in the middle of its answer"
                                      : "it closed the connection without an answer"),
        /*crossed=*/!heard_ && calls_ > 1);
  }
  Fail(Lost(pool_->address(), ToStd(status.message())), /*crossed=*/!heard_ && calls_ > 1);
}

void ClientConnection::Finish() {
  answer_ = nullptr;
  if (!keep_ || writing_ || reader_.InMessage()) return Close();
  Read();
  pool_->Free(shared_from_this());
}

void ClientConnection::Abandon(absl::Status error) {
  if (absl::IsDeadlineExceeded(error) && !heard_ && calls_ > 1) pool_->DropIdleSince(moved_);
  Fail(std::move(error));
}

void ClientConnection::Fail(absl::Status error, bool crossed) {
  *answer_ = {.message = nullptr, .error = std::move(error), .crossed = crossed};
  const auto waiter = std::exchange(waiter_, nullptr);
  Close();
  waiter.resume();
}

void ClientConnection::Close() {
  if (std::exchange(closed_, true)) return;
  const auto self = shared_from_this();  // its pool may have held it alone
  answer_ = nullptr;
  too_old_.Clear();
  impatient_.Clear();
  socket_->Close();
  pool_->Ended(*this);
}

}  // namespace micro::rpc
