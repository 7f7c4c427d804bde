#include "tests/services/probe.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace micro::services {
namespace {

class Connection {
 public:
  explicit Connection(int port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval limit{.tv_sec = 2, .tv_usec = 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    open_ = connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  ~Connection() { close(fd_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int fd() const { return fd_; }
  bool open() const { return open_; }

 private:
  const int fd_;
  bool open_ = false;
};

}  // namespace

std::string Probe(int port, std::string_view request, std::string_view enough) {
  const Connection connection(port);
  if (!connection.open()) return "";
  if (send(connection.fd(), request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size())) {
    return "";
  }
  std::string answer;
  char piece[4096];
  while (answer.size() < 64 << 10) {
    if (!enough.empty() && answer.find(enough) != std::string::npos) break;
    const ssize_t got = recv(connection.fd(), piece, sizeof(piece), 0);
    if (got <= 0) break;
    answer.append(piece, static_cast<size_t>(got));
  }
  return answer;
}

bool HttpHas(int port, std::string_view path, std::string_view wanted) {
  const std::string answer = Probe(
      port, fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path));
  const size_t body = answer.find("\r\n\r\n");
  return answer.starts_with("HTTP/1.1 200") && body != std::string::npos &&
         answer.find(wanted, body) != std::string::npos;
}

bool Accepts(int port) { return Connection(port).open(); }

}  // namespace micro::services
