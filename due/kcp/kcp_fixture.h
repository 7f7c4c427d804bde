// What the tests of KCP's sockets share: a listener that keeps what it accepts or echoes it, a peer
// of bare datagrams, and a network that loses, doubles and delays them.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>

#include "core/mutex.h"
#include "core/net/socket_fixture.h"
#include "due/kcp/kcp.h"
#include "due/kcp/segment.h"

namespace due {

using micro::net::BlockingSocket;

inline const KcpOptions kGame = {
    .no_delay = {1, 10, 2, 1}, .send_window = 128, .receive_window = 128};

// Writes what it reads, until its connection ends. Keeps itself; on its loop.
class Echo : public std::enable_shared_from_this<Echo> {
 public:
  explicit Echo(std::unique_ptr<micro::net::Socket> socket) : socket_(std::move(socket)) {}
  ~Echo() { --alive; }

  void Read() {
    socket_->Read(buffer_, sizeof(buffer_),
                  [self = shared_from_this()](const absl::Status& status, size_t count) {
                    if (status.ok()) self->Write({self->buffer_, count});
                  });
  }

  static inline std::atomic<int> alive = 0;

 private:
  void Write(std::string_view bytes) {
    bytes.remove_prefix(socket_->TryWrite(bytes));
    if (bytes.empty()) return Read();
    socket_->Write(bytes, [self = shared_from_this()](const absl::Status& status) {
      if (status.ok()) self->Read();
    });
  }

  const std::unique_ptr<micro::net::Socket> socket_;
  char buffer_[8 << 10];
};

class KcpServer {
 public:
  explicit KcpServer(const KcpOptions& options = kGame, int most = 1000, bool echoes = false) {
    auto listener = KcpListener::Listen(
        loops_, "127.0.0.1", 0, options, most,
        [this, echoes](micro::net::Loop& loop, std::unique_ptr<micro::net::Socket> socket) {
          EXPECT_TRUE(loop.IsCurrent());
          if (echoes) {
            ++Echo::alive;
            return std::make_shared<Echo>(std::move(socket))->Read();
          }
          micro::MutexLock lock(mutex_);
          accepted_.emplace_back(loop, std::move(socket));
          changed_.NotifyAll();
        });
    EXPECT_THAT(listener, micro::IsOk());
    listener_ = *std::move(listener);
  }

  int port() const { return listener_->port(); }
  std::string address() const { return "127.0.0.1:" + std::to_string(port()); }
  KcpListener& listener() { return *listener_; }
  micro::net::Loops& loops() { return loops_; }
  void Destroy() { listener_.reset(); }

  BlockingSocket Accept() {
    micro::MutexLock lock(mutex_);
    while (accepted_.empty()) changed_.Wait(mutex_);
    BlockingSocket socket = std::move(accepted_.front());
    accepted_.pop_front();
    return socket;
  }
  bool HasAccepted() {
    micro::MutexLock lock(mutex_);
    return !accepted_.empty();
  }

  int64_t dropped(KcpDrop cause) const {
    return listener_->counts().dropped[static_cast<size_t>(cause)];
  }

 private:
  micro::net::Loops loops_{2};
  micro::Mutex mutex_;
  micro::CondVar changed_;
  std::deque<BlockingSocket> accepted_;
  std::unique_ptr<KcpListener> listener_;
};

inline absl::StatusOr<BlockingSocket> DialGame(micro::net::Loop& loop, const std::string& address,
                                               const KcpOptions& options = kGame) {
  std::promise<absl::StatusOr<std::unique_ptr<micro::net::Socket>>> result;
  DialKcp(loop, address, options, absl::Minutes(1),
          [&](absl::StatusOr<std::unique_ptr<micro::net::Socket>> socket) {
            EXPECT_TRUE(loop.IsCurrent());
            result.set_value(std::move(socket));
          });
  auto socket = result.get_future().get();
  if (!socket.ok()) return socket.status();
  return BlockingSocket(loop, *std::move(socket));
}

// A UDP socket of the test's own thread.
class Bare {
 public:
  Bare() : socket_(socket(AF_INET, SOCK_DGRAM, 0)) {
    sockaddr_in own = {};
    own.sin_family = AF_INET;
    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(socket_, reinterpret_cast<sockaddr*>(&own), sizeof(own)), 0);
  }
  Bare(Bare&& other) noexcept : socket_(std::exchange(other.socket_, -1)) {}
  ~Bare() {
    if (socket_ >= 0) close(socket_);
  }

  int descriptor() const { return socket_; }
  int port() const {
    sockaddr_in own = {};
    socklen_t size = sizeof(own);
    getsockname(socket_, reinterpret_cast<sockaddr*>(&own), &size);
    return ntohs(own.sin_port);
  }

  void Send(int port, std::string_view datagram) {
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<uint16_t>(port));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sendto(socket_, datagram.data(), datagram.size(), 0, reinterpret_cast<sockaddr*>(&to),
           sizeof(to));
  }
  void Send(int port, const Segment& segment) {
    std::string bytes(kSegmentHead, '\0');
    WriteHead(segment, bytes.data());
    Send(port, bytes.append(segment.bytes));
  }

  // The next datagram and the port that it is from; none within `wait`.
  std::optional<std::pair<std::string, int>> Receive(int wait_ms = 60'000) {
    pollfd ready = {.fd = socket_, .events = POLLIN, .revents = 0};
    if (poll(&ready, 1, wait_ms) <= 0) return std::nullopt;
    std::string bytes(2000, '\0');
    sockaddr_in from = {};
    socklen_t size = sizeof(from);
    const ssize_t count = recvfrom(socket_, bytes.data(), bytes.size(), MSG_DONTWAIT,
                                   reinterpret_cast<sockaddr*>(&from), &size);
    if (count < 0) return std::nullopt;
    bytes.resize(static_cast<size_t>(count));
    return std::pair(std::move(bytes), static_cast<int>(ntohs(from.sin_port)));
  }

 private:
  int socket_;
};

// Carries datagrams to a server and back, but not all of them, some twice, and in another order.
class BadNetwork {
 public:
  BadNetwork(int server, double loss)
      : server_(server), loss_(loss), thread_([this] { Carry(); }) {}
  ~BadNetwork() {
    ends_ = true;
    thread_.join();
  }

  std::string address() const { return "127.0.0.1:" + std::to_string(front_.port()); }

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Letter {
    Bare* from = nullptr;
    int to = 0;
    std::string bytes;
  };

  void Carry() {
    while (!ends_) {
      while (auto came = front_.Receive(0)) Take(Back(came->second), server_, came->first);
      for (auto& [client, back] : backs_) {
        while (auto came = back.Receive(0)) Take(front_, client, came->first);
      }
      const Time now = std::chrono::steady_clock::now();
      while (!letters_.empty() && letters_.begin()->first <= now) {
        const Letter letter = std::move(letters_.begin()->second);
        letters_.erase(letters_.begin());
        letter.from->Send(letter.to, letter.bytes);
      }
      (void)poll(nullptr, 0, 1);
    }
  }

  // The socket that stands for a client with the server.
  Bare& Back(int client) { return backs_[client]; }

  void Take(Bare& from, int to, const std::string& bytes) {
    for (const int copies = random_() % 10 == 0 ? 2 : 1; int i : {0, 1}) {
      if (i == copies || std::uniform_real_distribution<double>()(random_) < loss_) continue;
      const Time when = std::chrono::steady_clock::now() + std::chrono::milliseconds(random_() % 8);
      letters_.emplace(when, Letter{&from, to, bytes});
    }
  }

  const int server_;
  const double loss_;
  Bare front_;
  std::map<int, Bare> backs_;
  std::multimap<Time, Letter> letters_;
  std::mt19937 random_{1};  // NOLINT: the same in every run
  std::atomic<bool> ends_ = false;
  std::thread thread_;
};

}  // namespace due
