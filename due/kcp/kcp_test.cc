#include "due/kcp/kcp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <string>
#include <vector>

#include "core/testing/eventually.h"
#include "core/testing/status_matchers.h"
#include "due/kcp/kcp_fixture.h"

namespace due {
namespace {

using micro::Eventually;
using micro::IsOk;
using micro::StatusIs;
using micro::net::Loops;
using micro::net::Noise;
using ::testing::HasSubstr;

// Writes `bytes` and reads as many back.
void ExpectEcho(BlockingSocket& client, const std::string& bytes) {
  const std::future<absl::Status> written = client.StartWrite(bytes);
  const auto back = client.ReadAll(bytes.size());
  ASSERT_THAT(back, IsOk());
  EXPECT_TRUE(*back == bytes);
}

TEST(Kcp, CarriesBytesOverUdpBothWays) {
  for (const KcpOptions& options : {KcpOptions(), kGame}) {
    KcpServer server(options, 1000, /*echoes=*/true);
    auto client = DialGame(server.loops()[0], server.address(), options);
    ASSERT_THAT(client, IsOk());
    ExpectEcho(*client, "hello");
    ExpectEcho(*client, Noise(300'000));
    EXPECT_EQ(server.listener().counts().accepted, 1);
    EXPECT_EQ(server.listener().counts().open, 1);
    EXPECT_EQ(client->remote(), server.address());
  }
}

TEST(Kcp, CarriesEveryByteInOrderThroughABadNetwork) {
  KcpServer server(kGame, 1000, /*echoes=*/true);
  BadNetwork network(server.port(), 0.2);
  Loops loops(2);
  std::vector<std::thread> clients;
  for (int i = 0; i < 5; ++i) {
    clients.emplace_back([&, i] {
      auto client = DialGame(loops.Next(), network.address());
      ASSERT_THAT(client, IsOk());
      for (int round = 0; round < 5; ++round)
        ExpectEcho(*client, std::to_string(i) + Noise(static_cast<size_t>(20'000 + 7 * i)));
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(server.listener().counts().accepted, 5);
  EXPECT_EQ(server.listener().counts().replaced, 0);
}

TEST(Kcp, TellsWhichOptionHasNoMeaning) {
  Loops loops(1);
  EXPECT_THAT(KcpListener::Listen(loops, "127.0.0.1", 0, {.mtu = 49}, 1, nullptr),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("mtu is 49")));
  EXPECT_THAT(DialGame(loops[0], "127.0.0.1:1", {.no_delay = {.interval_ms = 0}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no_delay.interval_ms is 0")));
  EXPECT_THAT(DialGame(loops[0], "127.0.0.1"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("must be host:port")));
  EXPECT_THAT(DialGame(loops[0], "no.such.host.invalid:1"),
              StatusIs(absl::StatusCode::kUnavailable));
}

TEST(Kcp, HasThePortForItselfAndGivesItBack) {
  KcpServer server;
  Loops loops(2);
  const int port = server.port();
  const auto accept = [](micro::net::Loop&, std::unique_ptr<micro::net::Socket>) {};
  EXPECT_THAT(KcpListener::Listen(loops, "127.0.0.1", port, {}, 1, accept),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr(std::to_string(port))));
  server.Destroy();
  EXPECT_THAT(KcpListener::Listen(loops, "127.0.0.1", port, {}, 1, accept), IsOk());
}

TEST(Kcp, ListensOnAllInterfacesOfBothFamilies) {
  Loops loops(2);
  std::atomic<int> accepted = 0;
  auto listener = KcpListener::Listen(
      loops, "", 0, kGame, 10, [&](micro::net::Loop&, std::unique_ptr<micro::net::Socket> socket) {
        EXPECT_TRUE(socket->remote().starts_with("127.0.0.1:") ||
                    socket->remote().starts_with("[::1]:"))
            << socket->remote();
        ++accepted;
      });
  ASSERT_THAT(listener, IsOk());
  int sent = 0;
  for (const std::string host : {"127.0.0.1", "localhost", "[::1]"}) {
    auto client = DialGame(loops[0], host + ":" + std::to_string((*listener)->port()));
    ASSERT_THAT(client, IsOk());
    EXPECT_THAT(client->Write("x"), IsOk());
    ++sent;
    EXPECT_TRUE(Eventually([&] { return accepted == sent; }));
  }
}

TEST(Kcp, GoesOnWithItsConnectionsWhenTheListenerIsClosed) {
  KcpServer server;
  auto client = DialGame(server.loops()[0], server.address());
  ASSERT_THAT(client->Write("hello"), IsOk());
  BlockingSocket accepted = server.Accept();
  server.listener().Close();
  EXPECT_THAT(accepted.Write("goodbye"), IsOk());
  EXPECT_THAT(client->ReadAll(7), micro::IsOkAndHolds("goodbye"));
  auto late = DialGame(server.loops()[0], server.address());
  ASSERT_THAT(late->Write("too late"), IsOk());
  EXPECT_TRUE(Eventually([&] { return server.dropped(KcpDrop::kNoSession) > 0; }));
  EXPECT_EQ(server.listener().counts().accepted, 1);
}

TEST(Kcp, CallsBackWithCancelledWhenItIsClosed) {
  KcpServer server;
  auto client = DialGame(server.loops()[0], server.address());
  auto read = client->StartRead();
  client->Close();
  EXPECT_THAT(read.get(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(client->Read(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(client->Write("x"), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(client->TryWrite("x"), 0u);

  auto other = DialGame(server.loops()[0], server.address());
  auto other_read = other->StartRead();
  auto other_written = other->StartWrite(Noise(10 << 20));
  other->Destroy();
  EXPECT_THAT(other_read.get(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(other_written.get(), StatusIs(absl::StatusCode::kCancelled));
}

TEST(Kcp, SendsWhatWaitsALastTimeWhenItIsClosed) {
  KcpServer server;
  auto client = DialGame(server.loops()[0], server.address(), {.write_delay = true});
  EXPECT_EQ(client->TryWrite("last words"), 10u);
  client->Destroy();
  BlockingSocket accepted = server.Accept();
  EXPECT_THAT(accepted.ReadAll(10), micro::IsOkAndHolds("last words"));
}

TEST(Kcp, FreesItsConnectionsWithTheirLoops) {
  {
    KcpServer server(kGame, 1000, /*echoes=*/true);
    Loops loops(1);
    auto client = DialGame(loops[0], server.address());
    ExpectEcho(*client, "hello");
    EXPECT_EQ(Echo::alive, 1);
  }
  EXPECT_EQ(Echo::alive, 0);
}

TEST(Kcp, ClosesTheWindowOfAReaderThatDoesNotReadAndOpensItAgain) {
  KcpServer server;
  auto client = DialGame(server.loops()[0], server.address());
  const std::string much = Noise(1 << 20);
  auto written = client->StartWrite(much);
  BlockingSocket accepted = server.Accept();
  // What both sides hold is all that is taken.
  const auto sent = [&] { return server.listener().counts().datagrams_in; };
  EXPECT_TRUE(Eventually([&] { return sent() >= 128; }));
  EXPECT_NE(written.wait_for(std::chrono::seconds(0)), std::future_status::ready);
  EXPECT_EQ(client->TryWrite("x"), 0u);
  EXPECT_TRUE(*accepted.ReadAll(much.size()) == much);
  EXPECT_THAT(written.get(), IsOk());
}

// ---- Peers that are not what they seem ----

constexpr uint32_t kConv = 0xfec0ffee;

Segment Push(uint32_t sn, std::string_view bytes, uint32_t conv = kConv) {
  return {.conv = conv, .command = Segment::kPush, .window = 128, .sn = sn, .bytes = bytes};
}

std::string Bytes(const Segment& segment) {
  std::string bytes(kSegmentHead, '\0');
  WriteHead(segment, bytes.data());
  return bytes.append(segment.bytes);
}

TEST(Kcp, TakesDatagramsWithErrorCorrectionAndAnswersWithout) {
  KcpServer server;
  Bare client;
  const std::string head("\x01\x00\x00\x00\xf1\x00\x20\x00", 8);
  client.Send(server.port(), head + Bytes(Push(0, "hello")));
  client.Send(server.port(), std::string("\x02\x00\x00\x00\xf2\x00parity...", 15));
  BlockingSocket accepted = server.Accept();
  EXPECT_THAT(accepted.ReadAll(5), micro::IsOkAndHolds("hello"));
  EXPECT_THAT(accepted.Write("world"), IsOk());
  std::string all;
  while (all.find("world") == all.npos) all += client.Receive()->first;
  std::string_view answer = all;
  EXPECT_EQ(Open(answer), Carried::kSegments);
  EXPECT_TRUE(Eventually([&] { return server.dropped(KcpDrop::kParity) == 1; }));
}

TEST(Kcp, DropsAndCountsHostileDatagrams) {
  KcpServer server;
  Bare client;
  std::string long_push = Bytes(Push(0, Noise(1477)));
  const struct {
    std::string datagram;
    KcpDrop cause;
  } cases[] = {
      {"", KcpDrop::kMalformed},
      {"GET / HTTP/1.1\r\n\r\n", KcpDrop::kMalformed},
      {std::string(1500, '\xff'), KcpDrop::kMalformed},
      {Bytes(Push(0, "hello")).substr(0, 28), KcpDrop::kMalformed},
      {Bytes(Push(0, "hello")) + "more", KcpDrop::kMalformed},
      {Bytes(Push(0, "hello")) + Bytes(Push(1, "hello", 1)), KcpDrop::kMalformed},
      {long_push, KcpDrop::kTooLong},
      {Bytes(Push(128, "hello")), KcpDrop::kNoSession},
      {Bytes(Push(0xffffffff, "hello")), KcpDrop::kNoSession},
      {Bytes({.conv = kConv, .sn = 0, .una = 1, .bytes = "hello"}), KcpDrop::kNoSession},
      {Bytes({.conv = kConv, .command = Segment::kAck}), KcpDrop::kNoSession},
      {Bytes({.conv = kConv, .command = Segment::kAsk}), KcpDrop::kNoSession},
      {Bytes({.conv = kConv, .command = Segment::kTell}), KcpDrop::kNoSession},
  };
  for (const auto& [datagram, cause] : cases) {
    SCOPED_TRACE(NameOf(cause));
    const int64_t before = server.dropped(cause);
    client.Send(server.port(), datagram);
    EXPECT_TRUE(Eventually([&, cause = cause] { return server.dropped(cause) == before + 1; }));
  }
  EXPECT_EQ(server.listener().counts().accepted, 0);
}

TEST(Kcp, HeedsNothingButItsOwnConversation) {
  KcpServer server;
  Bare client, stranger;
  client.Send(server.port(), Push(0, "one "));
  BlockingSocket accepted = server.Accept();
  EXPECT_THAT(accepted.ReadAll(4), micro::IsOkAndHolds("one "));

  // From another address: garbage, and what would be next.
  Segment next = Push(1, "evil");
  next.una = 1;
  stranger.Send(server.port(), Noise(500));
  stranger.Send(server.port(), next);
  EXPECT_TRUE(Eventually([&] { return server.dropped(KcpDrop::kNoSession) == 1; }));
  // From its own: other conversations, and numbers that cannot be.
  client.Send(server.port(), Push(1, "evil", kConv + 1));
  client.Send(server.port(), Segment{.conv = kConv, .command = Segment::kAck, .sn = 100});
  client.Send(server.port(), Segment{.conv = kConv, .command = Segment::kTell, .una = 100});
  client.Send(server.port(), Push(1000, "evil"));
  EXPECT_TRUE(Eventually([&] {
    return server.dropped(KcpDrop::kWrongConv) == 1 && server.dropped(KcpDrop::kOutOfWindow) == 3;
  }));

  client.Send(server.port(), Push(1, "two"));
  EXPECT_THAT(accepted.ReadAll(3), micro::IsOkAndHolds("two"));
  EXPECT_EQ(server.listener().counts().accepted, 1);
  while (auto answer = stranger.Receive(0)) ADD_FAILURE() << "a stranger is answered";
}

TEST(Kcp, TakesAClientWithAnotherAddressForAnotherOne) {
  KcpServer server;
  Bare before, after;
  before.Send(server.port(), Push(0, "one "));
  BlockingSocket first = server.Accept();
  EXPECT_THAT(first.ReadAll(4), micro::IsOkAndHolds("one "));
  after.Send(server.port(), Push(0, "one "));
  after.Send(server.port(), Push(1, "two"));
  BlockingSocket second = server.Accept();
  EXPECT_THAT(second.ReadAll(7), micro::IsOkAndHolds("one two"));
  auto nothing = first.StartRead();
  EXPECT_THAT(second.Write("for you"), IsOk());
  std::string all;
  while (all.find("for you") == all.npos) all += after.Receive()->first;
  EXPECT_NE(nothing.wait_for(std::chrono::seconds(0)), std::future_status::ready);
  EXPECT_EQ(server.listener().counts().open, 2);
}

TEST(Kcp, GivesAnAddressToTheConversationThatBeginsThere) {
  KcpServer server;
  Bare client;
  client.Send(server.port(), Push(0, "old"));
  BlockingSocket old = server.Accept();
  EXPECT_THAT(old.ReadAll(3), micro::IsOkAndHolds("old"));
  auto waits = old.StartRead();
  client.Send(server.port(), Push(0, "new", kConv + 1));
  BlockingSocket renewed = server.Accept();
  EXPECT_THAT(renewed.ReadAll(3), micro::IsOkAndHolds("new"));
  EXPECT_THAT(waits.get(),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("another connection")));
  // What the old one sends again is late.
  client.Send(server.port(), Push(0, "old"));
  EXPECT_TRUE(Eventually([&] { return server.dropped(KcpDrop::kEnded) == 1; }));
  EXPECT_EQ(server.listener().counts().replaced, 1);
  EXPECT_EQ(server.listener().counts().open, 1);
}

TEST(Kcp, DoesNotBeginAnewWithWhatAnEndedConnectionSendsAgain) {
  KcpServer server;
  Bare client;
  client.Send(server.port(), Push(0, "login"));
  server.Accept().Close();
  client.Send(server.port(), Push(0, "login"));
  EXPECT_TRUE(Eventually([&] { return server.dropped(KcpDrop::kEnded) == 1; }));
  EXPECT_EQ(server.listener().counts().accepted, 1);
  EXPECT_EQ(server.listener().counts().open, 0);
}

TEST(Kcp, RefusesOneConnectionTooMany) {
  KcpServer server(kGame, 2);
  Bare clients[3];
  for (Bare& client : clients) {
    client.Send(server.port(), Push(0, "hello"));
    EXPECT_TRUE(Eventually([&] {
      return server.listener().counts().accepted + server.dropped(KcpDrop::kRefused) ==
             &client - clients + 1;
    }));
  }
  EXPECT_EQ(server.dropped(KcpDrop::kRefused), 1);
  server.Accept().Destroy();
  clients[2].Send(server.port(), Push(0, "hello"));
  EXPECT_TRUE(Eventually([&] { return server.listener().counts().accepted == 3; }));
}

TEST(Kcp, LosesAPeerThatAcknowledgesNothingAnyMore) {
  KcpServer server;
  Bare client;
  client.Send(server.port(), Push(0, "hello"));
  BlockingSocket accepted = server.Accept();
  EXPECT_THAT(accepted.Write("round trip"), IsOk());
  // One is acknowledged, so that the server knows how long it takes.
  std::optional<Segment> push;
  std::string datagram;
  while (!push.has_value() || push->command != Segment::kPush) {
    if (datagram.empty()) datagram = client.Receive()->first;
    std::string_view rest = datagram;
    push = TakeSegment(rest);
    datagram.erase(0, datagram.size() - rest.size());
  }
  client.Send(
      server.port(),
      Segment{.conv = kConv, .command = Segment::kAck, .window = 32, .ts = push->ts, .una = 1});
  auto read = accepted.StartRead(5);
  EXPECT_THAT(read.get(), micro::IsOkAndHolds("hello"));
  auto written = accepted.StartWrite(Noise(10 << 20));
  EXPECT_THAT(accepted.Read(),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("acknowledges nothing")));
  EXPECT_THAT(written.get(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(accepted.TryWrite("x"), 0u);
  EXPECT_EQ(server.listener().counts().open, 0);
}

}  // namespace
}  // namespace due
