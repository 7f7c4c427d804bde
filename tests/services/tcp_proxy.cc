#include "tests/services/tcp_proxy.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>

namespace micro::services {
namespace {

constexpr int kLookAround = 5;  // milliseconds between looks at the mode

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

bool Readable(int fd) {
  pollfd polled{.fd = fd, .events = POLLIN, .revents = 0};
  return poll(&polled, 1, kLookAround) > 0;
}

void DropPackets(int fd, bool drop) {
  sock_filter none = BPF_STMT(BPF_RET | BPF_K, 0);
  const sock_fprog program{.len = 1, .filter = &none};
  // Detaching fails where nothing is attached.
  (void)setsockopt(fd, SOL_SOCKET, drop ? SO_ATTACH_FILTER : SO_DETACH_FILTER, &program,
                   sizeof(program));
}

}  // namespace

TcpProxy::TcpProxy(int port)
    : port_(port), listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
      listen(listener_, 64) == 0 &&
      getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0) {
    own_port_ = ntohs(address.sin_port);
  }
  acceptor_ = std::thread([this] { Accept(); });
}

TcpProxy::~TcpProxy() {
  ending_ = true;
  acceptor_.join();
  std::vector<std::thread> threads;
  {
    MutexLock lock(mutex_);
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
  close(listener_);
}

std::string TcpProxy::address() const { return fmt::format("127.0.0.1:{}", own_port_); }

void TcpProxy::Cut() {
  mode_ = Mode::kCut;
  ++cuts_;
  while (open_ > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}
void TcpProxy::Freeze() { mode_ = Mode::kFreeze; }
void TcpProxy::Vanish() {
  mode_ = Mode::kFreeze;
  SetDeaf(true);
}
void TcpProxy::Mend() {
  SetDeaf(false);
  mode_ = Mode::kPass;
}

// Whether the kernel drops what comes to the clients' ends before TCP sees it.
void TcpProxy::SetDeaf(bool deaf) {
  MutexLock lock(mutex_);
  deaf_ = deaf;
  DropPackets(listener_, deaf);
  for (const int near : near_) DropPackets(near, deaf);
}

void TcpProxy::Accept() {
  while (!ending_) {
    if (!Readable(listener_)) continue;
    const int near = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (near < 0) continue;
    ++connections_;
    MutexLock lock(mutex_);
    threads_.emplace_back([this, near] { Serve(near); });
  }
}

void TcpProxy::Serve(int near) {
  ++open_;
  {
    MutexLock lock(mutex_);
    near_.insert(near);
    DropPackets(near, deaf_);
  }
  const int cuts = cuts_;
  const int far = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(port_);
  if (mode_ != Mode::kCut &&
      connect(far, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
    while (!ending_ && cuts == cuts_) {
      std::array<pollfd, 2> sides = {{{.fd = near, .events = POLLIN, .revents = 0},
                                      {.fd = far, .events = POLLIN, .revents = 0}}};
      const bool frozen = mode_ == Mode::kFreeze;
      if (poll(sides.data(), frozen ? 0 : sides.size(), kLookAround) <= 0 || frozen) continue;
      if (sides[0].revents != 0 && !Pass(near, far)) break;
      if (sides[1].revents != 0 && !Pass(far, near)) break;
    }
  }
  {
    MutexLock lock(mutex_);
    near_.erase(near);
  }
  close(near);
  close(far);
  --open_;
}

// False when `from` has ended.
bool TcpProxy::Pass(int from, int to) {
  std::array<char, 64 << 10> bytes;
  const ssize_t count = read(from, bytes.data(), bytes.size());
  return count > 0 && send(to, bytes.data(), static_cast<size_t>(count), MSG_NOSIGNAL) == count;
}

}  // namespace micro::services
