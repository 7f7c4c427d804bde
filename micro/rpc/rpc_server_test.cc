// Unary calls as bytes on the wire.
#include "micro/rpc/rpc_server.h"

#include "absl/strings/escaping.h"
#include "core/strings.h"
#include "micro/rpc/served_greeter.h"

namespace micro::rpc {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

std::string Hello(const std::string& name) {
  return JsonRequest("Greeter.Hello", "{\"userName\":\"" + name + "\"}");
}

TEST(RpcServer, NamesItselfAsGoMicroDoes) {
  const auto wire = NewRpcServer({});
  EXPECT_EQ(wire->name(), "mucp");
  EXPECT_EQ(wire->protocol(), "mucp");
  EXPECT_EQ(wire->transport(), "http");
}

// What a go-micro client sends, and what its server would answer but for the order of headers.
TEST(RpcServer, AnswersAGoMicroClientToTheByte) {
  ServedGreeter greeter;
  Peer peer(greeter.port);
  peer.Send(Crlf("POST / HTTP/1.1\n"
                 "Host: 127.0.0.1:46289\n"
                 "User-Agent: Go-http-client/1.1\n"
                 "Content-Length: 20\n"
                 "Accept: application/json\n"
                 "Content-Type: application/json\n"
                 "Foo_bar: z\n"
                 "Micro-Endpoint: Greeter.Hello\n"
                 "Micro-Id: 0\n"
                 "Micro-Method: Greeter.Hello\n"
                 "Micro-Service: greeter\n"
                 "Timeout: 5000000000\n"
                 "X-Trace-Id: abc\n"
                 "\n") +
            "{\"userName\":\"John\"}\n");
  EXPECT_EQ(peer.Read(), Crlf("HTTP/1.1 200 OK\n"
                              "User-Agent: Go-http-client/1.1\n"
                              "Accept: application/json\n"
                              "Foo_bar: z\n"
                              "Micro-Endpoint: Greeter.Hello\n"
                              "Micro-Id: 0\n"
                              "Micro-Method: Greeter.Hello\n"
                              "Micro-Service: greeter\n"
                              "Timeout: 5000000000\n"
                              "X-Trace-Id: abc\n"
                              "Content-Type: application/json\n"
                              "Content-Length: 26\n"
                              "\n") +
                             "{\"userName\":\"Hello John\"}\n");
}

TEST(RpcServer, AnswersTheSmallestRequest) {
  ServedGreeter greeter;
  Peer peer(greeter.port);
  peer.Send(Crlf("GET /any/path?x HTTP/1.1\nContent-Type: application/json\n"
                 "Micro-Endpoint: Greeter.Hello\nContent-Length: 16\n\n") +
            "{\"userName\":\"A\"}");
  EXPECT_EQ(BodyOf(peer.Read()), "{\"userName\":\"Hello A\"}\n");
}

TEST(RpcServer, EchoesTheRequestThatItAnswers) {
  ServedGreeter greeter;
  Peer peer(greeter.port);
  for (const std::string id : {"1", "2"}) {
    peer.Send(JsonRequest("Greeter.Hello", "{}",
                          "micro-ID: " + id +
                              "\nKeep-Alive: 5\nTe: trailers\nExpect: nothing\n"
                              "Authorization: Bearer secret\nMicro-Id: 9\n"));
    EXPECT_EQ(peer.Read(), Crlf("HTTP/1.1 200 OK\nMicro-Endpoint: Greeter.Hello\nMicro-Id: " + id +
                                "\nContent-Type: application/json\nContent-Length: 22\n\n") +
                               "{\"userName\":\"Hello \"}\n");
  }
}

TEST(RpcServer, SpeaksEveryContentType) {
  ServedGreeter greeter;
  const std::string proto =
                        "\x0a\x01"
                        "A",
                    answer = "\x0a\x07Hello A";
  const auto framed = [](const std::string& body) {
    return std::string("\0\0\0\0", 4) + static_cast<char>(body.size()) + body;
  };
  const std::string json = "{\"userName\":\"A\"}", json_answer = "{\"userName\":\"Hello A\"}";
  Peer peer(greeter.port);
  for (const auto& [type, body, expected, answered_type] :
       {std::array<std::string, 4>{"application/json; charset=utf-8", json, json_answer + "\n",
                                   "application/json"},
        {"application/protobuf", proto, answer, "application/protobuf"},
        {"application/proto", proto, answer, "application/proto"},
        {"application/octet-stream", proto, answer, "application/octet-stream"},
        {"application/grpc", framed(proto), framed(answer), "application/grpc"},
        {"application/grpc+proto", framed(proto), framed(answer), "application/grpc+proto"},
        {"application/grpc+json", framed(json), framed(json_answer), "application/grpc+json"},
        {"", proto, answer, "application/protobuf"}}) {
    peer.Send(Crlf("POST / HTTP/1.1\nMicro-Method: Greeter.Hello\n" +
                   (type.empty() ? "" : "Content-Type: " + type + "\n") +
                   "Content-Length: " + std::to_string(body.size()) + "\n\n") +
              body);
    const std::string response = peer.Read();
    EXPECT_EQ(BodyOf(response), expected) << type;
    EXPECT_EQ(HeaderOf(response, "Content-Type"), answered_type);
    EXPECT_EQ(HeaderOf(response, "Micro-Error"), "");
  }
}

TEST(RpcServer, AnEmptyBodyIsARequestWithoutFields) {
  ServedGreeter greeter;
  Peer peer(greeter.port);
  peer.Send(JsonRequest("Greeter.Hello", ""));
  EXPECT_EQ(BodyOf(peer.Read()), "{\"userName\":\"Hello \"}\n");
}

TEST(RpcServer, ReadsChunkedBodies) {
  ServedGreeter greeter;
  Peer peer(greeter.port);
  peer.Send(
      Crlf("POST / HTTP/1.1\nContent-Type: application/json\n"
           "Micro-Endpoint: Greeter.Hello\nTransfer-Encoding: chunked\n\n"
           "5\n{\"use\nb;x=y\nrName\":\"A\"}\n0\n\n"));
  EXPECT_EQ(BodyOf(peer.Read()), "{\"userName\":\"Hello A\"}\n");
}

TEST(RpcServer, SaysContinueToThoseWhoWaitForIt) {
  ServedGreeter greeter;
  Peer peer(greeter.port);
  peer.Send(
      Crlf("POST / HTTP/1.1\nContent-Type: application/json\nExpect: 100-continue\n"
           "Micro-Endpoint: Greeter.Hello\nContent-Length: 2\n\n"));
  EXPECT_EQ(peer.Read(), "HTTP/1.1 100 Continue\r\n\r\n");
  peer.Send("{}");
  EXPECT_THAT(peer.Read(), StartsWith("HTTP/1.1 200 OK"));
}

TEST(RpcServer, SaysErrorsInGoMicrosWords) {
  ServedGreeter greeter;
  Peer peer(greeter.port);
  for (const auto& [endpoint, error] :
       {std::pair<std::string, std::string>("Foo.Bar", "rpc: can't find service Foo"),
        {"Greeter.Nope", "rpc: can't find method Nope"},
        {"Hello", "rpc: service/endpoint request ill-formed: Hello"},
        {"A.B.C", "rpc: service/endpoint request ill-formed: A.B.C"}}) {
    peer.Send(JsonRequest(endpoint, "{}", "Micro-Id: 2\n"));
    EXPECT_EQ(peer.Read(), Crlf("HTTP/1.1 200 OK\nMicro-Endpoint: " + endpoint +
                                "\nMicro-Id: 2\nContent-Type: application/json\nMicro-Error: " +
                                error + "\nX-Micro-Error: " + error + "\nContent-Length: 0\n\n"));
  }
}

TEST(RpcServer, CarriesTheErrorsOfHandlers) {
  ServedGreeter greeter;
  Peer peer(greeter.port);
  for (
      const auto& [endpoint, body, error] :
      {std::array<std::string, 3>{
           "Greeter.Fail", "{}",
           R"({"id":"greeter","code":400,"detail":"bad name","status":"Bad Request"})"},
       {"Greeter.Fail", "{\"userName\":\"plain\"}",
        R"({"id":"greeter","code":412,"detail":"not\r\nnow","status":"Precondition Failed"})"},
       {"Greeter.Throw", "{}",
        R"({"id":"greeter","code":500,"detail":"handler Greeter.Throw threw: ouch","status":"Internal Server Error"})"}}) {
    peer.Send(JsonRequest(endpoint, body));
    const std::string response = peer.Read();
    EXPECT_THAT(response, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_EQ(HeaderOf(response, "Micro-Error"), error);
    EXPECT_EQ(HeaderOf(response, "X-Micro-Error"), error);
    EXPECT_EQ(BodyOf(response), "");
  }
  peer.Send(Hello("again"));
  EXPECT_THAT(peer.Read(), HasSubstr("Hello again"));
}

TEST(RpcServer, AnErrorCannotAddHeaders) {
  ServedGreeter greeter;
  Peer peer(greeter.port);
  // A chunk of a name in an error's text may hold anything that a header may.
  peer.Send(JsonRequest("Foo\tBar.Hello", "{}"));
  EXPECT_EQ(HeaderOf(peer.Read(), "Micro-Error"), "rpc: can't find service Foo Bar");
}

TEST(RpcServer, SaysThatABodyCannotBeRead) {
  ServedGreeter greeter;
  Peer peer(greeter.port);
  for (const std::string type : {"application/json", "application/protobuf", "application/grpc",
                                 "application/octet-stream"}) {
    peer.Send(Crlf("POST / HTTP/1.1\nMicro-Endpoint: Greeter.Hello\nContent-Type: " + type +
                   "\nContent-Length: 3\n\n\xff\xff\xff"));
    EXPECT_THAT(HeaderOf(peer.Read(), "Micro-Error"),
                StartsWith(R"({"id":"greeter","code":400,"detail":")"))
        << type;
  }
}

TEST(RpcServer, AnswersAnUnknownContentTypeAsGoMicroDoes) {
  ServedGreeter greeter;
  Peer peer(greeter.port);
  peer.Send(
      Crlf("POST / HTTP/1.1\nMicro-Endpoint: Greeter.Hello\n"
           "Content-Type: application/foo\nContent-Length: 0\n\n"));
  EXPECT_EQ(peer.Read(), Crlf("HTTP/1.1 200 OK\nMicro-Endpoint: Greeter.Hello\n"
                              "Content-Type: text/plain\nContent-Length: 41\n\n"
                              "unsupported Content-Type: application/foo"));
}

TEST(RpcServer, SaysThatItTakesNoMessages) {
  ServedGreeter greeter;
  Peer peer(greeter.port);
  peer.Send(
      Crlf("POST / HTTP/1.1\nMicro-Topic: news\nContent-Type: application/json\n"
           "Content-Length: 2\n\n{}"));
  EXPECT_THAT(HeaderOf(peer.Read(), "Micro-Error"),
              AllOf(StartsWith(R"({"id":"greeter","code":501,"detail":"news: messages are )"),
                    HasSubstr("broker")));
}

TEST(RpcServer, SaysThatAStreamIsNoUnaryCall) {
  ServedGreeter greeter;
  Peer peer(greeter.port);
  peer.Send(JsonRequest("Greeter.Chat", "{}"));
  EXPECT_THAT(HeaderOf(peer.Read(), "Micro-Error"), HasSubstr("Greeter.Chat is a stream"));
}

TEST(RpcServer, GivesHandlersTheHeadersAsMetadata) {
  ServedGreeter greeter;
  Peer peer(greeter.port);
  peer.Send(JsonRequest("Greeter.Hello", "{}",
                        "x-trace-ID: abc\nfoo_BAR: z\nX-Trace-Id: second\nTimeout: 5000000000\n"
                        "Connection: keep-alive\nAuthorization: Bearer t\n"));
  peer.Read();
  std::vector<std::string> seen;
  for (size_t i = 0; i < greeter.seen.size(); ++i) seen.push_back(greeter.seen.At(i));
  EXPECT_THAT(
      seen, AllOf(Contains("X-Trace-Id=abc"), Contains("Foo_bar=z"), Contains("Timeout=5000000000"),
                  Contains("Content-Length=2"), Contains("Authorization=Bearer t"),
                  Contains("Local=127.0.0.1:" + std::to_string(greeter.port)),
                  Contains(StartsWith("Remote=127.0.0.1:"))));
  EXPECT_THAT(seen, Not(Contains(StartsWith("Host"))));
  EXPECT_THAT(seen, Not(Contains(StartsWith("Connection"))));
}

TEST(RpcServer, ATimeoutIsTheHandlersDeadline) {
  ServedGreeter greeter;
  Peer peer(greeter.port);
  peer.Send(JsonRequest("Greeter.Wait", "{}", "Timeout: 1000000\n"));
  EXPECT_THAT(HeaderOf(peer.Read(), "Micro-Error"),
              AllOf(HasSubstr("\"code\":408"), HasSubstr("context deadline exceeded")));
  // What is no number is ignored.
  peer.Send(JsonRequest("Greeter.Wait", "{}", "Timeout: 1ms\n"));
  greeter.gate.WaitFor(1);
  greeter.gate.OpenAll();
  EXPECT_EQ(HeaderOf(peer.Read(), "Micro-Error"), "");
}

TEST(RpcServer, HoldsTheLimitOfAnswers) {
  ServedGreeter greeter({}, {.name = "greeter", .max_send_message_size = 10});
  Peer peer(greeter.port);
  peer.Send(Hello("somebody"));
  EXPECT_THAT(HeaderOf(peer.Read(), "Micro-Error"),
              HasSubstr("larger than the limit of 10 (max_send_message_size)"));
}

// ---- Connections ----

TEST(RpcServer, AnswersPipelinedRequestsInTheirOrder) {
  ServedGreeter greeter;
  Peer peer(greeter.port);
  const auto wait = [](const std::string& name) {
    return JsonRequest("Greeter.Wait", "{\"userName\":\"" + name + "\"}");
  };
  peer.Send(wait("one") + wait("two") + wait("three") + Hello("four"));
  greeter.gate.WaitFor(3);
  greeter.gate.Open(2);
  greeter.gate.Open(1);
  greeter.gate.Open(0);
  EXPECT_EQ(BodyOf(peer.Read()), "{\"userName\":\"one\"}\n");
  EXPECT_EQ(BodyOf(peer.Read()), "{\"userName\":\"two\"}\n");
  EXPECT_EQ(BodyOf(peer.Read()), "{\"userName\":\"three\"}\n");
  EXPECT_EQ(BodyOf(peer.Read()), "{\"userName\":\"Hello four\"}\n");
}

TEST(RpcServer, BeginsOnlySoManyCallsOfAConnection) {
  ServedGreeter greeter({.calls = 2});
  Peer peer(greeter.port);
  for (int i = 0; i < 4; ++i) peer.Send(JsonRequest("Greeter.Wait", "{}"));
  greeter.gate.WaitFor(2);
  EXPECT_EQ(greeter.gate.waiting(), 2);
  greeter.gate.Open(0);
  peer.Read();
  greeter.gate.WaitFor(2);
  greeter.gate.OpenAll();
  peer.Read();
  peer.Read();
  greeter.gate.WaitFor(1);
  greeter.gate.OpenAll();
  EXPECT_THAT(peer.Read(), StartsWith("HTTP/1.1 200 OK"));
}

TEST(RpcServer, AnswersManyRequestsThatComeAtOnce) {
  ServedGreeter greeter;
  Peer peer(greeter.port);
  std::string all;
  for (int i = 0; i < 3000; ++i) all += Hello(std::to_string(i));
  std::thread sender([&] { peer.Send(all); });
  for (int i = 0; i < 3000; ++i)
    ASSERT_EQ(BodyOf(peer.Read()), "{\"userName\":\"Hello " + std::to_string(i) + "\"}\n");
  sender.join();
}

TEST(RpcServer, CarriesLargeMessages) {
  ServedGreeter greeter;
  Peer peer(greeter.port);
  const std::string name(3'000'000, 'x');
  peer.Send(Hello(name));
  EXPECT_TRUE(BodyOf(peer.Read()) == "{\"userName\":\"Hello " + name + "\"}\n");
}

TEST(RpcServer, ClosesWhereItIsAskedTo) {
  ServedGreeter greeter;
  for (const std::string& request :
       {JsonRequest("Greeter.Hello", "{}", "Connection: close\n"),
        Crlf("POST / HTTP/1.0\nContent-Type: application/json\nMicro-Endpoint: Greeter.Hello\n"
             "Content-Length: 2\n\n{}")}) {
    Peer peer(greeter.port);
    peer.Send(request);
    const std::string response = peer.Read();
    EXPECT_EQ(HeaderOf(response, "Connection"), "close");
    EXPECT_EQ(BodyOf(response), "{\"userName\":\"Hello \"}\n");
    EXPECT_TRUE(peer.AtEnd());
  }
}

TEST(RpcServer, AnswersAPeerThatHasEndedItsSide) {
  ServedGreeter greeter;
  Peer peer(greeter.port);
  peer.Send(Hello("A") + Hello("B"));
  peer.EndWrites();
  const std::string all = peer.ReadToEnd();
  EXPECT_THAT(all, AllOf(HasSubstr("Hello A"), HasSubstr("Hello B")));
}

TEST(RpcServer, CancelsCallsWhoseCallerIsGone) {
  ServedGreeter greeter;
  {
    Peer peer(greeter.port);
    peer.Send(JsonRequest("Greeter.Wait", "{}") + JsonRequest("Greeter.Wait", "{}"));
    greeter.gate.WaitFor(2);
  }
  greeter.gate.WaitForCancelled(2);
}

TEST(RpcServer, AnswersFromOtherThreadsComeInOrder) {
  ServedGreeter greeter;
  std::vector<Peer> peers;
  for (int i = 0; i < 8; ++i) {
    peers.emplace_back(greeter.port);
    for (int call = 0; call < 8; ++call)
      peers.back().Send(JsonRequest("Greeter.Wait", "{\"accountId\":1}",
                                    "Micro-Id: " + std::to_string(call) + "\n"));
  }
  greeter.gate.WaitFor(64);
  greeter.gate.OpenAll();
  for (Peer& peer : peers) {
    for (int call = 0; call < 8; ++call)
      EXPECT_EQ(HeaderOf(peer.Read(), "Micro-Id"), std::to_string(call));
  }
}

// ---- Calls from before the Micro-* headers ----

TEST(RpcServer, AnswersJsonRpc) {
  ServedGreeter greeter;
  Peer peer(greeter.port);
  const auto call = [&](const std::string& body, const std::string& headers = "") {
    peer.Send(Crlf("POST / HTTP/1.1\nContent-Type: application/json\n" + headers +
                   "Content-Length: " + std::to_string(body.size()) + "\n\n") +
              body);
    return peer.Read();
  };
  const std::string hello = R"({"id":"7","method":"Greeter.Hello","params":[{"userName":"A"}]})";
  EXPECT_EQ(call(hello), Crlf("HTTP/1.1 200 OK\nContent-Type: application/json-rpc\n"
                              "Content-Length: 56\n\n") +
                             R"({"id":"7","result":{"userName":"Hello A"},"error":null})"
                             "\n");
  EXPECT_EQ(BodyOf(call(hello, "Micro-Target: greeter\nMicro-Endpoint: ignored\n")),
            R"({"id":"7","result":{"userName":"Hello A"},"error":null})"
            "\n");
  const std::string failed = call(R"({"id":8,"method":"Greeter.Nope","params":[{}]})");
  EXPECT_EQ(HeaderOf(failed, "Micro-Error"), "rpc: can't find method Nope");
  EXPECT_EQ(BodyOf(failed), R"({"id":"8","result":null,"error":"rpc: can't find method Nope"})"
                            "\n");
  EXPECT_THAT(HeaderOf(call("{}"), "Micro-Error"), HasSubstr("no method"));
}

// What a go-micro client sends to a node whose metadata has no protocol.
TEST(RpcServer, AnswersLegacyBodiesBesideTheHeaders) {
  ServedGreeter greeter;
  Peer peer(greeter.port);
  const std::string headers = "Micro-Endpoint: Greeter.Hello\nMicro-Id: 0\n";
  const auto call = [&](const std::string& type, const std::string& body) {
    peer.Send(Crlf("POST / HTTP/1.1\nContent-Type: " + type + "\n" + headers +
                   "Content-Length: " + std::to_string(body.size()) + "\n\n") +
              body);
    return peer.Read();
  };
  EXPECT_EQ(BodyOf(call("application/json-rpc",
                        R"({"method":"Greeter.Hello","params":[{"userName":"A"}],"id":"0"})"
                        "\n")),
            R"({"id":"0","result":{"userName":"Hello A"},"error":null})"
            "\n");
  const std::string response =
      call("application/proto-rpc",
           absl::HexStringToBytes("0000000f0a0d477265657465722e48656c6c6f000000030a0141"));
  EXPECT_EQ(absl::BytesToHexString(ToAbsl(BodyOf(response))),
            "0000000f0a0d477265657465722e48656c6c6f000000090a0748656c6c6f2041");
}

TEST(RpcServer, AnswersProtoRpc) {
  ServedGreeter greeter;
  Peer peer(greeter.port);
  const std::string body = absl::HexStringToBytes(
      "000000180a0d477265657465722e48656c6c6f110700000000000000000000030a0141");
  peer.Send(Crlf("POST / HTTP/1.1\nContent-Type: application/protobuf\nContent-Length: " +
                 std::to_string(body.size()) + "\n\n") +
            body);
  const std::string response = peer.Read();
  EXPECT_EQ(HeaderOf(response, "Content-Type"), "application/proto-rpc");
  EXPECT_EQ(absl::BytesToHexString(ToAbsl(BodyOf(response))),
            "000000180a0d477265657465722e48656c6c6f110700000000000000"
            "000000090a0748656c6c6f2041");
}

}  // namespace
}  // namespace micro::rpc
