// The connections of the client wire: which calls use them again, when they end, and what calls on
// them wait for.
#include <future>

#include "core/task_scope.h"
#include "core/testing/eventually.h"
#include "micro/rpc/rpc_client_fixture.h"

namespace micro::rpc {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

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
