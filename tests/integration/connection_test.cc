// Connections to nodes: slow ones, dead ones, lost ones, and how many there are.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <thread>

#include "core/async.h"
#include "core/testing/eventually.h"
#include "tests/integration/greeter_services.h"

namespace micro {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

sockaddr_in Loopback(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

int PortOf(const std::string& address) {
  return std::atoi(address.substr(address.rfind(':') + 1).c_str());
}

// A port of loopback that takes connections and says nothing.
class SilentListener {
 public:
  SilentListener() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = Loopback(0);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(fd_, 8), 0);
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    address_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }
  ~SilentListener() { close(fd_); }

  int fd() const { return fd_; }
  const std::string& address() const { return address_; }

 private:
  const int fd_;
  std::string address_;
};

// A port whose first connection reaches another one, after a pause.
class SlowPath {
 public:
  SlowPath(int port, absl::Duration pause) : thread_([this, port, pause] { Run(port, pause); }) {}
  ~SlowPath() {
    shutdown(listener_.fd(), SHUT_RDWR);  // an accept that waits ends
    thread_.join();
  }
  const std::string& address() const { return listener_.address(); }

 private:
  void Run(int port, absl::Duration pause) {
    const int near = accept(listener_.fd(), nullptr, nullptr);
    if (near < 0) return;
    std::this_thread::sleep_for(absl::ToChronoNanoseconds(pause));
    const int far = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = Loopback(port);
    EXPECT_EQ(connect(far, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    while (Pass(near, far)) {
    }
    close(near);
    close(far);
  }

  // Passes on what has come on either side; false when one of them has ended.
  static bool Pass(int near, int far) {
    std::array<pollfd, 2> sides = {{{.fd = near, .events = POLLIN, .revents = 0},
                                    {.fd = far, .events = POLLIN, .revents = 0}}};
    if (poll(sides.data(), sides.size(), -1) < 0) return false;
    std::array<char, 4096> bytes;
    for (const pollfd& side : sides) {
      if (side.revents == 0) continue;
      const ssize_t count = read(side.fd, bytes.data(), bytes.size());
      if (count <= 0) return false;
      if (send(side.fd == near ? far : near, bytes.data(), static_cast<size_t>(count),
               MSG_NOSIGNAL) != count)
        return false;
    }
    return true;
  }

  const SilentListener listener_;
  std::thread thread_;
};

class Connection : public ::testing::Test {
 protected:
  absl::Status Hello(Service& caller, const std::string& address) {
    helloworld::GreeterService greeter("helloworld", caller.client());
    return BlockOn(greeter.Hello(WithTimeout(Context(), absl::Minutes(5)), Named("x"),
                                 {.addresses = {address}}))
        .status();
  }

  const registry::Options registry_ = OwnRegistry();
};

TEST_F(Connection, IsWaitedForWhileTheDialTimeoutLasts) {
  RunningGreeter server(GreeterOptions(registry_));
  SlowPath path(PortOf(server.address()), absl::Milliseconds(500));
  auto caller = NewCaller(registry_, {.dial_timeout = absl::Minutes(1)});
  EXPECT_THAT(Hello(*caller, path.address()), IsOk());
  caller.reset();  // its connection, which the path waits on
}

TEST_F(Connection, IsGivenUpAfterTheDialTimeout) {
  const SilentListener silent;
  auto caller = NewCaller(registry_, {.dial_timeout = absl::Milliseconds(200)});
  EXPECT_THAT(
      Hello(*caller, silent.address()),
      StatusIs(absl::StatusCode::kUnavailable, HasSubstr("connection error: " + silent.address())));
}

TEST_F(Connection, IsMadeAgainWhenTheNodeComesBack) {
  auto caller = NewCaller(registry_);
  std::string address;
  {
    RunningGreeter server(GreeterOptions(registry_));
    address = server.address();
    ASSERT_THAT(Hello(*caller, address), IsOk());
  }
  EXPECT_THAT(Hello(*caller, address), StatusIs(absl::StatusCode::kUnavailable));
  ServiceOptions options = GreeterOptions(registry_);
  options.server.address = address;
  RunningGreeter back(std::move(options));
  EXPECT_TRUE(Eventually([&] { return Hello(*caller, address).ok(); }));
}

// The callers' ends of the connections that `calls` calls come by.
std::set<std::string> Remotes(const registry::Options& registry, const ClientOptions& options,
                              int calls) {
  auto caller = NewCaller(registry, options);
  helloworld::GreeterService greeter("helloworld", caller->client());
  std::set<std::string> remotes;
  for (int i = 0; i < calls; ++i) {
    const auto response = BlockOn(greeter.Meta(Context(), {}));
    EXPECT_THAT(response, IsOk());
    if (response.ok()) remotes.insert(response->metadata().at("Remote"));
  }
  return remotes;
}

TEST_F(Connection, IsSharedByAllCallsToANode) {
  RunningGreeter server(GreeterOptions(registry_));
  EXPECT_THAT(Remotes(registry_, {}, 10), SizeIs(1));
}

TEST_F(Connection, IsOneOfAsManyAsThePoolHas) {
  RunningGreeter server(GreeterOptions(registry_));
  EXPECT_THAT(Remotes(registry_, {.pool_size = 3}, 9), SizeIs(3));
}

// How long bytes to a node may go unacknowledged before the connection is given up: of this process's
// connection to `port`.
std::chrono::milliseconds UserTimeoutTo(int port) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int fd = std::atoi(entry.path().filename().c_str());
    sockaddr_storage peer = {};
    socklen_t size = sizeof(peer);
    if (getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0) continue;
    if (peer.ss_family != AF_INET && peer.ss_family != AF_INET6) continue;
    // The port is at the same place in both.
    if (ntohs(reinterpret_cast<const sockaddr_in*>(&peer)->sin_port) != port) continue;
    unsigned timeout = 0;
    size = sizeof(timeout);
    EXPECT_EQ(getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, &size), 0);
    return std::chrono::milliseconds(timeout);
  }
  ADD_FAILURE() << "no connection to port " << port;
  return {};
}

// What a machine that vanishes leaves behind: its connections, and nobody to acknowledge anything.
TEST_F(Connection, IsGivenUpWhenNobodyAcknowledgesForSomeSeconds) {
  RunningGreeter server(GreeterOptions(registry_));
  const int port = PortOf(server.address());
  {
    auto caller = NewCaller(registry_);
    ASSERT_THAT(Hello(*caller, server.address()), IsOk());
    EXPECT_EQ(UserTimeoutTo(port), std::chrono::seconds(10));
  }
  RunningGreeter other(GreeterOptions(OwnRegistry()));
  auto json_caller = NewCaller(registry_, {.content_type = "application/json"});
  ASSERT_THAT(Hello(*json_caller, other.address()), IsOk());
  EXPECT_EQ(UserTimeoutTo(PortOf(other.address())), std::chrono::minutes(1));
}

}  // namespace
}  // namespace micro
