// How a server starts and stops.
#include <future>

#include "core/net/loops.h"
#include "core/task_scope.h"
#include "micro/rpc/served_greeter.h"

namespace micro::rpc {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr absl::Duration kLong = absl::Minutes(1);

std::string Hello() { return JsonRequest("Greeter.Hello", "{}"); }
std::string Wait() { return JsonRequest("Greeter.Wait", "{}"); }

// The last that an idle peer hears of a server that stops: no request of its has come.
void ExpectFarewell(Peer& peer) {
  EXPECT_THAT(peer.Read(), StartsWith("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n"));
  EXPECT_TRUE(peer.AtEnd());
  peer.Close();
}

std::future<void> StartStop(ServedGreeter& greeter, absl::Duration grace) {
  return std::async(std::launch::async, [&greeter, grace] { BlockOn(greeter.wire->Stop(grace)); });
}

TEST(RpcStart, RefusesATakenPort) {
  ServedGreeter greeter;
  EXPECT_THAT(NewRpcServer({})->Start("127.0.0.1", greeter.port, {}),
              StatusIs(absl::StatusCode::kUnavailable,
                       "cannot listen on 127.0.0.1:" + std::to_string(greeter.port) +
                           ": Address already in use (flag --server_address)"));
}

TEST(RpcStart, ListensOnAllInterfaces) {
  const auto wire = NewRpcServer({.name = "nothing"});
  const absl::StatusOr<int> port = wire->Start("", 0, {});
  ASSERT_THAT(port, IsOk());
  Peer peer(*port);
  peer.Send(Hello());
  EXPECT_EQ(HeaderOf(peer.Read(), "Micro-Error"), "rpc: can't find service Greeter");
}

TEST(RpcStop, TellsInEachAnswerThatItLeavesAndServesOn) {
  ServedGreeter greeter;
  Peer early(greeter.port);
  early.Send(Hello());
  EXPECT_EQ(HeaderOf(early.Read(), "Connection"), "");
  greeter.wire->Leave();
  for (int i = 0; i < 3; ++i) {  // to one who does not listen
    early.Send(Hello());
    EXPECT_EQ(HeaderOf(early.Read(), "Connection"), "close");
  }
  Peer late(greeter.port);
  late.Send(Hello());
  EXPECT_EQ(HeaderOf(late.Read(), "Connection"), "close");
}

TEST(RpcStop, TakesLeaveOfIdleConnections) {
  ServedGreeter greeter;
  Peer used(greeter.port), fresh(greeter.port);
  used.Send(Hello());
  used.Read();
  std::future<void> stopped = StartStop(greeter, kLong);
  ExpectFarewell(used);
  ExpectFarewell(fresh);
  stopped.get();
}

TEST(RpcStop, DoesNotWaitLongForAnIdlePeerThatStays) {
  ServedGreeter greeter({.linger = absl::Milliseconds(20)});
  Peer peer(greeter.port);
  peer.Send(Hello());
  peer.Read();
  BlockOn(greeter.wire->Stop(kLong));
}

// What is sent while the server stops is answered, or the peer learns that nobody has seen it.
TEST(RpcStop, LosesNoRequest) {
  for (int round = 0; round < 20; ++round) {
    ServedGreeter greeter;
    std::vector<Peer> peers;
    for (int i = 0; i < 20; ++i) {
      peers.emplace_back(greeter.port);
      peers.back().Send(Hello());
    }
    std::future<void> stopped = StartStop(greeter, kLong);
    for (Peer& peer : peers) {
      const std::string answer = peer.Read();
      EXPECT_THAT(answer, AnyOf(StartsWith("HTTP/1.1 200 OK"), StartsWith("HTTP/1.1 408 ")));
      if (!answer.starts_with("HTTP/1.1 408 ")) {
        peer.Send(Hello());
        EXPECT_THAT(peer.Read(),
                    AnyOf(StartsWith("HTTP/1.1 200 OK"), StartsWith("HTTP/1.1 408 "), IsEmpty()));
      }
      peer.Close();
    }
    stopped.get();
  }
}

TEST(RpcStop, WaitsForRunningCallsAndAnswersThem) {
  ServedGreeter greeter;
  Peer running(greeter.port), idle(greeter.port);
  idle.Send(Hello());
  idle.Read();
  running.Send(Wait());
  greeter.gate.WaitFor(1);
  std::future<void> stopped = StartStop(greeter, kLong);
  ExpectFarewell(idle);  // it has begun
  greeter.gate.OpenAll();
  const std::string response = running.Read();
  EXPECT_THAT(response, StartsWith("HTTP/1.1 200 OK\r\nConnection: close\r\n"));
  EXPECT_TRUE(running.AtEnd());
  running.Close();
  stopped.get();
}

TEST(RpcStop, TakesNoNewConnections) {
  ServedGreeter greeter;
  Peer running(greeter.port), idle(greeter.port);
  idle.Send(Hello());
  idle.Read();
  running.Send(Wait());
  greeter.gate.WaitFor(1);
  std::future<void> stopped = StartStop(greeter, kLong);
  ExpectFarewell(idle);
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(greeter.port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_NE(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  close(fd);
  greeter.gate.OpenAll();
  running.Read();
  running.Close();
  stopped.get();
}

TEST(RpcStop, AnswersWhatArrivesOnAConnectionMeanwhile) {
  ServedGreeter greeter;
  Peer running(greeter.port), idle(greeter.port);
  idle.Send(Hello());
  idle.Read();
  running.Send(Wait() + Hello().substr(0, 10));
  greeter.gate.WaitFor(1);
  std::future<void> stopped = StartStop(greeter, kLong);
  ExpectFarewell(idle);
  greeter.gate.OpenAll();
  EXPECT_EQ(HeaderOf(running.Read(), "Connection"), "");
  running.Send(Hello().substr(10));
  const std::string response = running.Read();
  EXPECT_EQ(HeaderOf(response, "Connection"), "close");
  EXPECT_THAT(response, HasSubstr("Hello"));
  EXPECT_TRUE(running.AtEnd());
  running.Close();
  stopped.get();
}

TEST(RpcStop, CancelsWhatRunsLongerThanItsGrace) {
  ServedGreeter greeter;
  Peer unary(greeter.port), stream(greeter.port);
  unary.Send(Wait());
  stream.Send(JsonRequest("Greeter.Chat", "", "Micro-Stream: 1\n"));
  greeter.gate.WaitFor(1);
  EXPECT_EQ(greeter.seen.At(0), "chat");
  BlockOn(greeter.wire->Stop(absl::Milliseconds(20)));
  EXPECT_THAT(HeaderOf(unary.Read(), "Micro-Error"), HasSubstr("context canceled"));
  EXPECT_THAT(HeaderOf(stream.Read(), "Micro-Error"), HasSubstr("the server is stopping"));
  EXPECT_TRUE(unary.AtEnd());
  EXPECT_TRUE(stream.AtEnd());
}

TEST(RpcStop, WaitsForStreamsToEnd) {
  ServedGreeter greeter;
  Peer peer(greeter.port), idle(greeter.port);
  idle.Send(Hello());
  idle.Read();
  const auto chat = [](const std::string& name) {
    return JsonRequest("Greeter.Chat", "{\"userName\":\"" + name + "\"}", "Micro-Stream: 1\n");
  };
  peer.Send(chat("") + chat("one"));
  EXPECT_THAT(peer.Read(), HasSubstr("one"));
  std::future<void> stopped = StartStop(greeter, kLong);
  ExpectFarewell(idle);
  peer.Send(chat("two"));
  EXPECT_THAT(peer.Read(), HasSubstr("two"));
  peer.Send(chat("end"));
  EXPECT_EQ(HeaderOf(peer.Read(), "Micro-Error"), "EOS");
  EXPECT_TRUE(peer.AtEnd());
  peer.Close();
  stopped.get();
}

TEST(RpcStop, DoesNotWaitForAPeerThatTakesNothing) {
  ServedGreeter greeter({.linger = absl::Milliseconds(20), .unsent_bytes = 1000});
  Peer peer(greeter.port, /*receive_buffer=*/4096);
  peer.Send(JsonRequest("Greeter.Count", "", "Micro-Stream: 1\n") +
            JsonRequest("Greeter.Count", "{\"accountId\":\"100000\",\"quota\":\"10000\"}",
                        "Micro-Stream: 1\n"));
  EXPECT_EQ(greeter.seen.At(0), "sent");
  BlockOn(greeter.wire->Stop(absl::Milliseconds(20)));
}

TEST(RpcStop, LeavesBehindAHandlerThatDoesNotEnd) {
  auto slot = std::make_shared<OneShot<bool>>();
  std::promise<void> began, ended;
  std::vector<ServedEndpoint> endpoints;
  endpoints.push_back(
      {.handler = "Deaf",
       .endpoint = UnaryEndpoint<User, User>(
           MethodOf("Deaf.Wait"), [&](const Context&, const User&, User&) -> Task<absl::Status> {
             began.set_value();
             (void)co_await slot->Wait();
             ended.set_value();
             co_return absl::OkStatus();
           })});
  auto wire = NewRpcServer({.name = "deaf", .cancel_timeout = absl::Milliseconds(20)});
  const int port = wire->Start("127.0.0.1", 0, std::move(endpoints)).value();
  Peer peer(port);
  peer.Send(JsonRequest("Deaf.Wait", ""));
  began.get_future().wait();
  BlockOn(wire->Stop(absl::Milliseconds(20)));
  wire.reset();
  slot->TrySet(true);
  ended.get_future().wait();
}

TEST(RpcStop, MayRunOnALoopsThread) {
  ServedGreeter greeter;
  Peer peer(greeter.port);
  peer.Send(Hello());
  peer.Read();
  const auto stop = [](ServerWire& wire) -> Task<void> {
    co_await net::Loops::Default()[0].Enter();
    co_await wire.Stop(kLong);
  };
  peer.EndWrites();
  BlockOn(stop(*greeter.wire));
}

TEST(RpcStop, IsDoneByTheDestructorToo) {
  auto greeter = std::make_unique<ServedGreeter>();
  Peer peer(greeter->port);
  peer.Send(Wait());
  greeter->gate.WaitFor(1);
  greeter->wire.reset();
  EXPECT_THAT(HeaderOf(peer.Read(), "Micro-Error"), HasSubstr("context canceled"));
}

}  // namespace
}  // namespace micro::rpc
