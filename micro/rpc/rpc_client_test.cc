// Unary calls of the client wire: what they send, and what they make of answers.
#include <regex>

#include "core/errors.h"
#include "core/testing/eventually.h"
#include "micro/rpc/rpc_client_fixture.h"

namespace micro::rpc {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(RpcClient, SpeaksForItself) {
  EXPECT_EQ(wire_->protocol(), "mucp");
  EXPECT_EQ(wire_->default_content_type(), "application/json");
  EXPECT_EQ(wire_->default_connection_timeout(), absl::Seconds(5));
}

TEST_F(RpcClient, CallsOverTheConnectionThatWasMadeBefore) {
  const std::vector<ScriptedNode::Script> each(net::Loops::Default().size(),
                                               Answering(AnswerOf("{}")));
  ScriptedNode node(each);
  const registry::Node record{.id = "greeter-1", .address = node.address(), .metadata = {}};
  BlockOn(wire_->Warm(Context(), record));
  EXPECT_TRUE(Eventually([&] { return node.connections() == static_cast<int>(each.size()); }));
  BlockOn(wire_->Warm(Context(), record));  // they stand
  for (int i = 0; i < 8; ++i) EXPECT_THAT(BlockOn(Hello(*wire_, node.address())), IsOk());
  EXPECT_EQ(node.connections(), static_cast<int>(each.size()));
  wire_ = NewWire();
}

TEST_F(RpcClient, LeavesANodeThatCannotBeConnectedToToTheCalls) {
  const registry::Node record{.id = "greeter-1", .address = "127.0.0.1:1", .metadata = {}};
  BlockOn(wire_->Warm(Context(), record));
  auto [ctx, cancel] = WithCancel(Context());
  cancel();
  BlockOn(wire_->Warm(ctx, record));
}

TEST_F(RpcClient, SendsGoMicrosRequestToTheByte) {
  std::string request;
  ScriptedNode node({[&](Peer& peer) {
    request = peer.ReadRequest();
    peer.Write(AnswerOf("{\"msg\":\"Hello John\"}\n"));
  }});
  EXPECT_THAT(Hello(node), IsOkAndHolds("{\"msg\":\"Hello John\"}\n"));
  EXPECT_EQ(request,
            "POST / HTTP/1.1\r\n"
            "Host: " +
                node.address() +
                "\r\n"
                "User-Agent: micro-cpp\r\n"
                "Content-Length: 2\r\n"
                "Accept: application/json\r\n"
                "Content-Type: application/json\r\n"
                "Micro-Endpoint: Greeter.Hello\r\n"
                "Micro-Id: 0\r\n"
                "Micro-Method: Greeter.Hello\r\n"
                "Micro-Service: greeter\r\n"
                "\r\n"
                "{}");
}

TEST_F(RpcClient, CountsItsCallsAndTellsTheTimeThatIsLeft) {
  std::vector<std::string> requests;
  ScriptedNode node({[&](Peer& peer) {
    for (int i = 0; i < 2; ++i) {
      requests.push_back(peer.ReadRequest());
      peer.Write(AnswerOf(""));
    }
  }});
  const Context ctx = WithTimeout(Context(), absl::Minutes(1));
  ASSERT_THAT(Hello(node, ctx), IsOk());
  ASSERT_THAT(Hello(node, ctx), IsOk());
  EXPECT_THAT(requests[0], HasSubstr("\r\nMicro-Id: 0\r\n"));
  EXPECT_THAT(requests[1], HasSubstr("\r\nMicro-Id: 1\r\n"));
  std::smatch timeout;
  ASSERT_TRUE(std::regex_search(requests[1], timeout, std::regex("\r\nTimeout: ([0-9]+)\r\n")));
  const absl::Duration left = absl::Nanoseconds(std::stoll(timeout[1]));
  EXPECT_GT(left, absl::ZeroDuration());
  EXPECT_LT(left, absl::Minutes(1));
}

TEST_F(RpcClient, SendsMetadataAsHeadersOfTheirOwn) {
  std::string request;
  ScriptedNode node({[&](Peer& peer) {
    request = peer.ReadRequest();
    peer.Write(AnswerOf(""));
  }});
  const Context ctx = WithMetadata(Context(), {{"x-trace-id", "abc"},
                                               {"Foo_bar", "z"},
                                               {"city", "Zürich"},
                                               {"Connection", "close"},
                                               {"Timeout", "1"},
                                               {"Content-Length", "7"},
                                               {"Micro-Topic", "news"},
                                               {"Micro-From-Service", "front"}});
  ASSERT_THAT(Hello(node, ctx), IsOk());
  EXPECT_THAT(request, HasSubstr("\r\nX-Trace-Id: abc\r\n"
                                 "Foo_bar: z\r\n"
                                 "City: Zürich\r\n"
                                 "Micro-From-Service: front\r\n\r\n"));
  EXPECT_THAT(request, Not(HasSubstr("Connection")));
  EXPECT_THAT(request, Not(HasSubstr("Timeout")));
  EXPECT_THAT(request, Not(HasSubstr("news")));
}

TEST_F(RpcClient, DoesNotPassOnWhatAnotherCallWasNamed) {
  std::string request;
  ScriptedNode node({[&](Peer& peer) {
    request = peer.ReadRequest();
    peer.Write(AnswerOf(""));
  }});
  const Context ctx = WithMetadata(Context(), {{"micro-endpoint", "other"},
                                               {"Micro-Id", "other"},
                                               {"Micro-Stream", "other"},
                                               {"Micro-Error", "other"},
                                               {"Micro-Target", "other"},
                                               {"X-Micro-Service", "other"},
                                               {"x-micro-error", "other"}});
  ASSERT_THAT(Hello(node, ctx), IsOk());
  EXPECT_THAT(request, Not(HasSubstr("other")));
}

TEST_F(RpcClient, RefusesWhatNoHeaderCanCarryBeforeItConnects) {
  ScriptedNode node({Silent});
  const auto value = Hello(node, WithMetadata(Context(), "song", "line\r\nX-Evil: 1"));
  EXPECT_THAT(value, StatusIs(absl::StatusCode::kInvalidArgument,
                              HasSubstr("metadata \"song\" has a control character")));
  EXPECT_EQ(errors::FromStatus(value.status()).code, 500);
  const auto key = Hello(node, WithMetadata(Context(), "a key", "x"));
  EXPECT_THAT(key, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"a key\"")));
  EXPECT_EQ(node.connections(), 0);
}

TEST_F(RpcClient, RefusesAServiceOrEndpointThatWouldBeMoreThanOneHeader) {
  codec::Frame body, response;
  const registry::Node node{.id = "x", .address = "127.0.0.1:1", .metadata = {}};
  const auto call = [&](std::string_view service, std::string_view endpoint) {
    return BlockOn(wire_->Call(Context(), node,
                               {.service = service,
                                .method = {.endpoint = endpoint},
                                .content_type = "application/json",
                                .body = body},
                               response));
  };
  EXPECT_THAT(call("a\r\nb: c", "A.B"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("header \"Micro-Service\"")));
  EXPECT_THAT(call("a", "A.B\n"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("header \"Micro-Endpoint\"")));
}

TEST_F(RpcClient, CallsAgainOnTheSameConnectionWhateverItsAnswersEcho) {
  ScriptedNode node({[](Peer& peer) {
    for (int i = 0; i < 3; ++i) {
      peer.ReadRequest();
      // As go-micro's servers do: the headers of the first call, over and over.
      peer.Write(AnswerOf(std::to_string(i),
                          "Micro-Id: 77\r\nMicro-Endpoint: Other.Call\r\nTimeout: 1\r\n"
                          "Content-Type: application/protobuf\r\n"));
    }
  }});
  for (int i = 0; i < 3; ++i) EXPECT_THAT(Hello(node), IsOkAndHolds(std::to_string(i)));
  EXPECT_EQ(node.connections(), 1);
}

TEST_F(RpcClient, ReadsAnswersInPiecesInChunksAndUpToTheEnd) {
  ScriptedNode node(
      {[](Peer& peer) {
         peer.ReadRequest();
         peer.WriteByteByByte(AnswerOf("in pieces"));
         peer.ReadRequest();
         peer.Write(
             "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"
             "Transfer-Encoding: chunked\r\n\r\n3\r\nin \r\n6\r\nchunks\r\n0\r\n\r\n");
         peer.ReadRequest();
         peer.Write("HTTP/1.1 200 OK\r\n\r\nup to the end");
       },
       Answering(AnswerOf("on another"))});
  EXPECT_THAT(Hello(node), IsOkAndHolds("in pieces"));
  EXPECT_THAT(Hello(node), IsOkAndHolds("in chunks"));
  EXPECT_THAT(Hello(node), IsOkAndHolds("up to the end"));
  EXPECT_THAT(Hello(node), IsOkAndHolds("on another"));
  EXPECT_EQ(node.connections(), 2);
  wire_.reset();
}

TEST_F(RpcClient, WaitsForNothingThatIsNotComingFromANodeThatAnsweredInPieces) {
  const std::vector<std::string> answers = {
      "a long answer, in pieces", "a short one", "s",
      std::string(100'000, 'l'),  "a short one", "and a longer one after it"};
  ScriptedNode node({[&](Peer& peer) {
    for (size_t i = 0; !peer.ReadRequest().empty(); ++i) {
      // The first two as go-micro writes them; then all at once, which may be in the kernel already.
      if (i < 2) {
        peer.WriteByteByByte(AnswerOf(answers[i]));
      } else {
        peer.Write(AnswerOf(answers[i]));
      }
    }
  }});
  for (const std::string& answer : answers) EXPECT_THAT(Hello(node), IsOkAndHolds(answer));
  EXPECT_EQ(node.connections(), 1);
  wire_.reset();
}

TEST_F(RpcClient, GivesBackTheErrorThatTheHandlerAnswered) {
  const std::string json =
      R"({"id":"greeter","code":404,"detail":"no such user","status":"Not Found"})";
  ScriptedNode node({[&](Peer& peer) {
    for (const std::string& header : {"Micro-Error: " + json, "X-Micro-Error: " + json,
                                      std::string("Micro-Error: rpc: can't find service Foo"),
                                      std::string(R"(Micro-Error: {"detail":"no code"})")}) {
      peer.ReadRequest();
      peer.Write(AnswerOf("", header + "\r\n"));
    }
  }});
  for (int i = 0; i < 2; ++i) {
    const auto result = Hello(node);
    EXPECT_EQ(result.status().code(), absl::StatusCode::kNotFound);
    EXPECT_THAT(result, IsMicroError(404, "greeter", "no such user"));
  }
  EXPECT_THAT(Hello(node), IsMicroError(500, "go.micro.client", "rpc: can't find service Foo"));
  EXPECT_THAT(Hello(node), IsMicroError(500, "go.micro.client", "no code"));
  EXPECT_EQ(node.connections(), 1) << "an answer that is whole leaves the connection good";
}

TEST_F(RpcClient, KnowsFromStatus408ThatNobodyHasSeenItsRequest) {
  const auto late =
      HelloWith("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  EXPECT_THAT(late, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_TRUE(IsUnsent(late.status()));
  const auto failed = HelloWith("HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\n\r\n");
  EXPECT_THAT(failed, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_FALSE(IsUnsent(failed.status()));
}

TEST_F(RpcClient, TellsOfAnotherStatusThan200AndOfAnUnknownContentType) {
  const auto failed = HelloWith("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 8\r\n\r\nno luck\n");
  EXPECT_THAT(failed, StatusIs(absl::StatusCode::kUnavailable,
                               HasSubstr("answers HTTP 502 Bad Gateway: no luck\\n")));
  EXPECT_THAT(failed, IsMicroError(500, "go.micro.client.transport", testing::_));
  EXPECT_FALSE(IsUnsent(failed.status()));
  const auto refused = HelloWith(
      AnswerOf("unsupported Content-Type: application/json", "Content-Type: text/plain\r\n"));
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument,
                                HasSubstr("unsupported Content-Type: application/json")));
}

TEST_F(RpcClient, TellsOfAContentTypeWithoutACodec) {
  codec::Frame body, response;
  EXPECT_THAT(
      BlockOn(wire_->Call(
          Context(), registry::Node{.id = "x", .address = "127.0.0.1:1", .metadata = {}},
          {.service = "greeter", .content_type = "application/nosuch", .body = body}, response)),
      IsMicroError(500, "go.micro.client", "unsupported Content-Type: application/nosuch"));
}

TEST_F(RpcClient, AnswersThatTheNodeSpeaksAnotherLanguage) {
  const std::string garbage[] = {"SSH-2.0-OpenSSH_9.2\r\n", "HTTPS?",
                                 std::string("\0\0\x12\x04\0\0\0\0\0", 9)};
  for (const std::string& bytes : garbage) {
    const auto result = HelloWith(bytes);
    EXPECT_THAT(result, StatusIs(absl::StatusCode::kUnavailable,
                                 AllOf(HasSubstr("127.0.0.1:"), HasSubstr("HTTP/1.1"))));
    EXPECT_TRUE(IsUnsent(result.status())) << bytes;
  }
}

TEST_F(RpcClient, AnswersThatAnAnswerIsBrokenThoughItsHandlerMayHaveRun) {
  for (const std::string& bytes : {std::string("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"),
                                   std::string("HTTP/1.1 200 OK\nContent-Length: 0\n\n")}) {
    const auto result = HelloWith(bytes);
    EXPECT_THAT(result, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("no HTTP response")))
        << bytes;
    EXPECT_FALSE(IsUnsent(result.status())) << bytes;
  }
}

TEST_F(RpcClient, DoesNotCallGarbageUnsentOnAConnectionThatHasServed) {
  ScriptedNode node({[](Peer& peer) {
    peer.ReadRequest();
    peer.Write(AnswerOf(""));
    peer.ReadRequest();
    peer.Write("oops");
    peer.AwaitEnd();
  }});
  ASSERT_THAT(Hello(node), IsOk());
  const auto result = Hello(node);
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kUnavailable, HasSubstr(node.address())));
  EXPECT_FALSE(IsUnsent(result.status()));
}

TEST_F(RpcClient, AnswersThatTheNodeClosedWithoutAnAnswer) {
  ScriptedNode node({[](Peer& peer) { peer.ReadRequest(); }});
  const auto result = Hello(node);
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kUnavailable,
                               HasSubstr("closed the connection without an answer")));
  EXPECT_FALSE(IsUnsent(result.status())) << "the handler may have run";
  EXPECT_EQ(node.connections(), 1);
}

TEST_F(RpcClient, AnswersThatTheNodeClosedInTheMiddleOfItsAnswer) {
  for (const std::string& bytes :
       {std::string("HT"), std::string("HTTP/1.1 200 OK\r\nContent-Le"),
        std::string("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345"),
        std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n")}) {
    ScriptedNode node({[&](Peer& peer) {
      peer.ReadRequest();
      peer.Write(bytes);
    }});
    const auto result = Hello(node);
    EXPECT_THAT(result, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("in the middle")));
    EXPECT_FALSE(IsUnsent(result.status()));
    EXPECT_EQ(node.connections(), 1);
  }
}

}  // namespace
}  // namespace micro::rpc
