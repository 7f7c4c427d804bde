// What the tests of servers share: a server over TCP that echoes, and clients that write and read
// bytes.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "core/async.h"
#include "core/net/socket_fixture.h"
#include "core/testing/eventually.h"
#include "core/testing/status_matchers.h"
#include "due/network/server.h"
#include "due/packet/packer.h"

namespace due {

using ::micro::BlockOn;
using ::micro::Context;
using ::micro::Eventually;
using ::micro::IsOk;
using ::micro::StatusIs;
using ::micro::net::BlockingSocket;
using ::testing::HasSubstr;

inline const std::string kHeartbeat("\0\0\0\1\x80", 5);
inline const std::string kEmpty(4, '\0');

inline std::string Packet(int32_t route, std::string_view body, int32_t seq = 1) {
  std::string packet;
  EXPECT_THAT(Packer::New({.buffer_bytes = 1 << 20})->Pack({route, seq, body}, packet), IsOk());
  return packet;
}

inline int64_t Ended(const Server& server, Cause cause) {
  return server.counts().ended[static_cast<size_t>(cause)];
}

class ServerTest : public ::testing::Test {
 protected:
  // A server that echoes, unless the hooks say otherwise.
  void Listen(ServerOptions options = {}, Hooks hooks = {}) {
    options.address = "127.0.0.1:0";
    if (hooks.on_receive == nullptr) {
      hooks.on_receive = [](Conn& conn, std::string_view packet) { (void)conn.Push(packet); };
    }
    auto server = Server::Listen(std::move(options), std::move(hooks));
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
  }
  BlockingSocket Dial() {
    return micro::net::Dial(loops_[0], "127.0.0.1:" + std::to_string(server_->port())).value();
  }

  micro::net::Loops loops_{1};
  std::unique_ptr<Server> server_;
};

}  // namespace due
