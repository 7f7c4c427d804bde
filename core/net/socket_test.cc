#include "core/net/socket.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <deque>
#include <fstream>
#include <functional>
#include <future>
#include <map>
#include <thread>

#include "core/mutex.h"
#include "core/testing/certificates.h"
#include "core/testing/status_matchers.h"

namespace micro::net {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr absl::Duration kLong = absl::Minutes(1);  // no healthy run needs it

// Runs `work` on the loop and waits for it.
void OnLoop(Loop& loop, const std::function<void()>& work) {
  std::promise<void> done;
  loop.Post([&] {
    work();
    done.set_value();
  });
  done.get_future().wait();
}

// A socket that a test's own thread uses, one call at a time.
class BlockingSocket {
 public:
  BlockingSocket(Loop& loop, std::unique_ptr<Socket> socket)
      : loop_(&loop), socket_(std::move(socket)) {}
  BlockingSocket(BlockingSocket&&) = default;
  ~BlockingSocket() {
    if (socket_ != nullptr) Destroy();
  }

  std::future<absl::StatusOr<std::string>> StartRead(size_t size = 64 << 10) {
    auto result = std::make_shared<std::promise<absl::StatusOr<std::string>>>();
    auto buffer = std::make_shared<std::string>(size, '\0');
    OnLoop(*loop_, [&] {
      socket_->Read(buffer->data(), size, [buffer, result](absl::Status status, size_t count) {
        if (!status.ok()) return result->set_value(std::move(status));
        result->set_value(buffer->substr(0, count));
      });
    });
    return result->get_future();
  }
  absl::StatusOr<std::string> Read() { return StartRead().get(); }

  absl::StatusOr<std::string> ReadAll(size_t size) {
    std::string all;
    while (all.size() < size) {
      absl::StatusOr<std::string> part = Read();
      if (!part.ok()) return part.status();
      all += *part;
    }
    return all;
  }

  std::future<absl::Status> StartWrite(std::string bytes) {
    auto result = std::make_shared<std::promise<absl::Status>>();
    auto kept = std::make_shared<std::string>(std::move(bytes));
    OnLoop(*loop_, [&] {
      socket_->Write(*kept,
                     [kept, result](absl::Status status) { result->set_value(std::move(status)); });
    });
    return result->get_future();
  }
  absl::Status Write(std::string bytes) { return StartWrite(std::move(bytes)).get(); }

  size_t TryWrite(std::string_view bytes) {
    size_t count = 0;
    OnLoop(*loop_, [&] { count = socket_->TryWrite(bytes); });
    return count;
  }

  void SetReadLowWater(size_t bytes) {
    OnLoop(*loop_, [&] { socket_->SetReadLowWater(bytes); });
  }

  void EndWrites() {
    OnLoop(*loop_, [&] { socket_->EndWrites(); });
  }
  void Close() {
    OnLoop(*loop_, [&] { socket_->Close(); });
  }
  void Destroy() {
    OnLoop(*loop_, [&] { socket_.reset(); });
  }
  std::string local() const { return socket_->local(); }
  std::string remote() const { return socket_->remote(); }

 private:
  Loop* loop_;
  std::unique_ptr<Socket> socket_;
};

// A listener on loopback that keeps what it accepts.
class Server {
 public:
  explicit Server(std::shared_ptr<const Tls> tls = nullptr, absl::Duration handshake = kLong) {
    auto listener = Listener::Listen(loops_, "127.0.0.1", 0, std::move(tls), handshake,
                                     [this](Loop& loop, std::unique_ptr<Socket> socket) {
                                       EXPECT_TRUE(loop.IsCurrent());
                                       MutexLock lock(mutex_);
                                       accepted_.emplace_back(loop, std::move(socket));
                                       changed_.NotifyAll();
                                     });
    EXPECT_THAT(listener, IsOk());
    listener_ = *std::move(listener);
  }
  ~Server() { listener_.reset(); }

  std::string address() const { return "127.0.0.1:" + std::to_string(listener_->port()); }
  int port() const { return listener_->port(); }
  Listener& listener() { return *listener_; }
  Loops& loops() { return loops_; }

  BlockingSocket Accept() {
    MutexLock lock(mutex_);
    while (accepted_.empty()) changed_.Wait(mutex_);
    BlockingSocket socket = std::move(accepted_.front());
    accepted_.pop_front();
    return socket;
  }

 private:
  Loops loops_{2};
  Mutex mutex_;
  CondVar changed_;
  std::deque<BlockingSocket> accepted_;
  std::unique_ptr<Listener> listener_;
};

absl::StatusOr<BlockingSocket> Dial(Loop& loop, const std::string& address,
                                    std::shared_ptr<const Tls> tls = nullptr,
                                    absl::Duration timeout = kLong) {
  std::promise<absl::StatusOr<std::unique_ptr<Socket>>> result;
  Connect(loop, address, std::move(tls), timeout,
          [&](absl::StatusOr<std::unique_ptr<Socket>> socket) {
            EXPECT_TRUE(loop.IsCurrent());
            result.set_value(std::move(socket));
          });
  auto socket = result.get_future().get();
  if (!socket.ok()) return socket.status();
  return BlockingSocket(loop, *std::move(socket));
}

// A TCP connection below all of ours.
class RawConnection {
 public:
  RawConnection() : fd_(socket(AF_INET, SOCK_STREAM, 0)) {}
  explicit RawConnection(int port) : RawConnection() { Connect(port); }
  ~RawConnection() { close(fd_); }

  void Connect(int port) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  }

  // Gone as a peer whose process was killed with unread bytes: RST instead of FIN.
  void Reset() {
    const linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fd_);
    fd_ = -1;
  }
  bool WaitForEnd() {
    char byte;
    return recv(fd_, &byte, 1, 0) <= 0;
  }

 private:
  int fd_;
};

struct Certificates {
  CertificateAuthority authority{"authority"}, stranger{"stranger"};
  Certificate server = authority.Sign("server", "DNS:greeter.test,IP:127.0.0.1");
  Certificate caller = authority.Sign("caller", "DNS:caller.test");
  Certificate strangers_caller = stranger.Sign("caller", "DNS:caller.test");
};
const Certificates& Made() {
  static const Certificates& made = *new Certificates;
  return made;
}

std::shared_ptr<const Tls> ServerTls(TlsOptions more = {}) {
  more.cert = Made().server.cert;
  more.key = Made().server.key;
  return NewServerTls(more).value();
}
std::shared_ptr<const Tls> ClientTls(TlsOptions more = {}) {
  if (more.ca.empty()) more.ca = Made().authority.cert();
  return NewClientTls(more).value();
}

std::string Noise(size_t size) {
  std::string noise(size, '\0');
  uint32_t state = 1;
  for (char& c : noise) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  return noise;
}

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

TEST(TlsSocket, RefusesACertificateOfAnotherAuthority) {
  Server server(ServerTls());
  EXPECT_THAT(Dial(server.loops()[0], server.address(), ClientTls({.ca = Made().stranger.cert()})),
              StatusIs(absl::StatusCode::kUnavailable,
                       AllOf(HasSubstr("TLS handshake with " + server.address()),
                             HasSubstr("its certificate is refused: "))));
}

TEST(TlsSocket, RefusesAnAuthorityThatTheSystemDoesNotTrust) {
  Server server(ServerTls());
  EXPECT_THAT(Dial(server.loops()[0], server.address(), NewClientTls({}).value()),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("its certificate is refused: ")));
}

TEST(TlsSocket, RefusesACertificateOfAnotherName) {
  Server server(ServerTls());
  EXPECT_THAT(Dial(server.loops()[0], server.address(), ClientTls({.server_name = "other.test"})),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("ostname mismatch")));
  EXPECT_THAT(Dial(server.loops()[0], server.address(), ClientTls({.server_name = "127.0.0.2"})),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("IP address mismatch")));
}

TEST(TlsSocket, TakesACertificateOfTheExpectedName) {
  Server server(ServerTls());
  EXPECT_THAT(Dial(server.loops()[0], server.address(), ClientTls({.server_name = "greeter.test"})),
              IsOk());
}

TEST(TlsSocket, SpeaksTheOneProtocol) {
  Server server(ServerTls({.alpn = "http/1.1"}));
  Loop& loop = server.loops()[0];
  EXPECT_THAT(Dial(loop, server.address(), ClientTls({.alpn = "http/1.1"})), IsOk());
  EXPECT_THAT(Dial(loop, server.address(), ClientTls()), IsOk());
  EXPECT_THAT(Dial(loop, server.address(), ClientTls({.alpn = "h2"})),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("no application protocol")));
}

TEST(TlsSocket, MutuallyKnowsItsCallers) {
  Server server(ServerTls({.ca = Made().authority.cert()}));
  BlockingSocket client = Dial(server.loops()[0], server.address(),
                               ClientTls({.cert = Made().caller.cert, .key = Made().caller.key}))
                              .value();
  EXPECT_THAT(client.Write("hello"), IsOk());
  EXPECT_THAT(server.Accept().Read(), IsOkAndHolds("hello"));
}

// TLS 1.3 lets a client finish before the server has judged its certificate: the refusal is read.
TEST(TlsSocket, MutuallyRefusesStrangers) {
  Server server(ServerTls({.ca = Made().authority.cert()}));
  for (const TlsOptions& options : {TlsOptions{}, TlsOptions{.cert = Made().strangers_caller.cert,
                                                             .key = Made().strangers_caller.key}}) {
    auto client = Dial(server.loops()[0], server.address(), ClientTls(options));
    const absl::Status status = client.ok() ? client->Read().status() : client.status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("alert")));
  }
}

TEST(TlsSocket, AnEndWithoutAGoodbyeIsALoss) {
  // A proxy that cuts the connection below TLS.
  Server server(ServerTls()), proxy;
  auto client = std::async(std::launch::async,
                           [&] { return Dial(proxy.loops()[0], proxy.address(), ClientTls()); });
  BlockingSocket front = proxy.Accept();
  BlockingSocket back = Dial(proxy.loops()[1], server.address()).value();
  std::thread up([&] {
    for (auto part = front.Read(); part.ok(); part = front.Read()) (void)back.Write(*part);
  });
  std::thread down([&] {
    for (auto part = back.Read(); part.ok(); part = back.Read()) (void)front.Write(*part);
  });
  BlockingSocket socket = client.get().value();
  BlockingSocket accepted = server.Accept();
  auto read = socket.StartRead();
  front.Close();
  EXPECT_THAT(read.get(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("is lost: ")));
  back.Close();
  up.join();
  down.join();
}

TEST(TlsListener, DropsAHandshakeThatTakesTooLong) {
  Server server(ServerTls(), absl::Milliseconds(50));
  RawConnection says_nothing(server.port());
  EXPECT_TRUE(says_nothing.WaitForEnd());
}

TEST(TlsListener, DropsHandshakesAtItsClose) {
  Server server(ServerTls());
  RawConnection says_nothing(server.port());
  // The next connection is taken up after it.
  EXPECT_THAT(Dial(server.loops()[0], server.address(), ClientTls()), IsOk());
  server.Accept();
  server.listener().Close();
  EXPECT_TRUE(says_nothing.WaitForEnd());
}

TEST(TlsListener, ServesOnAfterThoseItRefused) {
  Server server(ServerTls());
  EXPECT_FALSE(
      Dial(server.loops()[0], server.address(), ClientTls({.ca = Made().stranger.cert()})).ok());
  RawConnection(server.port()).Reset();
  EXPECT_THAT(Dial(server.loops()[0], server.address(), ClientTls()), IsOk());
}

TEST(TlsFiles, ThatCannotBeUsedAreNamed) {
  const Certificate& server = Made().server;
  const auto error_of = [](const TlsOptions& options) {
    return std::string(NewServerTls(options).status().message());
  };
  EXPECT_EQ(error_of({.cert = "/nowhere/cert.pem", .key = server.key}),
            "cannot read /nowhere/cert.pem: No such file or directory");
  EXPECT_EQ(error_of({.cert = server.key, .key = server.key}),
            "cannot use " + server.key + ": it holds no PEM certificate");
  EXPECT_EQ(error_of({.cert = server.cert, .key = Made().caller.key}),
            "cannot use " + Made().caller.key + ": it holds no PEM key of the certificate " +
                server.cert);
  EXPECT_EQ(error_of({.ca = server.key, .cert = server.cert, .key = server.key}),
            "cannot use " + server.key + ": it holds no PEM certificate");
  EXPECT_EQ(error_of({}), "a TLS server needs a certificate and its key");
  EXPECT_EQ(error_of({.cert = server.cert}),
            "a TLS certificate and its key go together: only one is set");
}

}  // namespace
}  // namespace micro::net
