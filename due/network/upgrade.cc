#include "due/network/upgrade.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/clock.h"

namespace due {

using micro::Clock;
using micro::net::Socket;

constexpr size_t kPart = 1 << 10;  // read at once
constexpr std::string_view kEndOfHead = "\r\n\r\n";

std::shared_ptr<Upgrade> Upgrade::Accept(std::unique_ptr<Socket> socket,
                                         std::shared_ptr<const UpgradeRules> rules,
                                         micro::net::Deadlines& deadlines, absl::Duration timeout,
                                         Done done) {
  std::shared_ptr<Upgrade> upgrade(new Upgrade(std::move(socket), std::move(done)));
  upgrade->rules_ = std::move(rules);
  upgrade->Start(deadlines, timeout);
  upgrade->Read();
  return upgrade;
}

std::shared_ptr<Upgrade> Upgrade::Request(std::unique_ptr<Socket> socket, std::string_view host,
                                          std::string_view target, micro::net::Deadlines& deadlines,
                                          absl::Duration timeout, Done done) {
  std::shared_ptr<Upgrade> upgrade(new Upgrade(std::move(socket), std::move(done)));
  upgrade->key_ = NewUpgradeKey();
  upgrade->Start(deadlines, timeout);
  upgrade->Write(UpgradeRequestText(host, target, upgrade->key_),
                 [self = upgrade.get()] { self->Read(); });
  return upgrade;
}

void Upgrade::Start(micro::net::Deadlines& deadlines, absl::Duration timeout) {
  deadline_.Set(deadlines, Clock::Real().Now() + timeout, [self = shared_from_this(), timeout] {
    self->Finish(absl::UnavailableError(fmt::format("the WebSocket handshake took longer than {}",
                                                    std::string(absl::FormatDuration(timeout)))));
  });
}

void Upgrade::Cancel() {
  done_ = nullptr;
  Finish(absl::CancelledError());
}

void Upgrade::Read() {
  const size_t kept = read_.size();
  read_.resize(kept + kPart);
  socket_->Read(read_.data() + kept, kPart,
                [self = shared_from_this(), kept](const absl::Status& status, size_t count) {
                  self->read_.resize(kept + count);
                  self->OnRead(status, count);
                });
}

void Upgrade::OnRead(const absl::Status& status, size_t count) {
  if (socket_ == nullptr) return;
  if (!status.ok()) {
    return Finish(absl::UnavailableError(fmt::format(
        "the connection was closed in WebSocket's handshake: {}", std::string(status.message()))));
  }
  // The end may lie across two reads.
  const size_t from = read_.size() - std::min(read_.size(), count + kEndOfHead.size());
  const size_t end = read_.find(kEndOfHead, from);
  const bool is_too_large = std::min(end, read_.size()) > kMostHead;
  if (rules_ == nullptr && is_too_large)
    return Finish(absl::UnavailableError("the server's answer is too long"));
  if (!is_too_large && end == std::string::npos) return Read();
  const size_t head_size = is_too_large ? 0 : end + kEndOfHead.size();
  return rules_ == nullptr ? Check(head_size) : Answer(head_size);
}

void Upgrade::Answer(size_t head_size) {
  UpgradeAnswer answer =
      head_size == 0
          ? AnswerTooLarge()
          : AnswerUpgrade(std::string_view(read_).substr(0, head_size), socket_->remote(), *rules_);
  read_.erase(0, head_size);
  if (answer.status == 101)
    return Write(std::move(answer.text), [this] { Finish(absl::OkStatus()); });
  // A client that is refused has a moment to read why.
  refused_ = absl::UnavailableError(fmt::format("refused with {}", answer.status));
  Write(std::move(answer.text), [this] {
    socket_->EndWrites();
    ReadToTheEnd();
  });
}

void Upgrade::ReadToTheEnd() {
  read_.resize(kPart);
  socket_->Read(read_.data(), read_.size(),
                [self = shared_from_this()](const absl::Status& status, size_t) {
                  if (self->socket_ == nullptr) return;
                  if (status.ok()) return self->ReadToTheEnd();
                  self->Finish(std::move(self->refused_));
                });
}

void Upgrade::Check(size_t head_size) {
  absl::Status status = CheckUpgradeAnswer(std::string_view(read_).substr(0, head_size), key_);
  read_.erase(0, head_size);
  Finish(std::move(status));
}

void Upgrade::Write(std::string text, absl::AnyInvocable<void()> then) {
  text_ = std::move(text);
  socket_->Write(text_, [self = shared_from_this(),
                         next = std::move(then)](const absl::Status& status) mutable {
    if (self->socket_ == nullptr) return;
    if (!status.ok()) return self->Finish(status);
    next();
  });
}

void Upgrade::Finish(absl::Status status) {
  deadline_.Clear();
  const auto self = shared_from_this();
  std::unique_ptr<Socket> socket = std::move(socket_);
  if (done_ == nullptr) return;
  if (!status.ok()) return std::exchange(done_, nullptr)(std::move(status));
  std::exchange(done_, nullptr)(Opened{std::move(socket), std::move(read_)});
}

}  // namespace due
