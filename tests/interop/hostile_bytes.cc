#include "tests/interop/hostile_bytes.h"

#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <string_view>

#include "core/net/host_port.h"
#include "core/status_macros.h"

namespace interop {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kUpgrade =
    "GET / HTTP/1.1\r\nHost: game\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";

// In what a network carries a packet of less than 126 bytes; with none it is the packet.
std::string Carried(std::string_view network, std::string_view packet) {
  const char size = static_cast<char>(packet.size());
  std::string text;
  if (network == "ws") {  // a binary frame, with a mask of zeros
    text = {'\x82', static_cast<char>(size | 0x80), 0, 0, 0, 0};
  } else if (network == "kcp") {  // the first push of a conversation
    text = "\1\0\0\0\x51\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0"sv;
    text += {size, 0, 0, 0};
  }
  return text.append(packet);
}

std::string Noise(size_t size, std::minstd_rand& random) {
  std::string noise(size, '\0');
  for (char& byte : noise) byte = static_cast<char>(random() >> 8);
  return noise;
}

// What is sent on a connection, over WebSocket behind the handshake or in its place.
struct Hostility {
  std::string bytes;
  bool is_upgraded = false;
};

// The size that a packet begins with.
std::string Size(const due::PacketOptions& packet, uint32_t size) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(size >> shift);
  if (packet.byte_order == due::ByteOrder::kLittle) std::ranges::reverse(bytes);
  return bytes;
}

std::vector<Hostility> Hostilities(const due::ClientOptions& client, uint32_t most_bytes) {
  std::vector<Hostility> all;
  std::minstd_rand random(1);
  const bool is_upgraded = client.network == "ws";
  for (size_t size = 4; size <= 1400; size += 150) {
    std::string noise = Noise(size, random);
    if (most_bytes < UINT32_MAX) noise.replace(0, 4, Size(client.packet, most_bytes));
    all.push_back({noise, is_upgraded});
    if (is_upgraded) all.push_back({noise});
  }
  for (const uint32_t size : {most_bytes, most_bytes - 3, most_bytes - 15, most_bytes / 2})
    all.push_back(
        {Carried(client.network, Size(client.packet, size).append("\0\0\1\0\1{}"sv)), is_upgraded});
  return all;
}

absl::Status Error(std::string_view what, std::string_view address) {
  return absl::UnavailableError(fmt::format("{} {}: {}", what, address, strerror(errno)));
}

absl::StatusOr<int> Connect(const std::string& address, int type) {
  ASSIGN_OR_RETURN(const micro::net::HostPort at, micro::net::ParseHostPort(address));
  addrinfo hints = {};
  hints.ai_socktype = type;
  addrinfo* found = nullptr;
  if (const int error =
          getaddrinfo(at.host.c_str(), fmt::format("{}", at.port).c_str(), &hints, &found);
      error != 0)
    return absl::UnavailableError(fmt::format("{}: {}", address, gai_strerror(error)));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> freed(found, freeaddrinfo);
  const int fd = socket(found->ai_family, type | SOCK_CLOEXEC, 0);
  if (fd < 0) return Error("socket for", address);
  if (connect(fd, found->ai_addr, found->ai_addrlen) == 0) return fd;
  const absl::Status failed = Error("connecting to", address);
  close(fd);
  return failed;
}

absl::Status Upgrade(int fd, const std::string& address) {
  const timeval patience = {5, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  char answer[4096];
  if (send(fd, kUpgrade.data(), kUpgrade.size(), MSG_NOSIGNAL) < 0 ||
      recv(fd, answer, sizeof(answer), 0) <= 0)
    return Error("WebSocket's handshake with", address);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<HostilePeers> HostilePeers::Attack(const due::ClientOptions& client,
                                                  uint32_t most_bytes) {
  const int type = client.network == "kcp" ? SOCK_DGRAM : SOCK_STREAM;
  HostilePeers peers;
  for (const Hostility& hostility : Hostilities(client, most_bytes)) {
    ASSIGN_OR_RETURN(const int fd, Connect(client.address, type));
    peers.sockets_.push_back(fd);
    if (hostility.is_upgraded) RETURN_IF_ERROR(Upgrade(fd, client.address));
    // A server that ends the connection at once does no wrong.
    (void)send(fd, hostility.bytes.data(), hostility.bytes.size(), MSG_NOSIGNAL);
  }
  return peers;
}

HostilePeers::~HostilePeers() {
  for (const int fd : sockets_) close(fd);
}

}  // namespace interop
