#include "registry/consul/consul_link.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cstdlib>

#include "core/async.h"
#include "core/task_scope.h"

namespace micro::registry::consul {
namespace {

// A port at which connections are taken and nothing is answered.
uint16_t SilentPort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(fd, 100) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    return 0;
  return ntohs(address.sin_port);
}

Task<void> Ask(AgentLink& agent, Context ctx) {
  (void)co_await agent.Send(ctx, {.path = "/v1/status/leader"});
}

// Whether requests were under way until they were cancelled.
bool Cancel() {
  const auto agent = AgentLink::Open({.host = "127.0.0.1", .port = SilentPort()}, {});
  auto [ctx, cancel] = WithCancel(Context());
  TaskScope scope;
  for (int i = 0; i < 20; ++i) Spawn(scope, Ask(**agent, ctx));
  const bool were_under_way = scope.running() == 20;
  cancel();
  scope.Join();
  return were_under_way;
}

// The leak checker of --config=asan sees what is left of them.
TEST(AgentLinkDeathTest, LetsCancelledRequestsEndBeforeTheProgramDoes) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(std::exit(Cancel() ? 0 : 2), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace micro::registry::consul
