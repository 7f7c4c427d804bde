// The server over TLS.
#include <future>

#include "core/net/socket.h"
#include "core/testing/certificates.h"
#include "micro/rpc/served_greeter.h"

namespace micro::rpc {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

struct Certificates {
  CertificateAuthority authority{"authority"};
  Certificate server = authority.Sign("server", "DNS:greeter.test,IP:127.0.0.1");
  Certificate caller = authority.Sign("caller", "DNS:caller.test");
};
const Certificates& Made() {
  static const Certificates& made = *new Certificates;
  return made;
}

ServerOptions Options() {
  return {.name = "greeter", .tls_cert = Made().server.cert, .tls_key = Made().server.key};
}

// Sends `request` over TLS and gives all that comes until the server's end, or why nothing came.
absl::StatusOr<std::string> Ask(int port, std::string request, net::TlsOptions tls = {}) {
  tls.ca = Made().authority.cert();
  tls.alpn = "http/1.1";
  struct Exchange {
    std::unique_ptr<net::Socket> socket;
    std::string request, answer;
    char buffer[4096];
    std::promise<absl::StatusOr<std::string>> done;

    void Read(std::shared_ptr<Exchange> self) {
      socket->Read(buffer, sizeof(buffer), [self](absl::Status status, size_t count) {
        self->answer.append(self->buffer, count);
        if (status.ok()) return self->Read(self);
        auto socket = std::move(self->socket);
        if (self->answer.empty()) return self->done.set_value(std::move(status));
        self->done.set_value(self->answer);
      });
    }
  };
  auto exchange = std::make_shared<Exchange>();
  exchange->request = std::move(request);
  auto done = exchange->done.get_future();
  net::Connect(net::Loops::Default()[0], "127.0.0.1:" + std::to_string(port),
               net::NewClientTls(tls).value(), absl::Minutes(1),
               [exchange](absl::StatusOr<std::unique_ptr<net::Socket>> socket) {
                 if (!socket.ok()) return exchange->done.set_value(socket.status());
                 exchange->socket = *std::move(socket);
                 exchange->Read(exchange);
                 exchange->socket->Write(exchange->request, [exchange](absl::Status) {});
               });
  return done.get();
}

std::string Closing(const std::string& body) {
  return JsonRequest("Greeter.Hello", body, "Connection: close\n");
}

TEST(RpcTls, AnswersCalls) {
  ServedGreeter greeter({}, Options());
  EXPECT_THAT(Ask(greeter.port, Closing("{\"userName\":\"A\"}")),
              IsOkAndHolds(HasSubstr("Hello A")));
  const std::string large(1'000'000, 'x');
  const auto answer = Ask(greeter.port, Closing("{\"userName\":\"" + large + "\"}"));
  ASSERT_THAT(answer, IsOk());
  EXPECT_TRUE(BodyOf(*answer) == "{\"userName\":\"Hello " + large + "\"}\n");
}

TEST(RpcTls, CarriesStreams) {
  ServedGreeter greeter({}, Options());
  const std::string count = JsonRequest(
      "Greeter.Count", "{\"accountId\":\"100\",\"quota\":\"10000\"}", "Micro-Stream: 1\n");
  const auto answer = Ask(
      greeter.port, JsonRequest("Greeter.Count", "", "Micro-Stream: 1\n") + count + Closing(""));
  ASSERT_THAT(answer, IsOk());
  EXPECT_THAT(*answer, HasSubstr("\"userName\":\"100\""));
  EXPECT_THAT(*answer, HasSubstr("Micro-Error: EOS"));
}

TEST(RpcTls, SaysWhyItRefuses) {
  ServedGreeter greeter({}, Options());
  EXPECT_THAT(Ask(greeter.port, "garbage\r\n\r\n"),
              IsOkAndHolds(StartsWith("HTTP/1.1 400 Bad Request")));
}

TEST(RpcTls, DropsCallersInPlainText) {
  ServedGreeter greeter({}, Options());
  Peer peer(greeter.port);
  peer.Send(Closing("{}"));
  EXPECT_THAT(peer.ReadToEnd(), Not(HasSubstr("HTTP")));
}

TEST(RpcTls, MutuallyKnowsItsCallers) {
  ServerOptions options = Options();
  options.tls_ca = Made().authority.cert();
  ServedGreeter greeter({}, options);
  EXPECT_THAT(
      Ask(greeter.port, Closing("{}"), {.cert = Made().caller.cert, .key = Made().caller.key}),
      IsOkAndHolds(HasSubstr("Hello")));
  EXPECT_THAT(Ask(greeter.port, Closing("{}")), StatusIs(absl::StatusCode::kUnavailable));
}

TEST(RpcTls, FilesThatCannotBeUsedAreNamedWithTheirFlags) {
  const auto error_of = [](const ServerOptions& options) {
    return std::string(NewRpcServer(options)->Start("127.0.0.1", 0, {}).status().message());
  };
  const Certificate& server = Made().server;
  EXPECT_EQ(error_of({.tls_cert = "/nowhere/cert.pem", .tls_key = server.key}),
            "cannot read /nowhere/cert.pem (flag --server_tls_cert): No such file or directory");
  EXPECT_EQ(error_of({.tls_cert = server.cert}),
            "--server_tls_cert and --server_tls_key go together: only one is set");
  EXPECT_EQ(error_of({.tls_ca = server.cert}),
            "--server_tls_ca needs --server_tls_cert and --server_tls_key");
  EXPECT_EQ(error_of({.tls_cert = server.cert, .tls_key = server.cert}),
            server.cert + " (flag --server_tls_key) holds no PEM PRIVATE KEY");
  EXPECT_THAT(error_of({.tls_cert = server.cert, .tls_key = Made().caller.key}),
              HasSubstr("no PEM key of the certificate " + server.cert +
                        " (flags --server_tls_cert, --server_tls_key"));
}

}  // namespace
}  // namespace micro::rpc
