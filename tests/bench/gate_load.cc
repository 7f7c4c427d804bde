#include "tests/bench/gate_load.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "tests/bench/loopback.h"
#include "tests/bench/meter.h"

namespace bench {
namespace {

// An open connection; of WebSocket once it is one.
int Connect(const GateLoad& load) {
  const int fd = bench::Connect(load.port);
  if (load.network == "ws") {
    Send(fd,
         "GET / HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    std::string head;
    while (!head.ends_with("\r\n\r\n")) {
      char byte = 0;
      if (recv(fd, &byte, 1, 0) != 1) Fail("handshake");
      head += byte;
    }
  }
  fcntl(fd, F_SETFL, O_NONBLOCK);
  return fd;
}

void Big(uint64_t value, size_t bytes, std::string& out) {
  for (size_t i = bytes; i > 0; --i) out += static_cast<char>(value >> (8 * (i - 1)));
}

// What carries one packet: where the time lies in it, 8 bytes, differs from way to way.
struct Form {
  std::string request;
  size_t request_time = 0, answer_time = 0, answer_size = 0;
};

Form FormOf(const GateLoad& load) {
  std::string packet;
  Big(5 + static_cast<uint64_t>(load.body), 4, packet);
  packet.append("\0\0\1\0\1", 5);
  packet.append(static_cast<size_t>(load.body), 'x');
  constexpr size_t kHead = 9;
  if (load.network == "tcp") return {packet, kHead, kHead, packet.size()};
  std::string request = "\x82";
  size_t more = 0;
  if (packet.size() < 126) {
    Big(0x80 | packet.size(), 1, request);
  } else {
    more = 2;
    Big(0x80 | 126, 1, request);
    Big(packet.size(), 2, request);
  }
  request.append(4, '\0');  // a mask that changes nothing; the server applies it all the same
  return {request + packet, 6 + more + kHead, 2 + more + kHead, 2 + more + packet.size()};
}

class Connection {
 public:
  Connection(int fd, const Form& form) : fd_(fd), form_(form) {}
  int fd() const { return fd_; }

  void Ask(int count) {
    out_.clear();
    const int64_t now = Meter::Now();
    for (int i = 0; i < count; ++i) {
      const size_t begin = out_.size();
      out_ += form_.request;
      std::memcpy(out_.data() + begin + form_.request_time, &now, sizeof(now));
    }
    Send(fd_, out_);
  }

  // The number of answers that have come; `each` gets the time of each's question.
  template <class Each>
  int Read(char* buffer, const Each& each) {
    const ssize_t got = recv(fd_, buffer, kRead, 0);
    if (got < 0 && errno == EAGAIN) return 0;
    if (got <= 0) Fail("the server has ended a connection");
    std::string_view in(buffer, static_cast<size_t>(got));
    if (!part_.empty()) {
      part_ += in;
      in = part_;
    }
    int count = 0;
    while (in.size() >= form_.answer_size) {
      if (in[form_.answer_size - 1] != 'x') Fail("an answer is none");
      int64_t start = 0;
      std::memcpy(&start, in.data() + form_.answer_time, sizeof(start));
      each(start);
      in.remove_prefix(form_.answer_size);
      ++count;
    }
    part_ = std::string(in);
    return count;
  }

 private:
  const int fd_;
  const Form& form_;
  std::string out_, part_;
};

}  // namespace

void RunGateLoad(const GateLoad& load) {
  const Form form = FormOf(load);
  const int events = epoll_create1(0);
  std::vector<std::unique_ptr<Connection>> connections;
  for (int i = 0; i < load.connections; ++i) {
    connections.push_back(std::make_unique<Connection>(Connect(load), form));
    epoll_event event = {.events = EPOLLIN, .data = {.ptr = connections.back().get()}};
    epoll_ctl(events, EPOLL_CTL_ADD, connections.back()->fd(), &event);
  }
  std::printf("connected\n");
  std::fflush(stdout);
  getchar();  // until the parent has looked at the server
  const int64_t begin = Meter::Now() + static_cast<int64_t>(load.seconds * 0.25e9);
  const int64_t end = begin + static_cast<int64_t>(load.seconds * 1e9);
  std::vector<uint32_t> latencies;
  latencies.reserve(1 << 24);
  for (const auto& connection : connections) connection->Ask(load.window);
  const auto buffer = std::make_unique<char[]>(kRead);
  long long all = 0;
  int64_t now = 0;
  while (now < end) {
    epoll_event ready[256];
    const int count = epoll_wait(events, ready, 256, 1000);
    if (count <= 0) Fail("the server says nothing");
    now = Meter::Now();
    for (int i = 0; i < count; ++i) {
      auto* const connection = static_cast<Connection*>(ready[i].data.ptr);
      const int answers = connection->Read(buffer.get(), [&](int64_t start) {
        if (now >= begin) latencies.push_back(static_cast<uint32_t>(now - start));
      });
      all += answers;
      if (answers > 0) connection->Ask(answers);
    }
  }
  std::sort(latencies.begin(), latencies.end());
  if (latencies.empty()) Fail("nothing was measured");
  std::printf("measured %zu %f %u %u %lld\n", latencies.size(), load.seconds,
              latencies[latencies.size() / 2], latencies[latencies.size() * 99 / 100], all);
  std::fflush(stdout);
}

void HoldConnections(const GateLoad& load) {
  for (int i = 0; i < load.connections; ++i) Connect(load);
  std::printf("connected\n");
  std::fflush(stdout);
  pause();
}

void RunBareBroadcast(const GateLoad& load) {
  const int listener = Listen();
  const std::string packet = FormOf(load).request;
  std::vector<int> peers;
  for (int i = 0; i < load.connections; ++i) {
    peers.push_back(accept4(listener, nullptr, nullptr, SOCK_NONBLOCK));
    SetNoDelay(peers.back());
  }
  while (getchar() != EOF) {
    for (const int fd : peers) Send(fd, packet);
    std::printf("done bare\n");
    std::fflush(stdout);
  }
}

}  // namespace bench
