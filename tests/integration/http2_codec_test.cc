// gRPC calls with another codec than protobuf, which go over HTTP/2 sessions of our own: as servers
// of ours answer them, and as other peers may.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <thread>

#include "core/async.h"
#include "core/status_macros.h"
#include "core/testing/certificates.h"
#include "core/testing/eventually.h"
#include "micro/wire.h"
#include "tests/integration/greeter_services.h"

namespace micro {
namespace {

using ::testing::HasSubstr;

const CallOptions kJson = {.content_type = "application/json", .retries = 0};

CallOptions JsonTo(const std::string& address) {
  CallOptions options = kJson;
  options.addresses = {address};
  return options;
}

class JsonOverGrpc : public ::testing::Test {
 protected:
  const registry::Options registry_ = OwnRegistry();
};

TEST_F(JsonOverGrpc, PassesTlsAsProtobufDoes) {
  const CertificateAuthority authority("authority"), stranger("stranger");
  const Certificate certificate = authority.Sign("server", "DNS:greeter.test,IP:127.0.0.1");
  ServiceOptions options = GreeterOptions(registry_);
  options.server.tls_cert = certificate.cert;
  options.server.tls_key = certificate.key;
  RunningGreeter server(std::move(options));
  for (const auto& [trusted, code] : {std::pair(&authority, absl::StatusCode::kOk),
                                      std::pair(&stranger, absl::StatusCode::kUnavailable)}) {
    auto caller = NewCaller(registry_, {.tls_ca = trusted->cert()});
    helloworld::GreeterService greeter("helloworld", caller->client());
    EXPECT_EQ(BlockOn(greeter.Hello(Context(), Named("x"), kJson)).status().code(), code);
  }
}

TEST_F(JsonOverGrpc, ComesBackWithTheNode) {
  auto caller = NewCaller(registry_);
  helloworld::GreeterService greeter("helloworld", caller->client());
  std::string address;
  {
    RunningGreeter server(GreeterOptions(registry_));
    address = server.address();
    ASSERT_THAT(BlockOn(greeter.Hello(Context(), Named("x"), JsonTo(address))), IsOk());
  }
  const auto gone = BlockOn(greeter.Hello(Context(), Named("x"), JsonTo(address)));
  EXPECT_THAT(gone, StatusIs(absl::StatusCode::kUnavailable, HasSubstr(address)));
  ServiceOptions options = GreeterOptions(registry_);
  options.server.address = address;
  RunningGreeter back(std::move(options));
  EXPECT_TRUE(Eventually(
      [&] { return BlockOn(greeter.Hello(Context(), Named("x"), JsonTo(address))).ok(); }));
}

TEST_F(JsonOverGrpc, ASlowReaderHoldsTheSenderUp) {
  // More than all windows hold: what is not received is not sent.
  constexpr int kMessages = 40'000;
  RunningGreeter server(GreeterOptions(registry_));
  auto caller = NewCaller(registry_);
  helloworld::GreeterService greeter("helloworld", caller->client());
  const auto count = [&]() -> Task<absl::StatusOr<int>> {
    helloworld::CountRequest request;
    request.set_n(kMessages);
    CO_ASSIGN_OR_RETURN(auto stream, co_await greeter.Count(Context(), request, kJson));
    CO_RETURN_IF_ERROR(co_await Sleep(Context(), absl::Milliseconds(100)));
    int received = 0;
    while (true) {
      CO_ASSIGN_OR_RETURN(const auto response, co_await stream.Recv());
      if (!response.has_value()) co_return received;
      if (response->i() != ++received) co_return absl::DataLossError("out of order");
    }
  };
  EXPECT_THAT(BlockOn(count()), IsOkAndHolds(kMessages));
}

TEST_F(JsonOverGrpc, EndsWithItsContext) {
  RunningGreeter server(GreeterOptions(registry_));
  auto caller = NewCaller(registry_);
  helloworld::GreeterService greeter("helloworld", caller->client());
  helloworld::SleepRequest request;
  request.set_ms(60'000);
  EXPECT_THAT(
      BlockOn(greeter.Sleep(WithTimeout(Context(), absl::Milliseconds(50)), request, kJson)),
      StatusIs(absl::StatusCode::kDeadlineExceeded));
  const auto cancelled = [&]() -> Task<absl::Status> {
    auto [ctx, cancel] = WithCancel(Context());
    CO_ASSIGN_OR_RETURN(auto stream, co_await greeter.Chat(ctx, kJson));
    helloworld::ChatMessage message;
    message.set_text("a");
    CO_RETURN_IF_ERROR(co_await stream.Send(message));
    CO_RETURN_IF_ERROR((co_await stream.Recv()).status());
    cancel();
    co_return (co_await stream.Recv()).status();
  };
  EXPECT_THAT(BlockOn(cancelled()), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(JsonOverGrpc, ACallerThatGoesEndsItsCalls) {
  RunningGreeter server(GreeterOptions(registry_));
  for (int i = 0; i < 20; ++i) {
    auto caller = NewCaller(registry_);
    helloworld::GreeterService greeter("helloworld", caller->client());
    auto stream = BlockOn(greeter.Chat(Context(), kJson));
    ASSERT_THAT(stream, IsOk());
    helloworld::ChatMessage message;
    message.set_text("a");
    EXPECT_THAT(BlockOn(stream->Send(message)), IsOk());
  }
}

// ---- Peers that a test scripts ----

std::string Frame(int type, int flags, int stream, std::string_view payload) {
  const std::string size = {static_cast<char>(payload.size() >> 16),
                            static_cast<char>(payload.size() >> 8),
                            static_cast<char>(payload.size())};
  return size + static_cast<char>(type) + static_cast<char>(flags) + std::string(3, '\0') +
         static_cast<char>(stream) + std::string(payload);
}

constexpr int kData = 0, kHeaders = 1, kReset = 3, kSettings = 4, kGoAway = 7;
constexpr int kEndStream = 1, kEndHeaders = 4;

// A header as HPACK writes a literal that is not indexed.
std::string Header(std::string_view name, std::string_view value) {
  return std::string(1, '\0') + static_cast<char>(name.size()) + std::string(name) +
         static_cast<char>(value.size()) + std::string(value);
}

std::string Answer(std::string_view http_status, std::string_view content_type) {
  return Frame(kHeaders, kEndHeaders, 1,
               Header(":status", http_status) + Header("content-type", content_type));
}

const std::string kGreeting = Frame(kSettings, 0, 0, "");
const std::string kGrpcAnswer = Answer("200", "application/grpc+json");

std::string Trailers(std::string_view headers) {
  return Frame(kHeaders, kEndHeaders | kEndStream, 1, headers);
}

std::string Message(std::string_view body, char compressed = 0) {
  return Frame(kData, 0, 1,
               std::string(1, compressed) + std::string(3, '\0') + static_cast<char>(body.size()) +
                   std::string(body));
}

// Takes one connection, waits for the call's first bytes, and says what it was told to.
class ScriptedPeer {
 public:
  ScriptedPeer(std::string script, bool closes)
      : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listener_, 8), 0);
    EXPECT_EQ(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    address_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    thread_ = std::thread([this, script = std::move(script), closes] {
      const int connection = accept(listener_, nullptr, nullptr);
      if (connection < 0) return;
      // The client's preface and its call may come apart: until the JSON of the request is there.
      std::string got;
      char bytes[4096];
      while (got.find("\"x\"") == std::string::npos) {
        const ssize_t count = read(connection, bytes, sizeof(bytes));
        if (count <= 0) break;
        got.append(bytes, static_cast<size_t>(count));
      }
      send(connection, script.data(), script.size(), MSG_NOSIGNAL);
      while (!closes && read(connection, bytes, sizeof(bytes)) > 0) {
      }
      close(connection);
    });
  }
  ~ScriptedPeer() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }

  const std::string& address() const { return address_; }

 private:
  const int listener_;
  std::string address_;
  std::thread thread_;
};

// What a JSON call gets from a peer that says `script`.
absl::StatusOr<helloworld::HelloResponse> CallScripted(std::string script, bool closes = true) {
  ScriptedPeer peer(std::move(script), closes);
  auto caller = NewCaller(OwnRegistry(), {.max_recv_message_size = 100});
  helloworld::GreeterService greeter("helloworld", caller->client());
  auto response = BlockOn(
      greeter.Hello(WithTimeout(Context(), absl::Seconds(20)), Named("x"), JsonTo(peer.address())));
  caller.reset();  // its connection, which the peer waits on
  return response;
}

TEST(ScriptedHttp2, IsReadAsItShouldBe) {
  const auto response = CallScripted(kGreeting + kGrpcAnswer + Message(R"({"greeting":"hey"})") +
                                         Trailers(Header("grpc-status", "0")),
                                     false);
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->greeting(), "hey");
}

TEST(ScriptedHttp2, ErrorsComeFromTheTrailers) {
  const auto response = CallScripted(
      kGreeting + kGrpcAnswer +
          Trailers(Header("grpc-status", "5") + Header("grpc-message", "no%20such%0Auser")),
      false);
  EXPECT_THAT(response, StatusIs(absl::StatusCode::kNotFound, "no such\nuser"));
}

TEST(ScriptedHttp2, WhatIsNoGrpcIsSaid) {
  EXPECT_THAT(CallScripted(
                  kGreeting + Frame(kHeaders, kEndHeaders | kEndStream, 1,
                                    Header(":status", "503") + Header("content-type", "text/html")),
                  false),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("HTTP status 503")));
  EXPECT_THAT(CallScripted(kGreeting + kGrpcAnswer + Trailers(Header("x", "y")), false),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("without grpc-status")));
  EXPECT_THAT(CallScripted(kGreeting + kGrpcAnswer + Trailers(Header("grpc-status", "0")), false),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("without a response")));
  EXPECT_THAT(CallScripted(kGreeting + kGrpcAnswer + Message("{}") + Message("{}") +
                               Trailers(Header("grpc-status", "0")),
                           false),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("twice")));
}

TEST(ScriptedHttp2, MessagesThatCannotBeTakenEndTheCall) {
  EXPECT_THAT(CallScripted(kGreeting + kGrpcAnswer + Message("{}", 1), false),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("compressed")));
  EXPECT_THAT(CallScripted(kGreeting + kGrpcAnswer + Message(std::string(101, ' ')), false),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("more than the 100")));
  EXPECT_FALSE(CallScripted(kGreeting + kGrpcAnswer + Message("{nonsense"), false).ok());
}

TEST(ScriptedHttp2, WhatCannotHaveBegunTheCallIsMarkedSo) {
  for (const std::string& script :
       {std::string("HTTP/1.1 400 Bad Request\r\n\r\n"), std::string(100, '\xff'),
        std::string("\0\0", 2), kGreeting + Frame(kReset, 0, 1, std::string("\0\0\0\7", 4)),
        kGreeting + Frame(kGoAway, 0, 0, std::string(8, '\0'))}) {
    const absl::Status status = CallScripted(script).status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable));
    EXPECT_TRUE(IsUnsent(status)) << status;
  }
}

TEST(ScriptedHttp2, AConnectionLostInACallIsNotMarkedSo) {
  for (const std::string& script :
       {kGreeting, kGreeting + kGrpcAnswer, kGreeting + kGrpcAnswer + Message("{}"),
        kGreeting + kGrpcAnswer + Message("{}").substr(0, 11)}) {
    const absl::Status status = CallScripted(script).status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable));
    EXPECT_FALSE(IsUnsent(status)) << status;
  }
}

TEST(ScriptedHttp2, HeadersWithoutEndAreRefused) {
  std::string many;
  for (int i = 0; i < 1000; ++i)
    many += Frame(kHeaders, kEndHeaders, 1, Header("k", std::string(100, 'v')));
  EXPECT_FALSE(CallScripted(kGreeting + many, false).ok());
}

TEST(ScriptedHttp2, ASilentPeerEndsWithTheAttempt) {
  ScriptedPeer peer("", false);
  auto caller = NewCaller(OwnRegistry());
  helloworld::GreeterService greeter("helloworld", caller->client());
  CallOptions options = JsonTo(peer.address());
  options.connection_timeout = absl::Milliseconds(100);
  const absl::Status status = BlockOn(greeter.Hello(Context(), Named("x"), options)).status();
  EXPECT_THAT(status, IsMicroError(408, "go.micro.client", "context deadline exceeded"));
  caller.reset();
}

}  // namespace
}  // namespace micro
