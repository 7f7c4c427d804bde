// How connections end: what was pushed before arrives, no end takes for ever, and who is slow is not
// taken for gone.
#include <sys/socket.h>

#include <atomic>
#include <future>
#include <thread>
#include <vector>

#include "core/clock.h"
#include "due/network/client.h"
#include "due/network/server_fixture.h"

namespace due {
namespace {

using EndTest = ServerTest;
using ConnPtr = std::shared_ptr<Conn>;

TEST_F(EndTest, WhatABroadcastSaidBeforeACloseArrives) {
  std::promise<ConnPtr> connected;
  Listen({}, {.on_connect = [&](Conn& conn) { connected.set_value(conn.shared_from_this()); }});
  BlockingSocket client = Dial();
  const ConnPtr conn = connected.get_future().get();
  ASSERT_THAT(server_->Broadcast(Packet(1, "we close")), IsOk());
  conn->Close(/*force=*/false);
  EXPECT_EQ(client.ReadAll(Packet(1, "we close").size()).value(), Packet(1, "we close"));
  EXPECT_EQ(server_->counts().missed, 0);
}

// While others push to connections of the same loop, which share a list with this one's packets.
TEST_F(EndTest, WhatWasPushedBeforeACloseArrives) {
  micro::Queue<ConnPtr> connected(100);
  Listen({.heartbeat_interval = absl::ZeroDuration()},
         {.on_connect = [&](Conn& conn) { connected.Push(conn.shared_from_this()); }});
  const auto next = [&] { return BlockOn(connected.Pop(Context())).value(); };
  std::vector<BlockingSocket> others;
  std::vector<ConnPtr> busy;
  for (size_t i = 0; i < micro::net::Loops::Default().size(); ++i) {
    others.push_back(Dial());
    busy.push_back(next());
  }
  std::atomic<bool> is_over = false;
  std::vector<std::thread> pushers;
  for (size_t i = 0; i < 2 * busy.size(); ++i) {
    pushers.emplace_back([&, conn = busy[i % busy.size()]] {
      while (!is_over) {
        (void)conn->Push(kHeartbeat);
        std::this_thread::yield();
      }
    });
  }
  const std::string last = Packet(1, "last words");
  for (int i = 0; i < 200; ++i) {
    BlockingSocket client = Dial();
    const ConnPtr conn = next();
    EXPECT_THAT(conn->Push(last), IsOk());
    conn->Close(/*force=*/false);
    const auto read = client.ReadAll(last.size());
    EXPECT_TRUE(read.ok() && *read == last) << i;
  }
  is_over = true;
  for (std::thread& pusher : pushers) pusher.join();
}

TEST_F(EndTest, AClientThatSendsOnDoesNotHoldUpItsEnd) {
  Listen({.heartbeat_interval = absl::ZeroDuration()},
         {.on_receive = [](Conn& conn, std::string_view) { conn.Close(/*force=*/false); }});
  BlockingSocket client = Dial();
  ASSERT_THAT(client.Write(Packet(1, "x")), IsOk());
  EXPECT_TRUE(Eventually([&] {
    (void)client.Write("x");
    return Ended(*server_, Cause::kLocal) == 1;
  }));
}

// It has more to read than the system's buffers hold, takes it bit by bit, and sends heartbeats.
TEST_F(EndTest, WhoReadsSlowlyIsNotSilent) {
  ConnPtr slow;
  const std::string large = Packet(1, std::string(60000, 'x'));
  Listen({.packet = {.buffer_bytes = 100000},
          .write_queue_size = 200,
          .heartbeat_interval = absl::Milliseconds(100)},
         {.on_connect = [&](Conn& conn) {
           while (conn.Push(large).ok()) {
           }
         }});
  BlockingSocket client = Dial();
  const absl::Time begin = micro::Clock::Real().Now();
  size_t taken = 0;
  while (micro::Clock::Real().Now() < begin + absl::Seconds(1)) {
    ASSERT_THAT(client.Write(kHeartbeat), IsOk());
    taken += client.StartRead(1000).get()->size();
    absl::SleepFor(absl::Milliseconds(20));
  }
  ASSERT_LT(taken, 200 * large.size());
  EXPECT_EQ(server_->counts().open, 1);
  EXPECT_EQ(Ended(*server_, Cause::kSilent), 0);
}

TEST_F(EndTest, WhoSaysNothingMoreStillGetsItsAnswers) {
  Listen({.packet = {.buffer_bytes = 100000}},
         {.on_receive = [](Conn& conn, std::string_view packet) {
           for (int i = 0; i < 200; ++i) (void)conn.Push(packet);
         }});
  BlockingSocket client = Dial();
  const std::string large = Packet(1, std::string(60000, 'x'));
  ASSERT_THAT(client.Write(large), IsOk());
  client.EndWrites();
  std::string all;
  for (int i = 0; i < 200; ++i) all += large;
  EXPECT_EQ(client.ReadAll(all.size()).value(), all);
  EXPECT_TRUE(Eventually([&] { return Ended(*server_, Cause::kPeer) == 1; }));
}

TEST_F(EndTest, WhatIsNoPacketIsNotPushed) {
  Listen({}, {.on_receive = [&](Conn& conn, std::string_view packet) {
           const auto refused = StatusIs(absl::StatusCode::kInvalidArgument);
           for (const std::string& bad :
                {std::string(), kEmpty + kEmpty, kHeartbeat + "x", Packet(1, "x").substr(1)}) {
             EXPECT_THAT(conn.Push(bad), refused);
             EXPECT_THAT(server_->Broadcast(bad), refused);
           }
           EXPECT_THAT(conn.Push(packet), IsOk());
         }});
  BlockingSocket client = Dial();
  ASSERT_THAT(client.Write(Packet(1, "x")), IsOk());
  EXPECT_EQ(client.ReadAll(Packet(1, "x").size()).value(), Packet(1, "x"));
}

// Whoever waited for them may destroy server and client at once.
TEST_F(EndTest, StopAndDialGoOnOffTheLoops) {
  Listen();
  const std::string address = "127.0.0.1:" + std::to_string(server_->port());
  BlockOn([](std::unique_ptr<Server> server, std::string where) -> micro::Task<void> {
    auto client = Client::New({.address = where}, {}).value();
    EXPECT_THAT(co_await client->Dial(Context()), IsOk());
    EXPECT_EQ(micro::net::Loop::Current(), nullptr);
    client.reset();
    co_await server->Stop(Context());
    EXPECT_EQ(micro::net::Loop::Current(), nullptr);
    server.reset();
  }(std::move(server_), address));
}

}  // namespace
}  // namespace due
