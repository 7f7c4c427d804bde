// A client of a NATS server that speaks NATS' text protocol by itself, for tests: it sends to the byte what another
// program would, and shows what comes.
//
//   RawNats raw(server->port());
//   raw.Subscribe("greetings");
//   raw.Publish("greetings", "hello");
//   EXPECT_EQ(raw.Next()->payload, "hello");
//
// For one thread at a time.
#pragma once

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

namespace micro::nats {

class RawNats {
 public:
  struct Received {
    std::string subject = {}, reply = {}, payload = {};
  };

  explicit RawNats(int port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval patience{.tv_sec = 20, .tv_usec = 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) return;
    Line();  // INFO
    Send("CONNECT {\"verbose\":false,\"pedantic\":true}\r\n");
    RoundTrip();
  }
  ~RawNats() { close(fd_); }
  RawNats(const RawNats&) = delete;
  RawNats& operator=(const RawNats&) = delete;

  void Subscribe(std::string_view subject) {
    Send(fmt::format("SUB {} {}\r\n", subject, ++subscriptions_));
    RoundTrip();
  }

  void Publish(std::string_view subject, std::string_view payload, std::string_view reply = "") {
    Send(fmt::format("PUB {} {} {}\r\n{}\r\n", subject, reply, payload.size(), payload));
  }

  // The server has all that was sent before. No message may be under way to us.
  void RoundTrip() {
    Send("PING\r\n");
    while (true) {
      const std::string line = Line();
      if (line.empty() || line.starts_with("PONG")) return;
    }
  }

  // The next message; nothing when there is none for 20 s.
  std::optional<Received> Next() {
    while (true) {
      const std::string line = Line();
      if (line.empty()) return std::nullopt;
      if (line.starts_with("PING")) Send("PONG\r\n");
      if (!line.starts_with("MSG ")) continue;
      // MSG subject sid [reply] size
      std::string words[4];
      size_t count = 0;
      for (size_t at = 4; at < line.size() && count < 4; ++count) {
        const size_t end = std::min(line.find(' ', at), line.size());
        words[count] = line.substr(at, end - at);
        at = end + 1;
      }
      Received received{.subject = words[0], .reply = count == 4 ? words[2] : ""};
      received.payload = Take(static_cast<size_t>(std::atoi(words[count - 1].c_str())));
      Take(2);
      return received;
    }
  }

 private:
  void Send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      text.remove_prefix(static_cast<size_t>(sent));
    }
  }

  bool Fill() {
    char piece[65536];
    const ssize_t got = recv(fd_, piece, sizeof(piece), 0);
    if (got > 0) buffer_.append(piece, static_cast<size_t>(got));
    return got > 0;
  }

  std::string Take(size_t size) {
    while (buffer_.size() < size && Fill()) {
    }
    std::string taken = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return taken;
  }

  // The next line without its end; empty when the server went or is silent.
  std::string Line() {
    while (buffer_.find("\r\n") == std::string::npos) {
      if (!Fill()) return "";
    }
    std::string line = Take(buffer_.find("\r\n"));
    Take(2);
    return line;
  }

  const int fd_;
  int subscriptions_ = 0;
  std::string buffer_;
};

}  // namespace micro::nats
