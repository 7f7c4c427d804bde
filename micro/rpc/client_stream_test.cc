// Streams of the client wire, against nodes that do what a script says.
#include <gmock/gmock.h>

#include <future>

#include "core/async.h"
#include "core/errors.h"
#include "core/plugin_table.h"
#include "core/task_scope.h"
#include "core/testing/status_matchers.h"
#include "micro/client.h"
#include "micro/rpc/scripted_node.h"
#include "micro/wire.h"

namespace micro::rpc {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;

constexpr char kEnd[] = "Micro-Error: EOS\r\nX-Micro-Error: EOS\r\n";

class RpcStream : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<RawStream>> Open(
      const ScriptedNode& node, const Context& ctx = Context(),
      std::string_view content_type = "application/json") {
    return BlockOn(wire_->Stream(
        ctx, registry::Node{.id = "greeter-1", .address = node.address(), .metadata = {}},
        {.service = "greeter",
         .method = {.endpoint = "Greeter.Chat", .kind = MethodKind::kBidi},
         .content_type = content_type}));
  }

  static absl::Status Send(RawStream& stream, std::string text) {
    const codec::Frame message{std::move(text)};
    return BlockOn(stream.Send(message));
  }

  // The next message; "(end)" at the end of the stream.
  static absl::StatusOr<std::string> Recv(RawStream& stream) {
    codec::Frame message;
    const absl::StatusOr<bool> more = BlockOn(stream.Recv(message));
    if (!more.ok()) return more.status();
    return *more ? message.data : "(end)";
  }

  std::unique_ptr<ClientWire> wire_ = *PluginTable<ClientWire>::Create("rpc", {});
};

TEST_F(RpcStream, OpensAndSendsAndEndsAsGoMicroDoesToTheByte) {
  std::vector<std::string> requests;
  std::promise<void> ended;
  ScriptedNode node({[&](Peer& peer) {
    for (int i = 0; i < 3; ++i) requests.push_back(peer.ReadRequest());
    EXPECT_EQ(peer.ReadRequest(), "");
    ended.set_value();
  }});
  {
    const auto stream = Open(node);
    ASSERT_THAT(stream, IsOk());
    ASSERT_THAT(Send(**stream, "{\"text\":\"a\"}"), IsOk());
  }
  ended.get_future().get();
  const auto message = [&](std::string_view length, std::string_view end, std::string_view body) {
    return "POST / HTTP/1.1\r\nHost: " + node.address() +
           "\r\nUser-Agent: micro-cpp\r\nContent-Length: " + std::string(length) +
           "\r\nAccept: application/json\r\nContent-Type: application/json\r\n"
           "Micro-Endpoint: Greeter.Chat\r\nMicro-Id: 0\r\nMicro-Method: Greeter.Chat\r\n"
           "Micro-Service: greeter\r\nMicro-Stream: 0\r\n" +
           std::string(end) + "\r\n" + std::string(body);
  };
  EXPECT_EQ(requests[0], message("3", "", "{}\n"));
  EXPECT_EQ(requests[1], message("12", "", "{\"text\":\"a\"}"));
  EXPECT_EQ(requests[2], message("0", "Micro-Error: EOS\r\n", ""));
}

TEST_F(RpcStream, OpensWithAnEmptyBodyInProtobuf) {
  std::string opening;
  std::promise<void> opened;
  ScriptedNode node({[&](Peer& peer) {
    opening = peer.ReadRequest();
    opened.set_value();
    peer.AwaitEnd();
  }});
  const auto stream = Open(node, WithTimeout(Context(), absl::Hours(1)), "application/protobuf");
  ASSERT_THAT(stream, IsOk());
  opened.get_future().get();
  EXPECT_THAT(opening, AllOf(HasSubstr("Content-Length: 0\r\n"), HasSubstr("\r\nTimeout: "),
                             EndsWith("\r\n\r\n")));
}

TEST_F(RpcStream, OpensWithAnEmptyMessageInGrpcsFrame) {
  ScriptedNode node({[&](Peer& peer) {
    EXPECT_THAT(peer.ReadRequest(), EndsWith(std::string("\r\n\r\n\0\0\0\0\0", 9)));
    EXPECT_THAT(peer.ReadRequest(), EndsWith(std::string("\r\n\r\n\0\0\0\0\5first", 14)));
    peer.Write(AnswerOf(std::string("\0\0\0\0\2ok", 7)));
    peer.AwaitEnd();
  }});
  const auto stream = Open(node, Context(), "application/grpc+proto");
  ASSERT_THAT(stream, IsOk());
  ASSERT_THAT(Send(**stream, "first"), IsOk());
  EXPECT_THAT(Recv(**stream), IsOkAndHolds("ok"));
}

TEST_F(RpcStream, ReceivesMessagesHoweverTheyComeUntilTheServersEnd) {
  ScriptedNode node({[](Peer& peer) {
    peer.ReadRequest();
    peer.WriteByteByByte(AnswerOf("one"));
    peer.Write(AnswerOf("two") + AnswerOf("three", "Micro-Stream: 77\r\n") +
               "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n0\r\n\r\n" +
               AnswerOf("", kEnd));
    peer.AwaitEnd();
  }});
  const auto stream = Open(node);
  ASSERT_THAT(stream, IsOk());
  for (const char* wanted : {"one", "two", "three", "four", "(end)", "(end)"})
    EXPECT_THAT(Recv(**stream), IsOkAndHolds(wanted));
  EXPECT_THAT(Send(**stream, "too late"), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(RpcStream, GivesTheHandlersErrorAfterTheMessagesBeforeIt) {
  ScriptedNode node({[](Peer& peer) {
    peer.ReadRequest();
    peer.Write(
        AnswerOf("one") +
        AnswerOf("", "Micro-Error: {\"id\":\"greeter\",\"code\":409,\"detail\":\"no\"}\r\n"));
    peer.AwaitEnd();
  }});
  const auto stream = Open(node);
  ASSERT_THAT(stream, IsOk());
  EXPECT_THAT(Recv(**stream), IsOkAndHolds("one"));
  EXPECT_THAT(Recv(**stream), IsMicroError(409, "greeter", "no"));
  EXPECT_THAT(Recv(**stream), IsMicroError(409, "greeter", "no"));
}

TEST_F(RpcStream, TellsOfEveryOtherEnd) {
  const std::pair<std::string, std::string> ends[] = {
      {"", "closed the connection before the end of the stream"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab",
       "closed the connection before the end of the stream"},
      {"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "HTTP 500"},
      {"SSH-2.0-OpenSSH\r\n", "does not speak HTTP/1.1"},
      {"HTTP/1.1 200 OK\r\nNonsense\r\n\r\n", "no HTTP response"},
      {AnswerOf("unsupported Content-Type: x", "Content-Type: text/plain\r\n"),
       "unsupported Content-Type: x"}};
  for (const auto& [bytes, wanted] : ends) {
    ScriptedNode node({[&](Peer& peer) {
      peer.ReadRequest();
      peer.Write(bytes);
    }});
    const auto stream = Open(node);
    ASSERT_THAT(stream, IsOk());
    const auto received = Recv(**stream);
    EXPECT_THAT(std::string(received.status().message()), HasSubstr(wanted));
    EXPECT_EQ(errors::FromStatus(received.status()).code, 500);
  }
}

TEST_F(RpcStream, TellsOfABodyThatCannotBeReadAndEnds) {
  std::promise<void> ended;
  ScriptedNode node({[&](Peer& peer) {
    peer.ReadRequest();
    peer.Write(AnswerOf("not a frame"));
    peer.AwaitEnd();
    ended.set_value();
  }});
  const auto stream = Open(node, Context(), "application/grpc");
  ASSERT_THAT(stream, IsOk());
  EXPECT_THAT(Recv(**stream), IsMicroError(500, "go.micro.client.codec", testing::_));
  ended.get_future().get();
}

TEST_F(RpcStream, HasNoHalfClose) {
  ScriptedNode node({[](Peer& peer) { peer.AwaitEnd(); }});
  const auto stream = Open(node);
  ASSERT_THAT(stream, IsOk());
  EXPECT_THAT(BlockOn((*stream)->CloseSend()), StatusIs(absl::StatusCode::kUnimplemented));
}

TEST_F(RpcStream, CancelEndsAWaitingRecvAndTellsTheServer) {
  std::string last;
  std::promise<void> opened, ended;
  ScriptedNode node({[&](Peer& peer) {
    peer.ReadRequest();
    opened.set_value();
    last = peer.ReadRequest();
    peer.AwaitEnd();
    ended.set_value();
  }});
  const auto stream = Open(node);
  ASSERT_THAT(stream, IsOk());
  std::thread canceller([&] {
    opened.get_future().get();
    (*stream)->Cancel();
  });
  const auto received = Recv(**stream);
  canceller.join();
  EXPECT_THAT(received, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(errors::FromStatus(received.status()).code, 408);
  EXPECT_THAT(Send(**stream, "{}"), StatusIs(absl::StatusCode::kCancelled));
  ended.get_future().get();
  EXPECT_THAT(last, HasSubstr("\r\nMicro-Error: EOS\r\n"));
}

TEST_F(RpcStream, EndsWithItsContextWithoutPretendingThatAllWasSaid) {
  std::string last = "?";
  std::promise<void> ended;
  ScriptedNode node({[&](Peer& peer) {
    peer.ReadRequest();
    last = peer.ReadRequest();
    ended.set_value();
  }});
  const auto stream = Open(node, WithTimeout(Context(), absl::Milliseconds(20)));
  ASSERT_THAT(stream, IsOk());
  EXPECT_THAT(Recv(**stream), IsMicroError(408, "go.micro.client", "context deadline exceeded"));
  ended.get_future().get();
  EXPECT_EQ(last, "");

  auto [ctx, cancel] = WithCancel(Context());
  ScriptedNode other({[&, &cancel = cancel](Peer& peer) {
    peer.ReadRequest();
    cancel();
    peer.AwaitEnd();
  }});
  const auto cancelled = Open(other, ctx);
  ASSERT_THAT(cancelled, IsOk());
  EXPECT_THAT(Recv(**cancelled), IsMicroError(408, "go.micro.client", "context canceled"));
}

TEST_F(RpcStream, SaysWhyItCannotBeOpened) {
  ScriptedNode node({[](Peer& peer) { peer.AwaitEnd(); }});
  EXPECT_THAT(Open(node, WithMetadata(Context(), "song", "a\nb")),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"song\"")));
  EXPECT_THAT(Open(node, Context(), "application/nosuch"),
              IsMicroError(500, "go.micro.client", "unsupported Content-Type: application/nosuch"));
  EXPECT_THAT(Open(node, WithTimeout(Context(), absl::ZeroDuration())),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(node.connections(), 0);
  node.StopListening();
  const auto stream = Open(node);
  EXPECT_THAT(stream, StatusIs(absl::StatusCode::kUnavailable, HasSubstr(node.address())));
  EXPECT_TRUE(IsUnsent(stream.status()));
}

TEST_F(RpcStream, HoldsLittleOfWhatNobodyReceives) {
  size_t written = 0;
  std::promise<void> full;
  ScriptedNode node({[&](Peer& peer) {
    peer.ReadRequest();
    written = peer.WriteUntilFull(AnswerOf(std::string(1000, 'x')), 256 << 20);
    full.set_value();
    peer.AwaitEnd();
  }});
  const auto stream = Open(node);
  ASSERT_THAT(stream, IsOk());
  full.get_future().get();
  EXPECT_LT(written, size_t{64} << 20) << "more than what the kernel holds for both";
  EXPECT_THAT(Recv(**stream), IsOkAndHolds(std::string(1000, 'x')));
}

TEST_F(RpcStream, SendWaitsForAReaderThatDoesNotRead) {
  std::promise<void> leave;
  ScriptedNode node({[&](Peer&) { leave.get_future().get(); }});
  const auto stream = Open(node);
  ASSERT_THAT(stream, IsOk());
  // More than the kernel holds: the last Send waits until the stream ends.
  std::atomic<int> sent = 0;
  std::atomic<bool> cancelled = false;
  const auto send = [&]() -> Task<void> {
    const codec::Frame message{std::string(1 << 20, 'x')};
    while (true) {
      const absl::Status status = co_await (*stream)->Send(message);
      if (!status.ok()) {
        cancelled = absl::IsCancelled(status);
        co_return;
      }
      ++sent;
    }
  };
  TaskScope scope;
  Spawn(scope, send());
  // It stands still when it has not moved for a while; should it only be slow, nothing is lost.
  for (int before = -1; before != sent;) {
    before = sent;
    (void)BlockOn(Sleep(Context(), absl::Milliseconds(100)));
  }
  EXPECT_LT(sent, 64);
  (*stream)->Cancel();
  scope.Join();
  EXPECT_TRUE(cancelled);
  leave.set_value();
}

TEST_F(RpcStream, SendsAndReceivesAtOnce) {
  ScriptedNode node({[](Peer& peer) {
    peer.ReadRequest();
    while (true) {
      const std::string request = peer.ReadRequest();
      if (request.empty() || request.find("EOS") != request.npos) return;
      peer.Write(AnswerOf(request.substr(request.find("\r\n\r\n") + 4)));
    }
  }});
  const auto stream = Open(node);
  ASSERT_THAT(stream, IsOk());
  constexpr int kMessages = 1000;
  const auto send = [&]() -> Task<void> {
    for (int i = 0; i < kMessages; ++i) {
      const codec::Frame message{std::to_string(i)};
      EXPECT_THAT(co_await (*stream)->Send(message), IsOk());
    }
  };
  TaskScope scope;
  Spawn(scope, send());
  for (int i = 0; i < kMessages; ++i) ASSERT_THAT(Recv(**stream), IsOkAndHolds(std::to_string(i)));
  scope.Join();
}

}  // namespace
}  // namespace micro::rpc
