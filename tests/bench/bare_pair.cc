// A gate and a node of sockets and epoll, and nothing else: what carries a message there and back at
// the least. One connection between them; all that a turn of the loop brings goes on in one write.
#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/bench/gate_load.h"
#include "tests/bench/loopback.h"

namespace bench {
namespace {

// Between the two: u32 how long the packets are, u32 whose they are, packets.
constexpr size_t kHead = 8;

void Append(uint32_t player, std::string_view packets, std::string& out) {
  const uint32_t head[2] = {static_cast<uint32_t>(packets.size()), player};
  out.append(reinterpret_cast<const char*>(head), kHead);
  out.append(packets);
}

// Takes what is whole off the front of `in`, a piece at a time.
template <class Use>
void TakePieces(std::string& in, const Use& use) {
  size_t at = 0;
  while (in.size() - at >= kHead) {
    uint32_t head[2];
    std::memcpy(head, in.data() + at, kHead);
    if (in.size() - at - kHead < head[0]) break;
    use(head[1], std::string_view(in).substr(at + kHead, head[0]));
    at += kHead + head[0];
  }
  in.erase(0, at);
}

void Watch(int events, int fd, uint64_t who) {
  epoll_event event = {.events = EPOLLIN, .data = {.u64 = who}};
  if (epoll_ctl(events, EPOLL_CTL_ADD, fd, &event) != 0) Fail("epoll_ctl");
}

}  // namespace

void RunBareNode() {
  const int gate = accept(Listen(), nullptr, nullptr);
  SetNoDelay(gate);
  std::string in, out;
  const auto buffer = std::make_unique<char[]>(kRead);
  while (true) {
    const ssize_t got = recv(gate, buffer.get(), kRead, 0);
    if (got <= 0) _exit(0);
    in.append(buffer.get(), static_cast<size_t>(got));
    out.clear();
    TakePieces(in,
               [&](uint32_t player, std::string_view packets) { Append(player, packets, out); });
    Send(gate, out);
  }
}

void RunBareGate(int node_port) {
  struct Player {
    int fd;
    std::string part, out;
  };
  constexpr uint64_t kListener = ~uint64_t{0}, kNode = kListener - 1;
  const int node = Connect(node_port);
  fcntl(node, F_SETFL, O_NONBLOCK);
  const int listener = Listen();
  const int events = epoll_create1(0);
  Watch(events, listener, kListener);
  Watch(events, node, kNode);
  std::vector<std::unique_ptr<Player>> players;
  std::string from_node, to_node;
  std::vector<Player*> written;
  const auto buffer = std::make_unique<char[]>(kRead);

  const auto read_node = [&] {
    const ssize_t got = recv(node, buffer.get(), kRead, 0);
    if (got <= 0) _exit(0);
    from_node.append(buffer.get(), static_cast<size_t>(got));
    TakePieces(from_node, [&](uint32_t who, std::string_view packets) {
      Player* const player = players[who].get();
      if (player->fd < 0) return;
      if (player->out.empty()) written.push_back(player);
      player->out += packets;
    });
  };
  const auto read_player = [&](uint64_t who) {
    Player& player = *players[who];
    const ssize_t got = recv(player.fd, buffer.get(), kRead, 0);
    if (got <= 0) {
      close(std::exchange(player.fd, -1));
      return;
    }
    std::string_view in(buffer.get(), static_cast<size_t>(got));
    if (!player.part.empty()) {
      player.part += in;
      in = player.part;
    }
    const size_t whole = WholePackets(in);
    if (whole > 0) Append(static_cast<uint32_t>(who), in.substr(0, whole), to_node);
    player.part = std::string(in.substr(whole));
  };
  while (true) {
    epoll_event ready[256];
    const int count = epoll_wait(events, ready, 256, -1);
    for (int i = 0; i < count; ++i) {
      const uint64_t who = ready[i].data.u64;
      if (who == kListener) {
        const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
        SetNoDelay(fd);
        Watch(events, fd, players.size());
        players.push_back(std::make_unique<Player>(Player{fd, {}, {}}));
      } else if (who == kNode) {
        read_node();
      } else {
        read_player(who);
      }
    }
    for (Player* player : written) {
      if (player->fd >= 0) Send(player->fd, player->out);
      player->out.clear();
    }
    written.clear();
    Send(node, to_node);
    to_node.clear();
  }
}

}  // namespace bench
