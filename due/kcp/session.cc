#include "due/kcp/session.h"

#include <fmt/format.h>

#include <utility>

#include "core/strings.h"
#include "due/kcp/port.h"
#include "due/kcp/turn.h"

namespace due {
namespace {

class KcpSocket final : public micro::net::Socket {
 public:
  explicit KcpSocket(std::shared_ptr<KcpSession> session)
      : session_(std::move(session)), local_(session_->local()) {}
  ~KcpSocket() override { Close(); }

  void Read(char* buffer, size_t size,
            absl::AnyInvocable<void(absl::Status, size_t)> done) override {
    session_->Read(buffer, size, std::move(done));
  }
  void SetReadLowWater(size_t) override {}
  size_t TryWrite(std::string_view bytes) override { return session_->TryWrite(bytes); }
  void Write(std::string_view bytes, absl::AnyInvocable<void(absl::Status)> done) override {
    session_->Write(bytes, std::move(done));
  }
  void EndWrites() override {}
  void Close() override { session_->Close(); }
  std::string local() const override { return local_; }
  std::string remote() const override { return session_->peer().ToText(); }

 private:
  const std::shared_ptr<KcpSession> session_;
  const std::string local_;
};

}  // namespace

std::unique_ptr<micro::net::Socket> NewKcpSocket(std::shared_ptr<KcpSession> session) {
  return std::make_unique<KcpSocket>(std::move(session));
}

KcpSession::KcpSession(KcpPort& port, const PeerAddress& peer, uint32_t conv)
    : turn_(port.turn().shared_from_this()),
      port_(&port),
      peer_(peer),
      conv_(conv),
      arq_(std::in_place, conv, port.options(), turn_->pool()) {}

std::string KcpSession::local() const { return port_->local(); }

bool KcpSession::Take(std::string_view segments, uint32_t now) {
  AddToTurn();
  return arq_->Take(segments, now);
}

void KcpSession::AddToTurn() {
  if (turn_ != nullptr && !std::exchange(is_in_turn_, true)) turn_->Add(shared_from_this());
}

// ---- Reading and writing ----

void KcpSession::Read(char* buffer, size_t size,
                      absl::AnyInvocable<void(absl::Status, size_t)> done) {
  buffer_ = buffer;
  buffer_size_ = size;
  read_ = std::move(done);
  if (is_over() || arq_->readable() > 0) AddToTurn();
}

size_t KcpSession::TryWrite(std::string_view bytes) {
  if (is_over() || written_ != nullptr) return 0;
  const size_t count = arq_->Write(bytes, turn_->Now());
  if (count > 0) AddToTurn();
  return count;
}

void KcpSession::Write(std::string_view bytes, absl::AnyInvocable<void(absl::Status)> done) {
  rest_ = bytes;
  written_ = std::move(done);
  AddToTurn();
}

void KcpSession::CallBack() {
  is_in_turn_ = false;
  while (read_ != nullptr && (is_over() || arq_->readable() > 0)) {
    const size_t count =
        arq_.has_value() ? arq_->Read(buffer_, buffer_size_, turn_->Now()) : size_t{0};
    std::exchange(read_, nullptr)(count > 0 ? absl::OkStatus() : End(), count);
  }
  while (written_ != nullptr) {
    if (!is_over()) rest_.remove_prefix(arq_->Write(rest_, turn_->Now()));
    if (!is_over() && !rest_.empty()) break;
    std::exchange(written_, nullptr)(End());
  }
}

void KcpSession::Flush(uint32_t now) {
  if (is_over()) return;
  if (arq_->IsDue(now)) {
    arq_->Flush(now, *this);
    if (arq_->is_dead()) {
      return Lose(
          fmt::format("the connection to {} is lost: it acknowledges nothing", peer_.ToText()));
    }
  }
  const Moment due = arq_->due();
  // One that comes too early finds nothing to do, and sets the right one.
  if (!due.has_value() || (wakes_up_at_.has_value() && Distance(*due, *wakes_up_at_) >= 0)) return;
  wakes_up_at_ = due;
  deadline_.Set(turn_->deadlines(), turn_->TimeOf(*due, now), [this] {
    wakes_up_at_.reset();
    AddToTurn();
  });
}

char* KcpSession::Room() { return turn_->Room(*port_); }

void KcpSession::Put(size_t size) { turn_->Put(size, peer_); }

// ---- Its end ----

void KcpSession::Lose(std::string why) {
  if (is_over()) return;
  const auto self = shared_from_this();
  code_ = absl::StatusCode::kUnavailable;
  reason_ = std::move(why);
  deadline_.Clear();
  std::exchange(port_, nullptr)->Forget(*this);
  AddToTurn();
}

void KcpSession::Close() {
  if (turn_ == nullptr || !arq_.has_value()) return;
  const auto self = shared_from_this();
  if (!is_over()) {
    arq_->Flush(turn_->Now(), *this);
    std::exchange(port_, nullptr)->Forget(*this);
  }
  deadline_.Clear();
  arq_.reset();
  code_ = absl::StatusCode::kCancelled;
  reason_ = "the connection was closed";
  AddToTurn();
}

// A new one for each who asks: what threads share of a status, tsan takes for a race.
absl::Status KcpSession::End() const { return absl::Status(code_, micro::ToAbsl(reason_)); }

void KcpSession::Abandon() {
  const auto self = shared_from_this();
  port_ = nullptr;
  deadline_.Clear();
  arq_.reset();
  const auto turn = std::exchange(turn_, nullptr);
  // What they hold may hold this.
  const auto read = std::exchange(read_, nullptr);
  const auto written = std::exchange(written_, nullptr);
}

}  // namespace due
