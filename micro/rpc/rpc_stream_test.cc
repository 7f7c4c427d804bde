// Streams as bytes on the wire.
#include "core/testing/eventually.h"
#include "micro/rpc/served_greeter.h"

namespace micro::rpc {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string Message(const std::string& endpoint, const std::string& id, const std::string& body,
                    const std::string& more_headers = "") {
  return JsonRequest(endpoint, body,
                     "Micro-Id: " + id + "\nMicro-Stream: " + id + "\n" + more_headers);
}
std::string Said(const std::string& name) { return "{\"userName\":\"" + name + "\"}"; }
std::string Chat(const std::string& id, const std::string& name) {
  return Message("Greeter.Chat", id, Said(name));
}
std::string OpenChat(const std::string& id) { return Message("Greeter.Chat", id, "{}\n"); }
std::string End(const std::string& endpoint, const std::string& id) {  // as Go sends it
  return Crlf(
      "POST / HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n"
      "Content-Type: application/json\nMicro-Endpoint: " +
      endpoint + "\nMicro-Error: EOS\nMicro-Id: " + id + "\nMicro-Stream: " + id + "\n\n0\n\n");
}

TEST(RpcStream, CarriesAServersMessagesAndItsEndToTheByte) {
  ServedGreeter greeter;
  Peer peer(greeter.port);
  const std::string headers = "Micro-Method: Greeter.Count\nMicro-Service: greeter\n";
  peer.Send(Message("Greeter.Count", "9", "{}\n", headers) +
            Message("Greeter.Count", "9", "{\"accountId\":\"2\"}\n", headers));
  const std::string echo =
      "Micro-Endpoint: Greeter.Count\nMicro-Id: 9\nMicro-Stream: 9\n"
      "Micro-Method: Greeter.Count\nMicro-Service: greeter\n";
  for (const std::string body : {"{\"userName\":\"1\"}\n", "{\"userName\":\"2\"}\n"}) {
    EXPECT_EQ(peer.Read(), Crlf("HTTP/1.1 200 OK\n" + echo +
                                "X-Micro-Service: greeter\nX-Micro-Method: Greeter.Count\n"
                                "X-Micro-Endpoint: Greeter.Count\n"
                                "Content-Type: application/json\nContent-Length: 17\n\n") +
                               body);
  }
  EXPECT_EQ(peer.Read(), Crlf("HTTP/1.1 200 OK\n" + echo +
                              "Content-Type: application/json\n"
                              "Micro-Error: EOS\nX-Micro-Error: EOS\nContent-Length: 0\n\n"));
  // A Go client then ends its side as well, and closes: so does the server.
  peer.Send(End("Greeter.Count", "9"));
  EXPECT_TRUE(peer.AtEnd());
}

TEST(RpcStream, TakesACallersMessagesAndItsEnd) {
  ServedGreeter greeter;
  Peer peer(greeter.port);
  peer.Send(Message("Greeter.Join", "1", "{}"));
  for (const std::string name : {"a", "b", "c"})
    peer.Send(Message("Greeter.Join", "1", Said(name)));
  peer.Send(End("Greeter.Join", "1"));
  EXPECT_EQ(BodyOf(peer.Read()), "{\"userName\":\"abc\"}\n");
  EXPECT_EQ(HeaderOf(peer.Read(), "Micro-Error"), "EOS");
}

// A Go client closes the connection right behind its end.
TEST(RpcStream, GivesTheHandlerAllThatCameBeforeTheCallerClosed) {
  ServedGreeter greeter;
  {
    Peer peer(greeter.port);
    peer.Send(Message("Greeter.Join", "1", "{}") + Message("Greeter.Join", "1", Said("a")) +
              Message("Greeter.Join", "1", Said("b")) + End("Greeter.Join", "1"));
  }
  EXPECT_EQ(greeter.seen.At(0), "joined ab");
}

TEST(RpcStream, TalksBothWays) {
  ServedGreeter greeter;
  Peer peer(greeter.port);
  peer.Send(OpenChat("1"));
  for (const std::string name : {"one", "two"}) {
    peer.Send(Chat("1", name));
    EXPECT_EQ(BodyOf(peer.Read()), Said(name) + "\n");
  }
  peer.Send(End("Greeter.Chat", "1"));
  EXPECT_EQ(HeaderOf(peer.Read(), "Micro-Error"), "EOS");
  EXPECT_EQ(greeter.seen.At(1), "end of messages");
}

TEST(RpcStream, CarriesItsHandlersError) {
  ServedGreeter greeter;
  Peer peer(greeter.port);
  peer.Send(OpenChat("1") + Chat("1", "fail"));
  const std::string response = peer.Read();
  EXPECT_EQ(HeaderOf(response, "Micro-Error"),
            R"({"id":"greeter","code":409,"detail":"as told","status":"Conflict"})");
  EXPECT_EQ(HeaderOf(response, "X-Micro-Error"), HeaderOf(response, "Micro-Error"));
  EXPECT_EQ(HeaderOf(response, "Micro-Stream"), "1");
}

TEST(RpcStream, SeveralShareAConnectionWithUnaryCalls) {
  ServedGreeter greeter;
  Peer peer(greeter.port);
  peer.Send(OpenChat("a") + OpenChat("b") + Chat("a", "one") + Chat("b", "two") +
            JsonRequest("Greeter.Hello", "{}") + Chat("a", "three"));
  EXPECT_THAT(peer.Read(), AllOf(HasSubstr("Micro-Stream: a"), HasSubstr("one")));
  EXPECT_THAT(peer.Read(), AllOf(HasSubstr("Micro-Stream: b"), HasSubstr("two")));
  EXPECT_THAT(peer.Read(), AllOf(Not(HasSubstr("Micro-Stream")), HasSubstr("Hello")));
  EXPECT_THAT(peer.Read(), AllOf(HasSubstr("Micro-Stream: a"), HasSubstr("three")));
  peer.Send(End("Greeter.Chat", "b"));
  EXPECT_THAT(peer.Read(), AllOf(HasSubstr("Micro-Stream: b"), HasSubstr("EOS")));
  peer.Send(Chat("a", "four"));
  EXPECT_THAT(peer.Read(), HasSubstr("four"));
}

TEST(RpcStream, AStreamPassesAUnaryCallThatWaits) {
  ServedGreeter greeter;
  Peer peer(greeter.port);
  peer.Send(JsonRequest("Greeter.Wait", "{}") + OpenChat("1") + Chat("1", "one"));
  EXPECT_THAT(peer.Read(), HasSubstr("one"));
  greeter.gate.OpenAll();
  EXPECT_THAT(peer.Read(), Not(HasSubstr("Micro-Stream")));
}

TEST(RpcStream, WhatComesForAStreamThatHasEndedIsDropped) {
  ServedGreeter greeter;
  Peer peer(greeter.port);
  peer.Send(OpenChat("1") + Chat("1", "end"));
  EXPECT_EQ(HeaderOf(peer.Read(), "Micro-Error"), "EOS");
  peer.Send(Chat("1", "late") + JsonRequest("Greeter.Hello", "{}"));
  EXPECT_THAT(peer.Read(), HasSubstr("Hello"));
  EXPECT_EQ(greeter.seen.At(0), "chat");
  EXPECT_THAT(greeter.seen.At(1), Not(StartsWith("chat")));  // it was opened once
}

TEST(RpcStream, RefusesWhatIsNoStream) {
  ServedGreeter greeter;
  Peer peer(greeter.port);
  const auto error_of = [&](const std::string& request) {
    peer.Send(request);
    return HeaderOf(peer.Read(), "Micro-Error");
  };
  EXPECT_EQ(error_of(Message("Greeter.Nope", "1", "{}")), "rpc: can't find method Nope");
  EXPECT_THAT(error_of(Message("Greeter.Hello", "2", "{}")),
              HasSubstr("Greeter.Hello is no stream"));
  EXPECT_THAT(error_of(Crlf("POST / HTTP/1.1\nMicro-Endpoint: Greeter.Chat\nMicro-Stream: 3\n"
                            "Content-Type: application/foo\n\n")),
              HasSubstr("unsupported Content-Type: application/foo"));
}

TEST(RpcStream, HasALimitOfStreams) {
  ServedGreeter greeter({.streams = 2});
  Peer peer(greeter.port);
  peer.Send(OpenChat("1") + OpenChat("2") + OpenChat("3"));
  EXPECT_THAT(peer.Read(), AllOf(HasSubstr("Micro-Stream: 3"), HasSubstr("\"code\":429")));
  peer.Send(Chat("2", "on"));
  EXPECT_THAT(peer.Read(), HasSubstr("on"));
}

TEST(RpcStream, AnUnreadableMessageIsTheHandlersToHear) {
  ServedGreeter greeter;
  Peer peer(greeter.port);
  peer.Send(OpenChat("1") + Message("Greeter.Chat", "1", "{"));
  EXPECT_THAT(HeaderOf(peer.Read(), "Micro-Error"), HasSubstr("\"code\":400"));
}

TEST(RpcStream, ACallersErrorIsTheHandlersToHear) {
  ServedGreeter greeter;
  Peer peer(greeter.port);
  peer.Send(OpenChat("1") +
            Message("Greeter.Chat", "1", "",
                    "Micro-Error: {\"id\":\"me\",\"code\":409,\"detail\":\"enough\"}\n"));
  EXPECT_THAT(HeaderOf(peer.Read(), "Micro-Error"),
              AllOf(HasSubstr("\"code\":409"), HasSubstr("enough")));
}

TEST(RpcStream, ItsDeadlineEndsAWait) {
  ServedGreeter greeter;
  Peer peer(greeter.port);
  peer.Send(Message("Greeter.Chat", "1", "{}", "Timeout: 1000000\n"));
  EXPECT_THAT(HeaderOf(peer.Read(), "Micro-Error"),
              AllOf(HasSubstr("\"code\":408"), HasSubstr("context deadline exceeded")));
}

TEST(RpcStream, ACallerThatIsGoneCancelsItsHandler) {
  ServedGreeter greeter;
  {
    Peer peer(greeter.port);
    peer.Send(OpenChat("1") + OpenChat("2") + Chat("2", "wait"));
    greeter.gate.WaitFor(1);
    EXPECT_EQ(greeter.seen.At(1), "chat");
  }
  greeter.gate.WaitForCancelled(1);
  EXPECT_EQ(greeter.seen.At(2), "the caller is gone");
}

// ---- Flow control ----

TEST(RpcStream, ASlowReaderSlowsTheSender) {
  ServedGreeter greeter({.unsent_bytes = 100'000});
  Peer peer(greeter.port, /*receive_buffer=*/4096);
  peer.Send(Message("Greeter.Count", "1", "{}") +
            Message("Greeter.Count", "1", "{\"accountId\":\"2000\",\"quota\":\"10000\"}"));
  // 20 MB: the kernel holds some, the server its limit. The sender stands still somewhere.
  size_t sent = 0;
  EXPECT_TRUE(Eventually([&] {
    const size_t before = std::exchange(sent, greeter.seen.size());
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    return sent > 0 && sent == before;
  }));
  EXPECT_LT(sent, 1500u);
  int count = 0;
  while (HeaderOf(peer.Read(), "Micro-Error").empty()) ++count;
  EXPECT_EQ(count, 2000);
}

TEST(RpcStream, ASlowHandlerSlowsTheCaller) {
  ServedGreeter greeter({.queued_messages = 8, .queued_bytes = 100'000});
  Peer peer(greeter.port);
  peer.Send(OpenChat("1") + Chat("1", "wait"));
  greeter.gate.WaitFor(1);
  timeval soon = {.tv_sec = 0, .tv_usec = 200'000};
  setsockopt(peer.fd(), SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof(soon));
  // What the server does not read fills the kernel's buffers, and the peer can send no more.
  const std::string message = Chat("1", std::string(50'000, 'x'));
  std::string all;
  for (int i = 0; i < 1000; ++i) all += message;
  const size_t sent = peer.Send(all);
  EXPECT_LT(sent, all.size());
  // It goes on where it stopped.
  soon.tv_sec = 60;
  setsockopt(peer.fd(), SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof(soon));
  greeter.gate.OpenAll();
  EXPECT_THAT(peer.Read(), HasSubstr("wait"));
  std::thread sender([&] { EXPECT_EQ(peer.Send(all.substr(sent)), all.size() - sent); });
  for (int i = 0; i < 1000; ++i) ASSERT_THAT(peer.Read(), HasSubstr("xxx"));
  sender.join();
}

TEST(RpcStream, ManyMessagesPassInOrder) {
  ServedGreeter greeter;
  Peer peer(greeter.port);
  std::string all = OpenChat("1");
  for (int i = 0; i < 5000; ++i) all += Chat("1", std::to_string(i));
  all += End("Greeter.Chat", "1");
  std::thread sender([&] { peer.Send(all); });
  for (int i = 0; i < 5000; ++i) ASSERT_EQ(BodyOf(peer.Read()), Said(std::to_string(i)) + "\n");
  EXPECT_EQ(HeaderOf(peer.Read(), "Micro-Error"), "EOS");
  sender.join();
}

}  // namespace
}  // namespace micro::rpc
