#include "due/kcp/turn.h"

#include <utility>

#include "absl/cleanup/cleanup.h"
#include "core/clock.h"
#include "due/kcp/port.h"
#include "due/kcp/session.h"

namespace due {

DatagramBatch::DatagramBatch() {
  for (size_t i = 0; i < kMost; ++i) {
    messages_[i].msg_hdr.msg_iov = &pieces_[i];
    messages_[i].msg_hdr.msg_iovlen = 1;
    messages_[i].msg_hdr.msg_name = &addresses_[i];
    pieces_[i].iov_base = rooms_[i].data();
  }
}

void DatagramBatch::Prepare(size_t i) {
  messages_[i].msg_hdr.msg_namelen = sizeof(sockaddr_storage);
  messages_[i].msg_hdr.msg_flags = 0;
  pieces_[i].iov_len = kMostDatagram;
}

void DatagramBatch::Address(size_t i, size_t size, const PeerAddress& peer) {
  messages_[i].msg_hdr.msg_namelen = peer.CopyTo(addresses_[i]);
  pieces_[i].iov_len = size;
}

std::shared_ptr<KcpTurn> KcpTurn::Of(micro::net::Loop& loop) {
  thread_local std::weak_ptr<KcpTurn> of_this_thread;
  std::shared_ptr<KcpTurn> turn = of_this_thread.lock();
  if (turn == nullptr) of_this_thread = turn = std::make_shared<KcpTurn>(loop);
  return turn;
}

uint32_t KcpTurn::Now() {
  millis_ = absl::ToUnixMillis(micro::Clock::Real().Now());
  return static_cast<uint32_t>(millis_);
}

absl::Time KcpTurn::TimeOf(uint32_t later, uint32_t now) const {
  return absl::FromUnixMillis(millis_ + Distance(now, static_cast<uint32_t>(millis_)) +
                              Distance(later, now));
}

void KcpTurn::Add(std::shared_ptr<KcpSession> session) {
  sessions_.push_back(std::move(session));
  RunLater();
}

void KcpTurn::RunLater() {
  if (is_running_ || std::exchange(is_posted_, true)) return;
  auto unless_it_runs = absl::MakeCleanup([self = shared_from_this()] { self->Abandon(); });
  loop_.Post([this, gone = std::move(unless_it_runs)]() mutable {
    const auto self = shared_from_this();
    std::move(gone).Cancel();
    is_posted_ = false;
    Run();
  });
}

// The loop is gone.
void KcpTurn::Abandon() {
  for (const std::shared_ptr<KcpSession>& session : std::exchange(sessions_, {}))
    session->Abandon();
  sender_ = nullptr;
}

void KcpTurn::Run() {
  is_running_ = true;
  // What they call may add others, and the same ones again.
  for (size_t i = 0; i < sessions_.size(); ++i) {
    const std::shared_ptr<KcpSession> session = sessions_[i];
    session->CallBack();
  }
  const uint32_t now = Now();
  running_.swap(sessions_);
  for (const std::shared_ptr<KcpSession>& session : running_) session->Flush(now);
  Send();
  running_.clear();
  is_running_ = false;
  if (!sessions_.empty()) RunLater();  // those that were lost just now
}

char* KcpTurn::Room(KcpPort& port) {
  if (waiting_ == DatagramBatch::kMost || (waiting_ > 0 && sender_.get() != &port)) Send();
  if (waiting_ == 0) sender_ = port.shared_from_this();
  RunLater();
  return outgoing_.room(waiting_);
}

void KcpTurn::Put(size_t size, const PeerAddress& peer) {
  outgoing_.Address(waiting_++, size, peer);
}

void KcpTurn::Send() {
  if (waiting_ == 0) return;
  const std::shared_ptr<KcpPort> sender = std::move(sender_);
  sender->Send(outgoing_, std::exchange(waiting_, 0));
}

}  // namespace due
