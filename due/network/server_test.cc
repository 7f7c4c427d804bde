// A server of the game's edge, met by clients that write and read bytes.
#include "due/network/server.h"

#include <atomic>
#include <future>
#include <thread>

#include "due/network/server_fixture.h"

namespace due {
namespace {

TEST_F(ServerTest, AnswersWhatItIsSent) {
  Listen();
  BlockingSocket client = Dial();
  const std::string packets = Packet(1, "one") + Packet(2, std::string(4000, 'x')) + Packet(3, "");
  ASSERT_THAT(client.Write(packets), IsOk());
  EXPECT_EQ(*client.ReadAll(packets.size()), packets);
}

TEST_F(ServerTest, TakesPacketsByteByByte) {
  Listen();
  BlockingSocket client = Dial();
  const std::string packets = Packet(1, "hello") + Packet(2, "world");
  for (const char byte : packets) ASSERT_THAT(client.Write(std::string(1, byte)), IsOk());
  EXPECT_EQ(*client.ReadAll(packets.size()), packets);
}

TEST_F(ServerTest, AnswersHeartbeatsAndTellsNobodyOfThem) {
  std::atomic<int> told = 0;
  Listen({}, {.on_receive = [&](Conn&, std::string_view) { ++told; }});
  BlockingSocket client = Dial();
  ASSERT_THAT(client.Write(kEmpty + kHeartbeat + Packet(1, "x") + kHeartbeat), IsOk());
  EXPECT_EQ(*client.ReadAll(2 * kHeartbeat.size()), kHeartbeat + kHeartbeat);
  EXPECT_EQ(told, 1);
  EXPECT_EQ(server_->counts().packets_in, 4);
  EXPECT_EQ(server_->counts().bytes_in,
            static_cast<int64_t>((kEmpty + kHeartbeat + Packet(1, "x") + kHeartbeat).size()));
  EXPECT_EQ(server_->counts().bytes_out, static_cast<int64_t>(2 * kHeartbeat.size()));
}

TEST_F(ServerTest, TicksByItselfWhenItIsToldTo) {
  Listen({.heartbeat_interval = absl::Milliseconds(20),
          .heartbeat_mechanism = HeartbeatMechanism::kTick});
  BlockingSocket client = Dial();
  EXPECT_EQ(*client.ReadAll(kHeartbeat.size()), kHeartbeat);
}

TEST_F(ServerTest, ClosesWhoIsSilent) {
  Listen({.heartbeat_interval = absl::Milliseconds(20)});
  BlockingSocket client = Dial();
  EXPECT_THAT(client.Read(), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_TRUE(Eventually([&] { return Ended(*server_, Cause::kSilent) == 1; }));
}

TEST_F(ServerTest, BytesThatMakeNoPacketAreNoSignOfLife) {
  Listen({.heartbeat_interval = absl::Milliseconds(50)});
  BlockingSocket slow = Dial();
  auto read = slow.StartRead();
  ASSERT_THAT(slow.Write(std::string("\0\0\x40\0", 4)), IsOk());  // of 16 KiB, one by one
  while (server_->counts().open > 0) {
    if (!slow.Write("x").ok()) break;
    absl::SleepFor(absl::Milliseconds(5));
  }
  EXPECT_FALSE(read.get().ok());
  EXPECT_TRUE(Eventually([&] { return Ended(*server_, Cause::kSilent) == 1; }));
}

TEST_F(ServerTest, ClosesWhoDoesNotSayWhoHeIs) {
  Listen({.authorize_timeout = absl::Milliseconds(20)},
         {.on_receive = [](Conn& conn, std::string_view packet) {
           conn.Bind(7);
           (void)conn.Push(packet);
         }});
  BlockingSocket known = Dial();
  ASSERT_THAT(known.Write(Packet(1, "me")), IsOk());
  EXPECT_EQ(*known.ReadAll(Packet(1, "me").size()), Packet(1, "me"));
  BlockingSocket unknown = Dial();
  EXPECT_THAT(unknown.Read(), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_TRUE(Eventually([&] { return Ended(*server_, Cause::kUnauthorized) == 1; }));
  ASSERT_THAT(known.Write(Packet(1, "still")), IsOk());
  EXPECT_EQ(*known.ReadAll(Packet(1, "still").size()), Packet(1, "still"));
}

TEST_F(ServerTest, ClosesWhoSendsMoreThanItTakes) {
  Listen({.packet = {.receive_bytes = 100}});
  for (const std::string& size : {std::string("\0\0\0\x65", 4), std::string(4, '\xff')}) {
    BlockingSocket client = Dial();
    ASSERT_THAT(client.Write(size), IsOk());
    EXPECT_FALSE(client.Read().ok());
  }
  EXPECT_TRUE(Eventually([&] { return Ended(*server_, Cause::kTooLarge) == 2; }));
}

TEST_F(ServerTest, ReadsLaterWhatOneSendsTooMuch) {
  Listen({.packet_rate = 1000});
  BlockingSocket flood = Dial(), other = Dial();
  std::string many;
  for (int i = 0; i < 1500; ++i) many += Packet(1, std::to_string(i));
  ASSERT_THAT(flood.Write(many), IsOk());
  EXPECT_TRUE(Eventually([&] { return server_->counts().slowed > 0; }));
  ASSERT_THAT(other.Write(Packet(2, "hello")), IsOk());
  EXPECT_EQ(*other.ReadAll(Packet(2, "hello").size()), Packet(2, "hello"));
  EXPECT_EQ(*flood.ReadAll(many.size()), many);
}

TEST_F(ServerTest, TakesNoMoreConnectionsThanItMay) {
  Listen({.max_conn_num = 1});
  BlockingSocket first = Dial();
  ASSERT_THAT(first.Write(Packet(1, "x")), IsOk());
  ASSERT_THAT(first.ReadAll(Packet(1, "x").size()), IsOk());
  BlockingSocket second = Dial();
  EXPECT_FALSE(second.Read().ok());
  EXPECT_EQ(server_->counts().refused, 1);
  first.Close();
  EXPECT_TRUE(Eventually([&] { return server_->counts().open == 0; }));
  BlockingSocket third = Dial();
  ASSERT_THAT(third.Write(Packet(1, "x")), IsOk());
  EXPECT_THAT(third.ReadAll(Packet(1, "x").size()), IsOk());
}

// The answers of one who reads nothing wait within bounds, and those of others do not wait for them.
TEST_F(ServerTest, OneWhoReadsNothingHoldsUpNobodyElse) {
  Listen({.packet = {.buffer_bytes = 60000}, .write_queue_size = 8});
  BlockingSocket deaf = Dial(), other = Dial();
  const std::string large = Packet(1, std::string(30000, 'x'), 2);
  std::string many;
  for (int i = 0; i < 1000; ++i) many += large;  // more than the kernel holds
  auto writing = deaf.StartWrite(many);
  ASSERT_THAT(other.Write(Packet(2, "hello")), IsOk());
  EXPECT_EQ(*other.ReadAll(Packet(2, "hello").size()), Packet(2, "hello"));
  EXPECT_EQ(*deaf.ReadAll(many.size()), many);  // and nothing was lost
  EXPECT_THAT(writing.get(), IsOk());
}

TEST_F(ServerTest, ClosesWhoReadsNothingForLong) {
  Listen({.packet = {.buffer_bytes = 60000}, .stall_timeout = absl::Milliseconds(50)});
  BlockingSocket deaf = Dial();
  std::string many;
  for (int i = 0; i < 1000; ++i) many += Packet(1, std::string(30000, 'x'));
  auto writing = deaf.StartWrite(many);
  EXPECT_TRUE(Eventually([&] { return Ended(*server_, Cause::kStalled) == 1; }));
  EXPECT_FALSE(writing.get().ok());
}

TEST_F(ServerTest, RefusesToQueueMoreThanItMay) {
  std::promise<int> taken;
  const std::string large = Packet(1, std::string(30000, 'x'));
  Listen({.packet = {.buffer_bytes = 60000}, .write_queue_size = 4},
         {.on_connect = [&](Conn& conn) {
           absl::Status pushed = conn.Push(large);
           int count = 0;
           for (; pushed.ok(); pushed = conn.Push(large)) ++count;
           EXPECT_THAT(pushed, StatusIs(absl::StatusCode::kResourceExhausted));
           taken.set_value(count);
         }});
  BlockingSocket client = Dial();
  const int count = taken.get_future().get();
  EXPECT_GE(count, 4);
  EXPECT_EQ(server_->counts().full, 1);
  EXPECT_THAT(client.ReadAll(static_cast<size_t>(count) * large.size()), IsOk());
}

// What the peer takes makes room in the middle of a turn.
TEST_F(ServerTest, ATurnMayAnswerMoreThanMayWait) {
  Listen({.write_queue_size = 4}, {.on_receive = [&](Conn& conn, std::string_view packet) {
           for (int i = 0; i < 100; ++i) EXPECT_THAT(conn.Push(packet), IsOk());
         }});
  BlockingSocket client = Dial();
  ASSERT_THAT(client.Write(Packet(1, "x")), IsOk());
  EXPECT_THAT(client.ReadAll(100 * Packet(1, "x").size()), IsOk());
}

TEST_F(ServerTest, WhatAThreadPushesArrivesInItsOrder) {
  std::atomic<Conn*> seen = nullptr;
  std::shared_ptr<Conn> kept;
  Listen({.write_queue_size = 100000}, {.on_connect = [&](Conn& conn) {
           kept = conn.shared_from_this();
           seen = &conn;
         }});
  BlockingSocket client = Dial();
  ASSERT_TRUE(Eventually([&] { return seen.load() != nullptr; }));
  std::string all;
  for (int i = 0; i < 2000; ++i) all += Packet(1, std::to_string(i));
  std::thread pusher([&] {
    for (int i = 0; i < 2000; ++i) EXPECT_THAT(kept->Push(Packet(1, std::to_string(i))), IsOk());
  });
  EXPECT_EQ(*client.ReadAll(all.size()), all);
  pusher.join();
  kept->Close(/*force=*/true);
  EXPECT_TRUE(Eventually([&] { return kept->state() == Conn::kClosed; }));
  EXPECT_THAT(kept->Push("x"),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("closed")));
}

TEST_F(ServerTest, OfTwoPushesTheFirstArrivesFirstWhateverTheirThreads) {
  Listen({}, {.on_receive = [&](Conn& conn, std::string_view) {
           (void)conn.Push(Packet(1, "a"));
           std::thread([&] { (void)conn.Push(Packet(1, "b")); }).join();
           (void)conn.Push(Packet(1, "c"));
           std::thread([&] { (void)server_->Broadcast(Packet(1, "d")); }).join();
           (void)conn.Push(Packet(1, "e"));
         }});
  BlockingSocket client = Dial();
  ASSERT_THAT(client.Write(Packet(1, "")), IsOk());
  std::string all;
  for (const char* body : {"a", "b", "c", "d", "e"}) all += Packet(1, body);
  EXPECT_EQ(*client.ReadAll(all.size()), all);
}

TEST_F(ServerTest, AGracefulCloseWritesWhatWaits) {
  Listen({}, {.on_receive = [](Conn& conn, std::string_view packet) {
           (void)conn.Push(packet);
           conn.Close(/*force=*/false);
           EXPECT_THAT(conn.Push(packet),
                       StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("hanged")));
         }});
  BlockingSocket client = Dial();
  ASSERT_THAT(client.Write(Packet(1, "bye") + Packet(1, "unheard")), IsOk());
  EXPECT_EQ(*client.ReadAll(Packet(1, "bye").size()), Packet(1, "bye"));
  EXPECT_THAT(client.Read(), StatusIs(absl::StatusCode::kOutOfRange));
  client.Close();
  EXPECT_TRUE(Eventually([&] { return Ended(*server_, Cause::kLocal) == 1; }));
}

TEST_F(ServerTest, StopEndsAllConnectionsAndTellsTheHooks) {
  std::atomic<int> ended = 0;
  Listen({}, {.on_disconnect = [&](Conn&, Cause cause) {
           EXPECT_EQ(cause, Cause::kLocal);
           ++ended;
         }});
  std::vector<BlockingSocket> clients;
  for (int i = 0; i < 10; ++i) {
    clients.push_back(Dial());
    ASSERT_THAT(clients.back().Write(Packet(1, "x")), IsOk());
    ASSERT_THAT(clients.back().ReadAll(Packet(1, "x").size()), IsOk());
  }
  for (BlockingSocket& client : clients) (void)client.StartRead();
  BlockOn(server_->Stop(micro::WithTimeout(Context(), absl::Milliseconds(100))));
  EXPECT_EQ(ended, 10);
  EXPECT_EQ(server_->counts().open, 0);
}

TEST(ServerOptionsTest, NameWhatHasNoMeaning) {
  const auto refused = [](const ServerOptions& options, const std::string& name) {
    EXPECT_THAT(Server::Listen(options, {}),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(name)));
  };
  refused({.network = "carrier pigeon"}, "carrier pigeon");
  refused({.packet = {.route_bytes = 3}}, "route_bytes is 3");
  refused({.cert_file = "only.pem"}, "key_file is missing");
  refused({.max_conn_num = 0}, "max_conn_num");
  refused({.first_id = 0}, "first_id");
  refused({.packet_rate = -1}, "packet_rate");
  refused({.address = "nowhere"}, "nowhere");
}

}  // namespace
}  // namespace due
