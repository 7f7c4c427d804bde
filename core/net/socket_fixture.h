// What the tests of sockets share: sockets that a test's own thread uses, a listener that keeps what
// it accepts, certificates.
#pragma once

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include "core/mutex.h"
#include "core/net/socket.h"
#include "core/testing/certificates.h"
#include "core/testing/status_matchers.h"

namespace micro::net {

inline constexpr size_t kMostRead = 64 << 10;
inline constexpr absl::Duration kLong = absl::Minutes(1);  // no healthy run needs it

// Runs `work` on the loop and waits for it.
inline void OnLoop(Loop& loop, const std::function<void()>& work) {
  std::promise<void> done;
  loop.Post([&] {
    work();
    done.set_value();
  });
  done.get_future().wait();
}

// A socket that a test's own thread uses, one call at a time.
class BlockingSocket {
 public:
  BlockingSocket(Loop& loop, std::unique_ptr<Socket> socket)
      : loop_(&loop), socket_(std::move(socket)) {}
  BlockingSocket(BlockingSocket&&) = default;
  ~BlockingSocket() {
    if (socket_ != nullptr) Destroy();
  }

  std::future<absl::StatusOr<std::string>> StartRead(size_t size = kMostRead) {
    auto result = std::make_shared<std::promise<absl::StatusOr<std::string>>>();
    auto buffer = std::make_shared<std::string>(size, '\0');
    OnLoop(*loop_, [&] {
      socket_->Read(buffer->data(), size, [buffer, result](absl::Status status, size_t count) {
        if (!status.ok()) return result->set_value(std::move(status));
        result->set_value(buffer->substr(0, count));
      });
    });
    return result->get_future();
  }
  absl::StatusOr<std::string> Read() { return StartRead().get(); }

  // So many bytes, and no more.
  absl::StatusOr<std::string> ReadAll(size_t size) {
    std::string all;
    while (all.size() < size) {
      absl::StatusOr<std::string> part = StartRead(std::min(size - all.size(), kMostRead)).get();
      if (!part.ok()) return part.status();
      all += *part;
    }
    return all;
  }

  std::future<absl::Status> StartWrite(std::string bytes) {
    auto result = std::make_shared<std::promise<absl::Status>>();
    auto kept = std::make_shared<std::string>(std::move(bytes));
    OnLoop(*loop_, [&] {
      socket_->Write(*kept,
                     [kept, result](absl::Status status) { result->set_value(std::move(status)); });
    });
    return result->get_future();
  }
  absl::Status Write(std::string bytes) { return StartWrite(std::move(bytes)).get(); }

  size_t TryWrite(std::string_view bytes) {
    size_t count = 0;
    OnLoop(*loop_, [&] { count = socket_->TryWrite(bytes); });
    return count;
  }

  void SetReadLowWater(size_t bytes) {
    OnLoop(*loop_, [&] { socket_->SetReadLowWater(bytes); });
  }

  void EndWrites() {
    OnLoop(*loop_, [&] { socket_->EndWrites(); });
  }
  void Close() {
    OnLoop(*loop_, [&] { socket_->Close(); });
  }
  void Destroy() {
    OnLoop(*loop_, [&] { socket_.reset(); });
  }
  std::string local() const { return socket_->local(); }
  std::string remote() const { return socket_->remote(); }

 private:
  Loop* loop_;
  std::unique_ptr<Socket> socket_;
};

// A listener on loopback that keeps what it accepts.
class Server {
 public:
  explicit Server(std::shared_ptr<const Tls> tls = nullptr, absl::Duration handshake = kLong) {
    auto listener = Listener::Listen(loops_, "127.0.0.1", 0, std::move(tls), handshake,
                                     [this](Loop& loop, std::unique_ptr<Socket> socket) {
                                       EXPECT_TRUE(loop.IsCurrent());
                                       MutexLock lock(mutex_);
                                       accepted_.emplace_back(loop, std::move(socket));
                                       changed_.NotifyAll();
                                     });
    EXPECT_THAT(listener, IsOk());
    listener_ = *std::move(listener);
  }
  ~Server() { listener_.reset(); }

  std::string address() const { return "127.0.0.1:" + std::to_string(listener_->port()); }
  int port() const { return listener_->port(); }
  Listener& listener() { return *listener_; }
  Loops& loops() { return loops_; }

  BlockingSocket Accept() {
    MutexLock lock(mutex_);
    while (accepted_.empty()) changed_.Wait(mutex_);
    BlockingSocket socket = std::move(accepted_.front());
    accepted_.pop_front();
    return socket;
  }

 private:
  Loops loops_{2};
  Mutex mutex_;
  CondVar changed_;
  std::deque<BlockingSocket> accepted_;
  std::unique_ptr<Listener> listener_;
};

inline absl::StatusOr<BlockingSocket> Dial(Loop& loop, const std::string& address,
                                           std::shared_ptr<const Tls> tls = nullptr,
                                           absl::Duration timeout = kLong) {
  std::promise<absl::StatusOr<std::unique_ptr<Socket>>> result;
  Connect(loop, address, std::move(tls), timeout,
          [&](absl::StatusOr<std::unique_ptr<Socket>> socket) {
            EXPECT_TRUE(loop.IsCurrent());
            result.set_value(std::move(socket));
          });
  auto socket = result.get_future().get();
  if (!socket.ok()) return socket.status();
  return BlockingSocket(loop, *std::move(socket));
}

// A TCP connection below all of ours.
class RawConnection {
 public:
  RawConnection() : fd_(socket(AF_INET, SOCK_STREAM, 0)) {}
  explicit RawConnection(int port) : RawConnection() { Connect(port); }
  ~RawConnection() { close(fd_); }

  void Connect(int port) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  }

  // Gone as a peer whose process was killed with unread bytes: RST instead of FIN.
  void Reset() {
    const linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fd_);
    fd_ = -1;
  }
  bool WaitForEnd() {
    char byte;
    return recv(fd_, &byte, 1, 0) <= 0;
  }

 private:
  int fd_;
};

struct Certificates {
  CertificateAuthority authority{"authority"}, stranger{"stranger"};
  Certificate server = authority.Sign("server", "DNS:greeter.test,IP:127.0.0.1");
  Certificate caller = authority.Sign("caller", "DNS:caller.test");
  Certificate strangers_caller = stranger.Sign("caller", "DNS:caller.test");
};
inline const Certificates& Made() {
  static const Certificates& made = *new Certificates;
  return made;
}

inline std::shared_ptr<const Tls> ServerTls(TlsOptions more = {}) {
  more.cert = Made().server.cert;
  more.key = Made().server.key;
  return NewServerTls(more).value();
}
inline std::shared_ptr<const Tls> ClientTls(TlsOptions more = {}) {
  if (more.ca.empty()) more.ca = Made().authority.cert();
  return NewClientTls(more).value();
}

inline std::string Noise(size_t size) {
  std::string noise(size, '\0');
  uint32_t state = 1;
  for (char& c : noise) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  return noise;
}

}  // namespace micro::net
