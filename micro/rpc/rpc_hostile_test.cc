// What peers send that mean no good, or do not know better: each gets a clear answer or a close,
// and costs no more than its limit.
#include <algorithm>

#include "core/testing/eventually.h"
#include "micro/rpc/served_greeter.h"

namespace micro::rpc {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

std::string Hello(const std::string& name) {
  return JsonRequest("Greeter.Hello", "{\"userName\":\"" + name + "\"}");
}

TEST(RpcHostile, BadRequestsGetOneAnswerAndTheEnd) {
  ServedGreeter greeter;
  const std::string chunked = "POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n";
  for (const auto& [bytes, answer] :
       {std::pair<std::string, std::string>("\x16\x03\x01\x02", "400 Bad Request"),
        {"hello\n\n", "400 Bad Request"},
        {"GET / HTTP/2.0\n\n", "505 HTTP Version Not Supported"},
        {"GET / HTTP/1.1\nA : b\n\n", "400 Bad Request"},
        {"GET / HTTP/1.1\nA: b\n c\n\n", "400 Bad Request"},
        {"POST / HTTP/1.1\nContent-Length: 1\nTransfer-Encoding: chunked\n\n0\n\n",
         "400 Bad Request"},
        {"POST / HTTP/1.1\nContent-Length: 1\nContent-Length: 2\n\n", "400 Bad Request"},
        {"POST / HTTP/1.1\nTransfer-Encoding: gzip\n\n", "501 Not Implemented"},
        {"POST / HTTP/1.1\nContent-Length: 4194305\n\n", "413 Request Entity Too Large"},
        {chunked + "x\n", "400 Bad Request"},
        {chunked + "fffffffff\n", "413 Request Entity Too Large"},
        {chunked + "1\nab\n", "400 Bad Request"},
        {"GET / HTTP/1.1\nA: " + std::string(70'000, 'x'),
         "431 Request Header Fields Too Large"}}) {
    Peer peer(greeter.port);
    peer.Send(Crlf(bytes));
    const std::string response = peer.Read();
    EXPECT_THAT(response, StartsWith("HTTP/1.1 " + answer + "\r\nConnection: close\r\n")) << bytes;
    EXPECT_THAT(BodyOf(response), AllOf(StartsWith("no HTTP request: "), EndsWith("\n")));
    EXPECT_TRUE(peer.AtEnd());
  }
}

TEST(RpcHostile, GarbageBehindARequestIsRefusedAfterItsAnswer) {
  ServedGreeter greeter;
  Peer peer(greeter.port);
  peer.Send(Hello("A") + JsonRequest("Greeter.Wait", "{}") + "garbage\r\n\r\n");
  EXPECT_EQ(BodyOf(peer.Read()), "{\"userName\":\"Hello A\"}\n");
  greeter.gate.WaitFor(1);
  greeter.gate.OpenAll();
  EXPECT_THAT(peer.Read(), StartsWith("HTTP/1.1 200 OK"));
  EXPECT_THAT(peer.Read(), StartsWith("HTTP/1.1 400 Bad Request"));
  EXPECT_TRUE(peer.AtEnd());
}

TEST(RpcHostile, GarbageEndsTheStreamsOfItsConnection) {
  ServedGreeter greeter;
  Peer peer(greeter.port);
  peer.Send(JsonRequest("Greeter.Chat", "", "Micro-Stream: 1\n") + "garbage\r\n\r\n");
  EXPECT_THAT(peer.ReadToEnd(), HasSubstr("HTTP/1.1 400 Bad Request"));
  EXPECT_EQ(greeter.seen.At(1), "the caller is gone");
}

TEST(RpcHostile, ABodyLongerThanAnnouncedIsNoSecondRequest) {
  ServedGreeter greeter;
  Peer peer(greeter.port);
  peer.Send(Crlf("POST / HTTP/1.1\nContent-Type: application/json\n"
                 "Micro-Endpoint: Greeter.Hello\nContent-Length: 2\n\n") +
            "{}{\"userName\":\"B\"}\r\n\r\n");
  EXPECT_EQ(BodyOf(peer.Read()), "{\"userName\":\"Hello \"}\n");
  EXPECT_THAT(peer.Read(), StartsWith("HTTP/1.1 400 Bad Request"));
  EXPECT_TRUE(peer.AtEnd());
}

TEST(RpcHostile, ABodyShorterThanAnnouncedIsNoRequest) {
  ServedGreeter greeter;
  Peer peer(greeter.port);
  peer.Send(Crlf("POST / HTTP/1.1\nContent-Type: application/json\n"
                 "Micro-Endpoint: Greeter.Hello\nContent-Length: 20\n\n") +
            "{}");
  peer.EndWrites();
  EXPECT_THAT(peer.ReadToEnd(), IsEmpty());
  EXPECT_EQ(greeter.seen.size(), 0u);
}

// The answer would be lost if the server closed while the peer still sends.
TEST(RpcHostile, APeerThatStillSendsReadsItsRefusal) {
  ServedGreeter greeter;
  Peer peer(greeter.port);
  std::thread sender([&] {
    peer.Send("POST / HTTP/1.1\r\nContent-Length: 20000000\r\n\r\n" + std::string(20'000'000, 'x'));
  });
  EXPECT_THAT(peer.Read(), StartsWith("HTTP/1.1 413 Request Entity Too Large"));
  sender.join();
}

TEST(RpcHostile, HeadersThatDoNotEndInTimeAreRefused) {
  ServedGreeter greeter({.message_timeout = absl::Milliseconds(100)});
  for (const std::string start : {"P", "POST / HTTP/1.1\r\nA: b\r\n"}) {
    Peer peer(greeter.port);
    peer.Send(start);
    EXPECT_THAT(peer.Read(), StartsWith("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n"));
    EXPECT_TRUE(peer.AtEnd());
  }
}

TEST(RpcHostile, HeadersThatDripInAreRefused) {
  ServedGreeter greeter({.message_timeout = absl::Milliseconds(100)});
  Peer peer(greeter.port);
  std::atomic<bool> over = false;
  std::thread drip([&] {
    peer.Send("GET / HTTP/1.1\r\nA: ");
    while (!over && peer.Send("x") == 1) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  });
  EXPECT_THAT(peer.Read(), StartsWith("HTTP/1.1 408 Request Timeout"));
  over = true;
  drip.join();
}

TEST(RpcHostile, ABodyThatStopsIsRefusedAndOneThatDripsIsNot) {
  ServedGreeter greeter({.message_timeout = absl::Milliseconds(200)});
  const std::string head = Crlf(
      "POST / HTTP/1.1\nContent-Type: application/json\nMicro-Endpoint: Greeter.Hello\n"
      "Content-Length: 100\n\n");
  Peer stops(greeter.port), drips(greeter.port);
  stops.Send(head + "{}");
  drips.Send(head + "{}");
  std::thread drip([&] {
    for (int i = 0; i < 98; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      drips.Send(" ");
    }
  });
  EXPECT_THAT(stops.Read(), StartsWith("HTTP/1.1 408 Request Timeout"));
  EXPECT_EQ(BodyOf(drips.Read()), "{\"userName\":\"Hello \"}\n");
  drip.join();
}

TEST(RpcHostile, IdleConnectionsAreClosedAndBusyOnesAreNot) {
  ServedGreeter greeter({.idle_timeout = absl::Milliseconds(100)});
  Peer busy(greeter.port), streaming(greeter.port);
  busy.Send(JsonRequest("Greeter.Wait", "{}"));
  streaming.Send(JsonRequest("Greeter.Chat", "", "Micro-Stream: 1\n"));
  greeter.gate.WaitFor(1);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Peer(greeter.port).AtEnd());
  greeter.gate.OpenAll();
  EXPECT_THAT(busy.Read(), StartsWith("HTTP/1.1 200 OK"));
  busy.Send(Hello("A"));  // its time begins anew
  EXPECT_THAT(busy.Read(), HasSubstr("Hello A"));
  EXPECT_TRUE(busy.AtEnd());
  streaming.Send(JsonRequest("Greeter.Chat", "{\"userName\":\"B\"}", "Micro-Stream: 1\n"));
  EXPECT_THAT(streaming.Read(), HasSubstr("B"));
}

TEST(RpcHostile, APeerThatTakesNoAnswersIsLeft) {
  ServedGreeter greeter({.idle_timeout = absl::Milliseconds(100), .unsent_bytes = 100'000});
  Peer peer(greeter.port, /*receive_buffer=*/4096);
  const std::string start = JsonRequest("Greeter.Count", "{}", "Micro-Stream: 1\n");
  peer.Send(start + JsonRequest("Greeter.Count", "{\"accountId\":\"100000\",\"quota\":\"10000\"}",
                                "Micro-Stream: 1\n"));
  for (size_t i = 0;; ++i) {
    const std::string seen = greeter.seen.At(i);
    if (seen == "sent") continue;
    EXPECT_EQ(seen, "the caller is gone");
    break;
  }
}

TEST(RpcHostile, ThereIsALimitOfConnections) {
  ServedGreeter greeter({.connections = 2});
  Peer first(greeter.port);
  {
    Peer second(greeter.port);
    first.Send(Hello("A"));
    second.Send(Hello("A"));
    EXPECT_THAT(first.Read(), HasSubstr("Hello A"));
    EXPECT_THAT(second.Read(), HasSubstr("Hello A"));
    EXPECT_TRUE(Peer(greeter.port).AtEnd());
  }
  // There is room again once the server has seen the end of the second.
  EXPECT_TRUE(Eventually([&] {
    Peer third(greeter.port);
    third.Send(Hello("B"));
    return third.Read().starts_with("HTTP/1.1 200 OK");
  }));
}

TEST(RpcHostile, EndlessRequestsAreNotKept) {
  ServedGreeter greeter({}, {.name = "greeter", .max_recv_message_size = 1000});
  Peer peer(greeter.port);
  std::string chunks = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 2000; ++i) chunks += "1\r\nx\r\n";
  peer.Send(chunks);
  EXPECT_THAT(peer.Read(), AllOf(StartsWith("HTTP/1.1 413"), HasSubstr("more than 1000 bytes")));
}

TEST(RpcHostile, ThereIsALimitOfUnfinishedRequests) {
  ServedGreeter greeter({.unfinished_bytes = 3'000'000});
  const std::string head = "POST / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n";
  std::vector<Peer> peers;
  for (int i = 0; i < 20; ++i) {
    peers.emplace_back(greeter.port);
    peers.back().Send(head + std::string(999'999, 'x'));
    Peer other(greeter.port);  // small requests are served whatever happens
    other.Send(Hello("A"));
    EXPECT_THAT(other.Read(), HasSubstr("Hello A"));
  }
  std::string refused;
  EXPECT_TRUE(Eventually([&] {
    char bytes[100] = "";
    for (const Peer& peer : peers) {
      if (recv(peer.fd(), bytes, sizeof(bytes) - 1, MSG_DONTWAIT) > 0) refused = bytes;
    }
    return !refused.empty();
  }));
  EXPECT_THAT(refused, StartsWith("HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n"));
  peers.clear();
  // There is room again.
  EXPECT_TRUE(Eventually([&] {
    Peer peer(greeter.port);
    peer.Send(JsonRequest("Greeter.Hello", "{}" + std::string(999'998, ' ')));
    return peer.Read().starts_with("HTTP/1.1 200 OK");
  }));
}

TEST(RpcHostile, OnesTroubleIsNotAnothers) {
  ServedGreeter greeter;
  Peer good(greeter.port);
  std::vector<Peer> bad;
  for (int i = 0; i < 50; ++i) {
    bad.emplace_back(greeter.port);
    bad.back().Send(i % 2 == 0 ? "garbage\r\n\r\n"
                               : "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n");
    if (i % 3 == 0) bad.back().Close();
    good.Send(Hello(std::to_string(i)));
    EXPECT_EQ(BodyOf(good.Read()), "{\"userName\":\"Hello " + std::to_string(i) + "\"}\n");
  }
}

}  // namespace
}  // namespace micro::rpc
