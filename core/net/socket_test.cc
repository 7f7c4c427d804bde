// Sockets over plain TCP and what holds over TLS as well, connecting, listening.
#include <sys/resource.h>

#include <future>
#include <map>

#include "core/net/socket_fixture.h"

namespace micro::net {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// What holds over plain TCP and over TLS.
class AnySocket : public ::testing::TestWithParam<bool> {
 protected:
  AnySocket()
      : server_(GetParam() ? ServerTls() : nullptr),
        client_(Dial(server_.loops()[0], server_.address(), GetParam() ? ClientTls() : nullptr)
                    .value()),
        accepted_(server_.Accept()) {}

  Server server_;
  BlockingSocket client_, accepted_;
};

INSTANTIATE_TEST_SUITE_P(Over, AnySocket, ::testing::Bool(),
                         [](const auto& tls) { return tls.param ? "Tls" : "Plain"; });

TEST_P(AnySocket, CarriesBytesBothWays) {
  for (const std::string said : {"one", "two", "three"}) {
    EXPECT_THAT(client_.Write(said), IsOk());
    EXPECT_THAT(accepted_.Read(), IsOkAndHolds(said));
    EXPECT_THAT(accepted_.Write("again " + said), IsOk());
    EXPECT_THAT(client_.Read(), IsOkAndHolds("again " + said));
  }
}

TEST_P(AnySocket, KnowsItsAddresses) {
  EXPECT_EQ(client_.remote(), server_.address());
  EXPECT_EQ(client_.local(), accepted_.remote());
  EXPECT_EQ(client_.remote(), accepted_.local());
}

TEST_P(AnySocket, WaitsForItsLowWaterItsLoweringOrTheEnd) {
  client_.SetReadLowWater(6);
  auto whole = client_.StartRead();
  EXPECT_THAT(accepted_.Write("in "), IsOk());
  if (!GetParam()) EXPECT_THAT(accepted_.Write("pieces"), IsOk());  // TLS has no low water
  EXPECT_THAT(whole.get(), IsOkAndHolds(GetParam() ? "in " : "in pieces"));

  auto lowered = client_.StartRead();
  EXPECT_THAT(accepted_.Write("less"), IsOk());
  client_.SetReadLowWater(1);
  EXPECT_THAT(lowered.get(), IsOkAndHolds("less"));

  client_.SetReadLowWater(6);
  auto last = client_.StartRead();
  EXPECT_THAT(accepted_.Write("end"), IsOk());
  accepted_.EndWrites();
  EXPECT_THAT(last.get(), IsOkAndHolds("end"));
  EXPECT_EQ(client_.Read().status().code(), absl::StatusCode::kOutOfRange);
}

TEST_P(AnySocket, CarriesMoreThanTheKernelHolds) {
  const std::string noise = Noise(8 << 20);
  std::future<absl::Status> there = client_.StartWrite(noise);
  std::future<absl::Status> back = accepted_.StartWrite(noise);
  EXPECT_TRUE(accepted_.ReadAll(noise.size()).value() == noise);
  EXPECT_TRUE(client_.ReadAll(noise.size()).value() == noise);
  EXPECT_THAT(there.get(), IsOk());
  EXPECT_THAT(back.get(), IsOk());
}

TEST_P(AnySocket, WritesAtOnceWhatItCan) {
  const std::string noise = Noise(8 << 20);
  const size_t taken = client_.TryWrite(noise);
  EXPECT_LT(taken, noise.size());
  std::future<absl::Status> written = client_.StartWrite(noise.substr(taken));
  EXPECT_EQ(client_.TryWrite("between"), 0u);
  EXPECT_TRUE(accepted_.ReadAll(noise.size()).value() == noise);
  EXPECT_THAT(written.get(), IsOk());
}

TEST_P(AnySocket, CloseEndsAReadAndAWriteThatWait) {
  auto read = client_.StartRead();
  auto write = client_.StartWrite(Noise(16 << 20));
  client_.Close();
  EXPECT_THAT(read.get(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(write.get(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(client_.Read(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(client_.Write("late"), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(client_.TryWrite("late"), 0u);
}

TEST_P(AnySocket, ItsDestructionEndsAReadAndAWriteThatWait) {
  auto read = client_.StartRead();
  auto write = client_.StartWrite(Noise(16 << 20));
  client_.Destroy();
  EXPECT_THAT(read.get(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(write.get(), StatusIs(absl::StatusCode::kCancelled));
}

TEST_P(AnySocket, ThePeersCloseIsTheEnd) {
  EXPECT_THAT(client_.Write("last words"), IsOk());
  client_.Close();
  EXPECT_THAT(accepted_.Read(), IsOkAndHolds("last words"));
  EXPECT_THAT(accepted_.Read(), StatusIs(absl::StatusCode::kOutOfRange));
}

TEST_P(AnySocket, ReadsOnAfterItsLastWrite) {
  EXPECT_THAT(client_.Write("question"), IsOk());
  EXPECT_THAT(accepted_.Read(), IsOkAndHolds("question"));
  EXPECT_THAT(accepted_.Write("last words"), IsOk());
  accepted_.EndWrites();
  EXPECT_THAT(client_.Read(), IsOkAndHolds("last words"));
  EXPECT_THAT(client_.Read(), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(client_.Write(Noise(1 << 20)), IsOk());
  client_.Close();
  size_t count = 0;
  for (auto part = accepted_.Read(); part.ok(); part = accepted_.Read()) count += part->size();
  EXPECT_GE(count, (1u << 20) - (64u << 10));  // over TLS the goodbye takes some
}

TEST_P(AnySocket, AWriteToAPeerThatIsGoneFails) {
  accepted_.Destroy();
  absl::Status status;
  while (status.ok()) status = client_.Write(Noise(1 << 20));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("is lost: ")));
}

TEST(PlainSocket, APeerThatVanishesIsALostConnection) {
  Server server;
  RawConnection raw(server.port());
  BlockingSocket socket = server.Accept();
  auto read = socket.StartRead();
  raw.Reset();
  EXPECT_THAT(read.get(), StatusIs(absl::StatusCode::kUnavailable,
                                   AllOf(HasSubstr(socket.remote()), HasSubstr("is lost: "))));
}

TEST(PlainSocket, CallbacksThatALoopLeavesBehindAreFreed) {
  const auto kept = std::make_shared<std::string>(100, ' ');
  Server server;
  {
    Loop loop;
    std::promise<void> reading;
    Connect(loop, server.address(), nullptr, kLong,
            [&](absl::StatusOr<std::unique_ptr<Socket>> connected) {
              // The callback owns the socket that owns it.
              std::shared_ptr<Socket> own = *std::move(connected);
              own->Read(kept->data(), kept->size(), [own, kept](absl::Status, size_t) {});
              reading.set_value();
            });
    reading.get_future().wait();
  }
  EXPECT_EQ(kept.use_count(), 1);
}

TEST(Connect, SaysThatNobodyListens) {
  Loop loop;
  std::string address;
  {
    Server server;
    address = server.address();
  }
  EXPECT_THAT(Dial(loop, address),
              StatusIs(absl::StatusCode::kUnavailable,
                       "cannot connect to " + address + ": Connection refused"));
}

TEST(Connect, SaysThatAnAddressIsNone) {
  Loop loop;
  for (const std::string address :
       {"", "nowhere", ":80", "host:", "host:0", "host:70000", "[]:1"}) {
    EXPECT_THAT(Dial(loop, address), StatusIs(absl::StatusCode::kInvalidArgument,
                                              StartsWith("\"" + address + "\" is no address")));
  }
}

TEST(Connect, SaysThatANameIsUnknown) {
  Loop loop;
  EXPECT_THAT(Dial(loop, "nobody.invalid:80"),
              StatusIs(absl::StatusCode::kUnavailable,
                       StartsWith("cannot connect to nobody.invalid:80: ")));
}

TEST(Connect, LooksNamesUp) {
  Server server;
  auto client = Dial(server.loops()[0], "localhost:" + std::to_string(server.port()));
  ASSERT_THAT(client, IsOk());
  EXPECT_EQ(client->remote(), server.address());
}

// A listener whose queue is full leaves connections without an answer.
TEST(Connect, GivesUpAfterItsTimeout) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(listen(listener, 0), 0);
  socklen_t size = sizeof(address);
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  RawConnection fills_the_queue(ntohs(address.sin_port));
  Loop loop;
  const std::string where = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  EXPECT_THAT(Dial(loop, where, nullptr, absl::Milliseconds(50)),
              StatusIs(absl::StatusCode::kUnavailable,
                       "cannot connect to " + where + ": it took longer than 50ms"));
  close(listener);
}

TEST(Connect, GivesUpOnAHandshakeThatNobodyAnswers) {
  Server server;  // speaks no TLS
  EXPECT_THAT(Dial(server.loops()[0], server.address(), ClientTls(), absl::Milliseconds(50)),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("it took too long")));
}

TEST(Listener, RefusesATakenPort) {
  Server server;
  EXPECT_THAT(Listener::Listen(server.loops(), "127.0.0.1", server.port(), nullptr, kLong, nullptr),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("Address already in use")));
  EXPECT_THAT(Listener::Listen(server.loops(), "", server.port(), nullptr, kLong, nullptr),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("Address already in use")));
}

TEST(Listener, RefusesAnAddressOfAnotherMachine) {
  Loops loops(1);
  EXPECT_THAT(Listener::Listen(loops, "192.0.2.1", 0, nullptr, kLong, nullptr),
              StatusIs(absl::StatusCode::kUnavailable,
                       AllOf(HasSubstr("192.0.2.1"), HasSubstr("Cannot assign"))));
}

TEST(Listener, ListensOnAllInterfaces) {
  Loops loops(1);
  std::promise<std::string> local;
  auto listener = Listener::Listen(
      loops, "", 0, nullptr, kLong,
      [&](Loop&, std::unique_ptr<Socket> socket) { local.set_value(socket->local()); });
  ASSERT_THAT(listener, IsOk());
  RawConnection raw((*listener)->port());
  EXPECT_EQ(local.get_future().get(), "127.0.0.1:" + std::to_string((*listener)->port()));
}

TEST(Listener, SpreadsConnectionsOverTheLoops) {
  Loops loops(2);
  std::promise<void> all;
  Mutex mutex;
  std::map<Loop*, int> on;
  int count = 0;
  auto listener = Listener::Listen(loops, "127.0.0.1", 0, nullptr, kLong,
                                   [&](Loop& loop, std::unique_ptr<Socket>) {
                                     MutexLock lock(mutex);
                                     ++on[&loop];
                                     if (++count == 8) all.set_value();
                                   });
  ASSERT_THAT(listener, IsOk());
  std::deque<RawConnection> connections;
  for (int i = 0; i < 8; ++i) connections.emplace_back((*listener)->port());
  all.get_future().wait();
  EXPECT_EQ(on[&loops[0]], 4);
  EXPECT_EQ(on[&loops[1]], 4);
}

TEST(Listener, AcceptsNothingAfterItsClose) {
  Server server;
  const std::string address = server.address();
  server.listener().Close();
  EXPECT_THAT(Dial(server.loops()[0], address), StatusIs(absl::StatusCode::kUnavailable));
}

TEST(Listener, ItsPortIsFreeAfterItsClose) {
  Loops loops(1);
  int port = 0;
  {
    Server server;
    port = server.port();
    RawConnection one(port);
    server.Accept().Close();
  }
  EXPECT_THAT(Listener::Listen(loops, "127.0.0.1", port, nullptr, kLong, nullptr), IsOk());
}

TEST(Listener, PausesWithoutFileDescriptors) {
  Server server;
  RawConnection connection;  // has its descriptor before they run out
  rlimit before = {};
  getrlimit(RLIMIT_NOFILE, &before);
  const int next = dup(0);
  const rlimit few = {.rlim_cur = static_cast<rlim_t>(next + 8), .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  std::vector<int> all = {next};
  for (int fd = dup(0); fd >= 0; fd = dup(0)) all.push_back(fd);
  connection.Connect(server.port());
  // The loops have seen it, and could not take it.
  for (int turn = 0; turn < 3; ++turn) {
    for (size_t i = 0; i < server.loops().size(); ++i) OnLoop(server.loops()[i], [] {});
  }
  for (const int fd : all) close(fd);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  server.Accept();
}

}  // namespace
}  // namespace micro::net
