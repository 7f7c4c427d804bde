#include "due/kcp/port.h"

#include <unistd.h>

#include <boost/asio/basic_datagram_socket.hpp>
#include <boost/asio/ip/udp.hpp>
#include <cerrno>

#include "core/log.h"
#include "core/net/asio.h"
#include "due/kcp/session.h"

namespace due {
namespace {

namespace net = micro::net;

constexpr size_t kMostRemembered = 4096;  // conversations that have ended

}  // namespace

std::string_view NameOf(KcpDrop drop) {
  constexpr std::string_view kNames[kKcpDrops] = {
      "parity", "too long", "malformed", "wrong conversation", "out of window", "no session",
      "ended",  "refused",  "unsent",    "unsendable"};
  return kNames[static_cast<size_t>(drop)];
}

void KcpLedger::CloseIfIdle(const std::shared_ptr<KcpLedger>& ledger) {
  if (!ledger->is_closed || ledger->open > 0) return;
  for (OfLoop& here : ledger->on) {
    here.loop->Post([ledger, &here] {
      if (const auto port = here.port.lock()) port->Close();
    });
  }
}

struct KcpPort::Socket {
  using Protocol = net::asio::ip::udp;
  using Stream = net::asio::basic_datagram_socket<Protocol, net::asio::io_context::executor_type>;

  Socket(net::Loop& loop, int descriptor) : stream(loop.io()) {
    net::ErrorCode error;
    stream.assign(Protocol::v6(), descriptor, error);
    if (error) close(descriptor);
  }

  Stream stream;
};

std::shared_ptr<KcpPort> KcpPort::Open(std::shared_ptr<KcpLedger> ledger, size_t index,
                                       int socket) {
  const std::shared_ptr<KcpPort> port(new KcpPort(std::move(ledger), index, socket));
  port->counts().port = port;
  port->AwaitDatagrams();
  return port;
}

KcpPort::KcpPort(std::shared_ptr<KcpLedger> ledger, size_t index, int socket)
    : ledger_(std::move(ledger)),
      index_(index),
      turn_(KcpTurn::Of(*ledger_->on[index].loop)),
      socket_(std::make_unique<Socket>(turn_->loop(), socket)),
      is_accepting_(ledger_->on_accept != nullptr) {}

// With sessions only when the loop is gone.
KcpPort::~KcpPort() {
  for (const auto& [peer, session] : std::exchange(sessions_, {})) session->Abandon();
}

std::string KcpPort::local() const {
  sockaddr_storage address = {};
  socklen_t size = sizeof(address);
  getsockname(socket_->stream.native_handle(), reinterpret_cast<sockaddr*>(&address), &size);
  return PeerAddress::Of(address).ToText();
}

// ---- What comes in ----

void KcpPort::AwaitDatagrams() {
  socket_->stream.async_wait(Socket::Stream::wait_read,
                             [self = shared_from_this()](const net::ErrorCode& error) {
                               if (error) return;
                               self->Receive();
                               if (self->socket_->stream.is_open()) self->AwaitDatagrams();
                             });
}

// As many as one system call gives: others have their turn before the rest.
void KcpPort::Receive() {
  DatagramBatch& batch = turn_->incoming();
  for (size_t i = 0; i < DatagramBatch::kMost; ++i) batch.Prepare(i);
  const int count = recvmmsg(socket_->stream.native_handle(), batch.messages(),
                             DatagramBatch::kMost, MSG_DONTWAIT, nullptr);
  if (count <= 0) return;  // or what the network told of a datagram that we sent
  counts().datagrams_in.fetch_add(count, std::memory_order_relaxed);
  const uint32_t now = turn_->Now();
  turn_->Begin();
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
    const mmsghdr& message = batch.messages()[i];
    if ((message.msg_hdr.msg_flags & MSG_TRUNC) != 0) {
      Drop(KcpDrop::kTooLong);
    } else {
      Take(PeerAddress::Of(batch.address(i)), {batch.room(i), message.msg_len}, now);
    }
  }
  turn_->Run();
}

void KcpPort::Take(const PeerAddress& peer, std::string_view datagram, uint32_t now) {
  switch (due::Open(datagram)) {
    case Carried::kParity:
      return Drop(KcpDrop::kParity);
    case Carried::kMalformed:
      return Drop(KcpDrop::kMalformed);
    case Carried::kSegments:
      break;
  }
  std::string_view rest = datagram;
  const Segment first = *TakeSegment(rest);
  const auto known = sessions_.find(peer);
  if (known == sessions_.end() || known->second->conv() != first.conv)
    return TakeFirst(peer, first, datagram, now);
  if (!known->second->Take(datagram, now)) Drop(KcpDrop::kOutOfWindow);
}

// A datagram of an unknown conversation: the beginning of one?
void KcpPort::TakeFirst(const PeerAddress& peer, const Segment& first, std::string_view segments,
                        uint32_t now) {
  const auto known = sessions_.find(peer);
  const bool replaces = known != sessions_.end();
  // A client that has received nothing sends this and nothing else.
  const uint32_t most = replaces ? 1 : static_cast<uint32_t>(options().receive_window);
  const bool is_beginning = first.command == Segment::kPush && first.una == 0 && first.sn < most;
  if (!is_accepting_ || !is_beginning)
    return Drop(replaces ? KcpDrop::kWrongConv : KcpDrop::kNoSession);
  if (ended_.contains(Conversation(peer, first.conv))) return Drop(KcpDrop::kEnded);
  if (replaces) {
    counts().replaced.fetch_add(1, std::memory_order_relaxed);
    const std::shared_ptr<KcpSession> old = known->second;
    old->Lose("another connection has begun from " + peer.ToText());
  }
  if (ledger_->open.fetch_add(1) >= ledger_->most_sessions) {
    ledger_->open.fetch_sub(1);
    return Drop(KcpDrop::kRefused);
  }
  counts().accepted.fetch_add(1, std::memory_order_relaxed);
  const std::shared_ptr<KcpSession> session = Begin(peer, first.conv);
  if (!session->Take(segments, now)) Drop(KcpDrop::kOutOfWindow);
  ledger_->on_accept(turn_->loop(), NewKcpSocket(session));
}

void KcpPort::Drop(KcpDrop cause, int64_t count) {
  counts().dropped[static_cast<size_t>(cause)].fetch_add(count, std::memory_order_relaxed);
}

// ---- Sessions ----

std::shared_ptr<KcpSession> KcpPort::Begin(const PeerAddress& peer, uint32_t conv) {
  auto session = std::make_shared<KcpSession>(*this, peer, conv);
  sessions_[peer] = session;
  return session;
}

void KcpPort::Forget(KcpSession& session) {
  sessions_.erase(session.peer());
  if (ledger_->on_accept != nullptr) {
    const Conversation conversation(session.peer(), session.conv());
    if (ended_.insert(conversation).second) ended_order_.push_back(conversation);
    if (ended_order_.size() > kMostRemembered) {
      ended_.erase(ended_order_.front());
      ended_order_.pop_front();
    }
  }
  if (ledger_->open.fetch_sub(1) == 1) KcpLedger::CloseIfIdle(ledger_);
}

void KcpPort::Close() {
  is_accepting_ = false;
  net::ErrorCode ignored;
  socket_->stream.close(ignored);
}

// ---- What goes out ----

void KcpPort::Send(DatagramBatch& batch, size_t count) {
  size_t done = 0, sent = 0;
  while (done < count && socket_->stream.is_open()) {
    const int went = sendmmsg(socket_->stream.native_handle(), batch.messages() + done,
                              static_cast<unsigned>(count - done), MSG_DONTWAIT);
    if (went > 0) {
      done += static_cast<size_t>(went);
      sent += static_cast<size_t>(went);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) {
      // As the network itself does when it is full: they are sent again in time.
      Drop(KcpDrop::kUnsent, static_cast<int64_t>(count - done));
      break;
    } else if (errno == ECONNREFUSED) {
      // News of an earlier one: this one has not been tried.
    } else if (errno != EINTR) {
      Drop(KcpDrop::kUnsendable);
      ++done;
    }
  }
  counts().datagrams_out.fetch_add(static_cast<int64_t>(sent), std::memory_order_relaxed);
}

}  // namespace due
