#include "tests/services/tcp_proxy.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace micro::services {
namespace {

// A socket of this machine; closed at its end.
class Socket {
 public:
  explicit Socket(int flags = 0) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0)) {}
  ~Socket() { close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  int fd() const { return fd_; }
  bool Connect(int port) {
    const sockaddr_in address = Loopback(port);
    return connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  }
  int Listen() {
    sockaddr_in address = Loopback(0);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(fd_, 1), 0);
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    return ntohs(address.sin_port);
  }
  bool Send(char c) { return send(fd_, &c, 1, MSG_NOSIGNAL) == 1; }
  // How many bytes the other end's TCP has not confirmed.
  unsigned Unconfirmed() const {
    tcp_info info{};
    socklen_t size = sizeof(info);
    EXPECT_EQ(getsockopt(fd_, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
    return info.tcpi_unacked;
  }
  // Whether something, or an end, can be read within the time.
  bool Readable(int milliseconds) const {
    pollfd polled{.fd = fd_, .events = POLLIN, .revents = 0};
    return poll(&polled, 1, milliseconds) > 0;
  }

 private:
  static sockaddr_in Loopback(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }
  const int fd_;
};

int PortOf(const TcpProxy& proxy) {
  return std::atoi(proxy.address().substr(proxy.address().find(':') + 1).c_str());
}

TEST(TcpProxy, WhatHasVanishedConfirmsNothingAndEndsNothingUntilItIsMended) {
  Socket listener;
  TcpProxy proxy(listener.Listen());
  Socket client;
  ASSERT_TRUE(client.Connect(PortOf(proxy)));
  const int accepted = accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC);
  ASSERT_GE(accepted, 0);
  char c = 0;
  ASSERT_TRUE(client.Send('a'));
  ASSERT_EQ(read(accepted, &c, 1), 1);

  proxy.Vanish();
  ASSERT_TRUE(client.Send('b'));
  EXPECT_FALSE(client.Readable(300)) << "an end or a reset";
  EXPECT_GT(client.Unconfirmed(), 0u);
  Socket late(SOCK_NONBLOCK);
  EXPECT_FALSE(late.Connect(PortOf(proxy)));
  EXPECT_EQ(errno, EINPROGRESS);
  pollfd connected{.fd = late.fd(), .events = POLLOUT, .revents = 0};
  EXPECT_EQ(poll(&connected, 1, 300), 0);

  proxy.Mend();
  EXPECT_EQ(read(accepted, &c, 1), 1);
  EXPECT_EQ(c, 'b');
  EXPECT_EQ(poll(&connected, 1, -1), 1);
  close(accepted);
}

}  // namespace
}  // namespace micro::services
