// Unary calls of the client wire, against nodes that do what a script says.
#include <gmock/gmock.h>

#include <future>
#include <optional>
#include <regex>

#include "core/async.h"
#include "core/errors.h"
#include "core/net/loops.h"
#include "core/plugin_table.h"
#include "core/task_scope.h"
#include "core/testing/eventually.h"
#include "core/testing/status_matchers.h"
#include "micro/rpc/scripted_node.h"
#include "micro/wire.h"

namespace micro::rpc {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::StartsWith;

// Serves with this answer each time.
ScriptedNode::Script Answering(std::string answer) {
  return [answer](Peer& peer) {
    while (!peer.ReadRequest().empty()) peer.Write(answer);
  };
}

// Takes requests and never answers.
void Silent(Peer& peer) { peer.AwaitEnd(); }

Task<void> ExpectOk(Task<absl::StatusOr<std::string>> call) {
  EXPECT_THAT(co_await std::move(call), IsOk());
}

class RpcClient : public ::testing::Test {
 protected:
  static std::unique_ptr<ClientWire> NewWire(const ClientOptions& options = {}) {
    auto wire = PluginTable<ClientWire>::Create("rpc", options);
    EXPECT_THAT(wire, IsOk());
    return *std::move(wire);
  }

  // A call of Greeter.Hello; its answer's body.
  static Task<absl::StatusOr<std::string>> Hello(ClientWire& wire, std::string address,
                                                 Context ctx = Context(), std::string body = "{}") {
    const codec::Frame request{std::move(body)};
    codec::Frame response;
    const absl::Status status = co_await wire.Call(
        ctx, registry::Node{.id = "greeter-1", .address = address, .metadata = {}},
        {.service = "greeter",
         .method = {.endpoint = "Greeter.Hello"},
         .content_type = "application/json",
         .body = request},
        response);
    if (!status.ok()) co_return status;
    co_return response.data;
  }

  // The same from the first loop: every loop has connections of its own.
  static Task<absl::StatusOr<std::string>> HelloInOneLoop(ClientWire& wire, std::string address,
                                                          Context ctx = Context(),
                                                          std::string body = "{}") {
    co_await net::Loops::Default()[0].Enter();
    co_return co_await Hello(wire, std::move(address), std::move(ctx), std::move(body));
  }
  absl::StatusOr<std::string> Hello(const std::string& address, const Context& ctx = Context()) {
    return BlockOn(HelloInOneLoop(*wire_, address, ctx));
  }
  absl::StatusOr<std::string> Hello(const ScriptedNode& node, const Context& ctx = Context()) {
    return Hello(node.address(), ctx);
  }

  // Calls a node that gives this answer.
  absl::StatusOr<std::string> HelloWith(const std::string& answer) {
    ScriptedNode node({Answering(answer)});
    auto result = Hello(node);
    wire_ = NewWire();  // lets go of the connection, which the node waits for
    return result;
  }

  std::unique_ptr<ClientWire> wire_ = NewWire();
};

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

TEST_F(RpcClient, CallsOnceMoreWhenAConnectionThatHadServedWasClosing) {
  for (const bool reset : {false, true}) {
    ScriptedNode node({[reset](Peer& peer) {
                         peer.ReadRequest();
                         peer.Write(AnswerOf("first"));
                         peer.ReadRequest();
                         if (reset) peer.Reset();
                       },
                       Answering(AnswerOf("again"))});
    EXPECT_THAT(Hello(node), IsOkAndHolds("first"));
    EXPECT_THAT(Hello(node), IsOkAndHolds("again"));
    EXPECT_EQ(node.connections(), 2);
    wire_ = NewWire();
  }
}

TEST_F(RpcClient, CallsOnceMoreOnlyOnce) {
  ScriptedNode node({[](Peer& peer) {
                       peer.ReadRequest();
                       peer.Write(AnswerOf("first"));
                       peer.ReadRequest();
                     },
                     [](Peer& peer) { peer.ReadRequest(); }});
  ASSERT_THAT(Hello(node), IsOk());
  EXPECT_THAT(Hello(node), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(node.connections(), 2);
}

TEST_F(RpcClient, DoesNotSayUnsentWhenTheFirstTryMayHaveBeenSeen) {
  std::promise<void> deaf;
  ScriptedNode node({[&](Peer& peer) {
    peer.ReadRequest();
    peer.Write(AnswerOf("first"));
    peer.ReadRequest();
    deaf.get_future().get();
  }});
  ASSERT_THAT(Hello(node), IsOk());
  node.StopListening();
  deaf.set_value();
  const auto result = Hello(node);
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_FALSE(IsUnsent(result.status()));
}

TEST_F(RpcClient, EndsAtTheDeadlineOfAnAnswerThatDoesNotComeAndClosesTheConnection) {
  std::promise<void> closed;
  ScriptedNode node({[&](Peer& peer) {
    peer.AwaitEnd();
    closed.set_value();
  }});
  const auto result = Hello(node, WithTimeout(Context(), absl::Milliseconds(20)));
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(result, IsMicroError(408, "go.micro.client", "context deadline exceeded"));
  closed.get_future().get();
}

TEST_F(RpcClient, EndsAtTheDeadlineInTheMiddleOfAnAnswer) {
  ScriptedNode node({[](Peer& peer) {
    peer.ReadRequest();
    peer.Write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123");
    peer.AwaitEnd();
  }});
  EXPECT_THAT(Hello(node, WithTimeout(Context(), absl::Milliseconds(20))),
              IsMicroError(408, "go.micro.client", testing::_));
}

TEST_F(RpcClient, LosesNoTimeWithOthersWhenANodeHasFallenSilent) {
  // Two connections that have served, then a node that answers on new ones alone: the second call
  // must not try the other of the two.
  Mutex mutex;
  CondVar changed;
  int asked = 0;
  const auto once = [&](Peer& peer) {
    peer.ReadRequest();
    {
      MutexLock lock(mutex);
      ++asked;
      changed.NotifyAll();
      while (asked < 2) changed.Wait(mutex);
    }
    peer.Write(AnswerOf("once"));
    peer.AwaitEnd();
  };
  ScriptedNode node({once, once, Answering(AnswerOf("again"))});
  // From one loop, so that both are connections of its own.
  net::Loop& loop = net::Loops::Default()[0];
  const auto in_loop = [&](Task<absl::StatusOr<std::string>> call) -> Task<absl::StatusCode> {
    co_await loop.Enter();
    co_return (co_await std::move(call)).status().code();
  };
  TaskScope scope;
  for (int i = 0; i < 2; ++i) {
    Spawn(scope, [](auto call) -> Task<void> {
      EXPECT_EQ(co_await std::move(call), absl::StatusCode::kOk);
    }(in_loop(Hello(*wire_, node.address()))));
  }
  scope.Join();
  EXPECT_EQ(BlockOn(in_loop(
                Hello(*wire_, node.address(), WithTimeout(Context(), absl::Milliseconds(20))))),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(BlockOn(in_loop(Hello(*wire_, node.address()))), absl::StatusCode::kOk);
  EXPECT_EQ(node.connections(), 3);
  wire_.reset();
}

TEST_F(RpcClient, EndsWhenTheCallerCancels) {
  auto [ctx, cancel] = WithCancel(Context());
  std::promise<void> closed;
  ScriptedNode node({[&, &cancel = cancel](Peer& peer) {
    peer.ReadRequest();
    cancel();
    peer.AwaitEnd();
    closed.set_value();
  }});
  const auto result = Hello(node, WithTimeout(ctx, absl::Hours(1)));
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(result, IsMicroError(408, "go.micro.client", "context canceled"));
  closed.get_future().get();
}

TEST_F(RpcClient, AContextThatHasEndedSendsNothing) {
  ScriptedNode node({Silent});
  EXPECT_THAT(Hello(node, WithTimeout(Context(), absl::ZeroDuration())),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(node.connections(), 0);
}

TEST_F(RpcClient, SaysWhichNodeCannotBeConnectedTo) {
  ScriptedNode node({Silent});
  node.StopListening();
  const auto result = Hello(node);
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kUnavailable,
                               AllOf(StartsWith("connection error: "), HasSubstr(node.address()),
                                     HasSubstr("refused"))));
  EXPECT_THAT(result, IsMicroError(500, "go.micro.client", testing::_));
  EXPECT_TRUE(IsUnsent(result.status()));
  const auto nowhere = Hello("nowhere");
  EXPECT_THAT(nowhere, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("\"nowhere\"")));
  EXPECT_TRUE(IsUnsent(nowhere.status()));
}

TEST_F(RpcClient, GivesUpConnectingAfterTheDialTimeoutOrAtTheEndOfTheContext) {
  // Nobody accepts, and the queue of those who wait for it is full: TCP gets no answer.
  ScriptedNode node({}, /*backlog=*/0);
  ScriptedNode* const full = &node;
  std::vector<int> fillers;
  for (int i = 0; i < 3; ++i) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const std::string text = full->address();
    address.sin_port =
        htons(static_cast<uint16_t>(std::atoi(text.substr(text.rfind(':') + 1).c_str())));
    (void)connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
    fillers.push_back(fd);
  }
  wire_ = NewWire({.dial_timeout = absl::Milliseconds(50)});
  const auto dialled = Hello(node);
  EXPECT_THAT(dialled, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("longer than 50ms")));
  EXPECT_TRUE(IsUnsent(dialled.status()));
  wire_ = NewWire({.dial_timeout = absl::Seconds(1)});
  EXPECT_THAT(Hello(node, WithTimeout(Context(), absl::Milliseconds(20))),
              IsMicroError(408, "go.micro.client", testing::_));
  auto [ctx, cancel] = WithCancel(Context());
  Executor::Default().Post([cancel = cancel] { cancel(); });
  EXPECT_THAT(Hello(node, ctx), StatusIs(absl::StatusCode::kCancelled));
  for (const int fd : fillers) close(fd);
}

TEST_F(RpcClient, KeepsToItsLimitsOfSize) {
  wire_ = NewWire({.max_recv_message_size = 10, .max_send_message_size = 20});
  ScriptedNode large({Answering(AnswerOf("12345678901"))});
  EXPECT_THAT(Hello(large),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       AllOf(HasSubstr(large.address()), HasSubstr("more than 10 bytes"))));
  ScriptedNode endless({[](Peer& peer) {
    peer.ReadRequest();
    peer.Write("HTTP/1.1 200 OK\r\n\r\n");
    while (peer.Write("0123456789")) {
    }
  }});
  EXPECT_THAT(Hello(endless), StatusIs(absl::StatusCode::kResourceExhausted));
  ScriptedNode headers({[](Peer& peer) {
    peer.ReadRequest();
    peer.Write("HTTP/1.1 200 OK\r\n");
    while (peer.Write("X-More: and more of it\r\n")) {
    }
  }});
  EXPECT_THAT(Hello(headers), StatusIs(absl::StatusCode::kResourceExhausted));
  ScriptedNode unasked({Silent});
  EXPECT_THAT(BlockOn(Hello(*wire_, unasked.address(), Context(), std::string(21, 'x'))),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("larger than the limit")));
  EXPECT_EQ(unasked.connections(), 0);
}

TEST_F(RpcClient, SendsALargeBodyToASlowReader) {
  wire_ = NewWire({.max_recv_message_size = 32 << 20, .max_send_message_size = 32 << 20});
  ScriptedNode node({[](Peer& peer) {
    while (true) {
      const std::string request = peer.ReadRequest();
      if (request.empty()) return;
      peer.Write(AnswerOf(request.substr(request.find("\r\n\r\n") + 4)));
    }
  }});
  const std::string body(16 << 20, 'x');
  for (int i = 0; i < 2; ++i) {
    const auto result = BlockOn(HelloInOneLoop(*wire_, node.address(), Context(), body));
    ASSERT_THAT(result, IsOk());
    EXPECT_TRUE(*result == body);
  }
  EXPECT_EQ(node.connections(), 1);
  wire_.reset();
}

TEST_F(RpcClient, TakesAnAnswerThatDoesNotWaitForTheWholeRequest) {
  wire_ = NewWire({.max_send_message_size = 64 << 20});
  ScriptedNode node({[](Peer& peer) {
                       peer.Write("HTTP/1.1 413 Payload Too Large\r\nContent-Length: 0\r\n\r\n");
                       peer.AwaitEnd();
                     },
                     Answering(AnswerOf("next"))});
  EXPECT_THAT(
      BlockOn(Hello(*wire_, node.address(), Context(), std::string(32 << 20, 'x'))),
      StatusIs(absl::StatusCode::kUnavailable, HasSubstr("HTTP 413 Request Entity Too Large")));
  EXPECT_THAT(Hello(node), IsOkAndHolds("next"));
  wire_.reset();
}

TEST_F(RpcClient, GivesUpAConnectionWhoseAnswerHasMoreBehindIt) {
  ScriptedNode node({[](Peer& peer) {
                       peer.ReadRequest();
                       peer.Write(AnswerOf("right") + AnswerOf("rubbish"));
                       peer.AwaitEnd();
                     },
                     Answering(AnswerOf("next"))});
  EXPECT_THAT(Hello(node), IsOkAndHolds("right"));
  EXPECT_THAT(Hello(node), IsOkAndHolds("next"));
  EXPECT_EQ(node.connections(), 2);
  wire_.reset();
}

TEST_F(RpcClient, GivesUpAnIdleConnectionThatTalks) {
  std::promise<void> ended;
  ScriptedNode node({[&](Peer& peer) {
                       peer.ReadRequest();
                       peer.Write(AnswerOf("right"));
                       peer.Write(AnswerOf("rubbish"));
                       peer.AwaitEnd();
                       ended.set_value();
                     },
                     Answering(AnswerOf("next"))});
  EXPECT_THAT(Hello(node), IsOkAndHolds("right"));
  ended.get_future().get();
  EXPECT_THAT(Hello(node), IsOkAndHolds("next"));
  EXPECT_EQ(node.connections(), 2);
  wire_.reset();
}

TEST_F(RpcClient, DoesNotUseAConnectionAgainThatThePeerWantsClosed) {
  ScriptedNode node({Answering(AnswerOf("", "Connection: close\r\n"))});
  ASSERT_THAT(Hello(node), IsOk());
  ASSERT_THAT(Hello(node), IsOk());
  EXPECT_EQ(node.connections(), 2);
}

TEST_F(RpcClient, DoesNotUseAConnectionThatIsOlderThanItMayBe) {
  wire_ = NewWire({.pool_ttl = absl::ZeroDuration()});
  ScriptedNode node({Answering(AnswerOf(""))});
  for (int i = 0; i < 3; ++i) ASSERT_THAT(Hello(node), IsOk());
  EXPECT_EQ(node.connections(), 3);
}

TEST_F(RpcClient, ClosesAnIdleConnectionWhenItHasGrownOld) {
  wire_ = NewWire({.pool_ttl = absl::Milliseconds(20)});
  std::promise<void> closed;
  ScriptedNode node({[&](Peer& peer) {
    peer.ReadRequest();
    peer.Write(AnswerOf(""));
    peer.AwaitEnd();
    closed.set_value();
  }});
  ASSERT_THAT(Hello(node), IsOk());
  closed.get_future().get();
}

TEST_F(RpcClient, ClosesItsIdleConnectionsWhenItGoes) {
  std::promise<void> closed;
  ScriptedNode node({[&](Peer& peer) {
    peer.ReadRequest();
    peer.Write(AnswerOf(""));
    peer.AwaitEnd();
    closed.set_value();
  }});
  ASSERT_THAT(Hello(node), IsOk());
  wire_.reset();
  closed.get_future().get();
}

TEST_F(RpcClient, KeepsNoMoreIdleConnectionsThanItMay) {
  wire_ = NewWire({.pool_size = 1});
  std::atomic<int> ended = 0;
  std::atomic<int> asked = 0;
  std::promise<void> go;
  std::shared_future<void> going = go.get_future().share();
  ScriptedNode node({[&](Peer& peer) {
    peer.ReadRequest();
    if (++asked == 8) go.set_value();
    going.wait();
    peer.Write(AnswerOf(""));
    peer.AwaitEnd();
    ++ended;
  }});
  TaskScope scope;
  for (int i = 0; i < 8; ++i) Spawn(scope, ExpectOk(HelloInOneLoop(*wire_, node.address())));
  scope.Join();
  EXPECT_TRUE(Eventually([&] { return ended == 7; }));
  EXPECT_EQ(node.connections(), 8);
  wire_.reset();
}

TEST_F(RpcClient, AnswersInTheLoopThatItsCallerIsIn) {
  ScriptedNode node({Answering(AnswerOf("x"))});
  const auto call = [&]() -> Task<bool> {
    net::Loop& loop = net::Loops::Default()[net::Loops::Default().size() - 1];
    co_await loop.Enter();
    const auto result = co_await Hello(*wire_, node.address());
    co_return result.ok() && loop.IsCurrent();
  };
  EXPECT_TRUE(BlockOn(call()));
  wire_.reset();
}

TEST_F(RpcClient, ManyCallsFromManyPlacesAllGetTheirOwnAnswer) {
  ScriptedNode node({[](Peer& peer) {
    while (true) {
      const std::string request = peer.ReadRequest();
      if (request.empty()) return;
      peer.Write(AnswerOf(request.substr(request.find("\r\n\r\n") + 4)));
    }
  }});
  std::atomic<int> right = 0;
  const auto calls = [&](int first) -> Task<void> {
    for (int i = first; i < first + 50; ++i) {
      const auto answer = co_await Hello(*wire_, node.address(), Context(), std::to_string(i));
      if (answer.ok() && *answer == std::to_string(i)) ++right;
    }
  };
  TaskScope scope;
  for (int i = 0; i < 20; ++i) Spawn(scope, calls(i * 1000));
  scope.Join();
  EXPECT_EQ(right, 1000);
  EXPECT_LE(node.connections(), 20);
  wire_.reset();
}

}  // namespace
}  // namespace micro::rpc
