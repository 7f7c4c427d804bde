// A node for tests that does with its connections what a script says, on plain blocking sockets.
//
//   ScriptedNode node({[](Peer& peer) {
//     EXPECT_THAT(peer.ReadRequest(), HasSubstr("POST / HTTP/1.1\r\n"));
//     peer.Write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
//   }});
//   … call node.address() …
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "core/mutex.h"

namespace micro::rpc {

// The node's end of one connection, for the script that serves it.
class Peer {
 public:
  explicit Peer(int fd) : fd_(fd) {}

  // The next request, head and body as they came; empty: the client has closed.
  std::string ReadRequest() {
    while (true) {
      const size_t head = came_.find("\r\n\r\n");
      if (head != came_.npos) {
        const size_t length = came_.find("Content-Length: ");
        const size_t body =
            length < head ? static_cast<size_t>(std::atoll(came_.c_str() + length + 16)) : 0;
        if (came_.size() >= head + 4 + body) {
          std::string request = came_.substr(0, head + 4 + body);
          came_.erase(0, request.size());
          return request;
        }
      }
      char bytes[64 << 10];
      const ssize_t count = recv(fd_, bytes, sizeof(bytes), 0);
      if (count <= 0) return "";
      came_.append(bytes, static_cast<size_t>(count));
    }
  }

  // False when the client has closed.
  bool Write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(count));
    }
    return true;
  }

  // Each byte in a packet of its own.
  void WriteByteByByte(std::string_view bytes) {
    for (size_t i = 0; i < bytes.size(); ++i) Write(bytes.substr(i, 1));
  }

  // Writes `bytes` again and again, until nobody has read for a while or `most` were written. How
  // many were.
  size_t WriteUntilFull(std::string_view bytes, size_t most) {
    size_t written = 0;
    pollfd ready = {.fd = fd_, .events = POLLOUT, .revents = 0};
    while (written < most && poll(&ready, 1, 500) == 1) {
      const ssize_t count = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (count <= 0) break;
      written += static_cast<size_t>(count);
    }
    return written;
  }

  // Waits for the client's end, whatever comes before.
  void AwaitEnd() {
    char bytes[4096];
    while (recv(fd_, bytes, sizeof(bytes), 0) > 0) {
    }
  }

  // Closes with a reset.
  void Reset() {
    const linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  }

 private:
  const int fd_;
  std::string came_;
};

class ScriptedNode {
 public:
  using Script = std::function<void(Peer&)>;

  // The first connection is served by the first script and closed at its end, and so on; more of
  // them than there are, by the last.
  explicit ScriptedNode(std::vector<Script> scripts, int backlog = 64)
      : scripts_(std::move(scripts)), listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listener_, backlog), 0);
    EXPECT_EQ(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    address_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    if (!scripts_.empty()) acceptor_ = std::thread([this] { Accept(); });
  }

  ~ScriptedNode() {
    StopListening();
    {
      MutexLock lock(mutex_);
      for (const int fd : open_) shutdown(fd, SHUT_RDWR);
    }
    for (std::thread& thread : threads_) thread.join();
  }

  const std::string& address() const { return address_; }
  int connections() const { return connections_; }

  // From here on connections are refused.
  void StopListening() {
    if (listener_ < 0) return;
    shutdown(listener_, SHUT_RDWR);
    if (acceptor_.joinable()) acceptor_.join();
    close(std::exchange(listener_, -1));
  }

 private:
  void Accept() {
    while (true) {
      const int fd = accept(listener_, nullptr, nullptr);
      if (fd < 0) return;
      const int no_delay = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &no_delay, sizeof(no_delay));
      const size_t number = static_cast<size_t>(connections_++);
      const Script& script = scripts_[std::min(number, scripts_.size() - 1)];
      MutexLock lock(mutex_);
      open_.push_back(fd);
      threads_.emplace_back([this, fd, &script] { Serve(fd, script); });
    }
  }

  void Serve(int fd, const Script& script) {
    Peer peer(fd);
    script(peer);
    MutexLock lock(mutex_);
    std::erase(open_, fd);
    close(fd);
  }

  const std::vector<Script> scripts_;
  int listener_;
  std::string address_;
  std::atomic<int> connections_ = 0;
  std::thread acceptor_;
  Mutex mutex_;
  std::vector<int> open_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;  // written by the acceptor, read when it has ended
};

// An answer with this body and these headers.
inline std::string AnswerOf(std::string_view body, std::string_view headers = "") {
  return "HTTP/1.1 200 OK\r\n" + std::string(headers) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

}  // namespace micro::rpc
