// What TLS adds: who is trusted, handshakes, files that cannot be used.
#include <thread>

#include "core/net/socket_fixture.h"

namespace micro::net {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

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
