// The server that ours is compared with: sockets and epoll, and nothing else.
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/bench/gate_load.h"
#include "tests/bench/loopback.h"

namespace bench {

void RunBareEcho() {
  const int listener = Listen();
  struct Peer {
    int fd;
    std::string part;
  };
  const int events = epoll_create1(0);
  epoll_event accepting = {.events = EPOLLIN, .data = {.ptr = nullptr}};
  epoll_ctl(events, EPOLL_CTL_ADD, listener, &accepting);
  const auto buffer = std::make_unique<char[]>(kRead);
  while (true) {
    epoll_event ready[256];
    const int count = epoll_wait(events, ready, 256, -1);
    for (int i = 0; i < count; ++i) {
      if (ready[i].data.ptr == nullptr) {
        const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
        SetNoDelay(fd);
        epoll_event event = {.events = EPOLLIN, .data = {.ptr = new Peer{fd, {}}}};
        epoll_ctl(events, EPOLL_CTL_ADD, fd, &event);
        continue;
      }
      auto* const peer = static_cast<Peer*>(ready[i].data.ptr);
      const ssize_t got = recv(peer->fd, buffer.get(), kRead, 0);
      if (got <= 0) {
        close(peer->fd);
        delete peer;
        continue;
      }
      std::string_view in(buffer.get(), static_cast<size_t>(got));
      if (!peer->part.empty()) {
        peer->part += in;
        in = peer->part;
      }
      const size_t whole = WholePackets(in);
      Send(peer->fd, in.substr(0, whole));
      peer->part = std::string(in.substr(whole));
    }
  }
}

}  // namespace bench
