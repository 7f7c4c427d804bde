// WebSocket as a client of bytes meets it: the handshake, and the cases of Autobahn's categories 1 to
// 7 with packets for messages. Where those want a text back, due drops it: a packet behind it must
// come back then.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <optional>

#include "core/net/socket_fixture.h"
#include "core/testing/eventually.h"
#include "core/testing/status_matchers.h"
#include "due/network/server.h"
#include "due/packet/packer.h"

namespace due {
namespace {

using ::micro::Eventually;
using ::micro::IsOk;
using ::micro::net::BlockingSocket;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr uint8_t kFinal = 0x80;
enum Opcode : uint8_t {
  kContinuation = 0,
  kText = 1,
  kBinary = 2,
  kClose = 8,
  kPing = 9,
  kPong = 10
};

// A client's frame: masked.
std::string Frame(int first, std::string_view payload, bool masked = true) {
  std::string frame(1, static_cast<char>(first));
  const auto bit = static_cast<uint8_t>(masked ? 0x80 : 0);
  const size_t size = payload.size();
  if (size < 126) {
    frame += static_cast<char>(bit | size);
  } else if (size < 65536) {
    frame += static_cast<char>(bit | 126);
    frame += {static_cast<char>(size >> 8), static_cast<char>(size)};
  } else {
    frame += static_cast<char>(bit | 127);
    for (int shift = 56; shift >= 0; shift -= 8) frame += static_cast<char>(size >> shift);
  }
  const char mask[4] = {'\x37', '\xfa', '\x21', '\x3d'};
  if (masked) frame.append(mask, 4);
  for (size_t i = 0; i < size; ++i)
    frame += masked ? static_cast<char>(payload[i] ^ mask[i % 4]) : payload[i];
  return frame;
}

std::string Whole(Opcode opcode, std::string_view payload) {
  return Frame(kFinal | opcode, payload);
}

// What a server sends for it.
std::string Unmasked(Opcode opcode, std::string_view payload) {
  return Frame(kFinal | opcode, payload, /*masked=*/false);
}

std::string CloseBody(int code, std::string_view reason = "") {
  return std::string{static_cast<char>(code >> 8), static_cast<char>(code)} + std::string(reason);
}

std::string Packet(size_t body_size) {
  std::string packet;
  EXPECT_THAT(
      Packer::New({.buffer_bytes = 1 << 20})->Pack({1, 1, std::string(body_size, 'x')}, packet),
      IsOk());
  return packet;
}

const std::string kPacket = Packet(5);

std::string Request(std::string_view more = "", std::string_view target = "/") {
  return "GET " + std::string(target) +
         " HTTP/1.1\r\nHost: game.test\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
         std::string(more) + "\r\n";
}

class WebSocketTest : public ::testing::Test {
 protected:
  void SetUp() override { Listen(); }

  void Listen(ServerOptions options = {}, Hooks hooks = {}) {
    options.network = "ws";
    options.address = "127.0.0.1:0";
    hooks.on_receive = [](Conn& conn, std::string_view packet) { (void)conn.Push(packet); };
    auto server = Server::Listen(std::move(options), std::move(hooks));
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
  }

  BlockingSocket Dial() {
    return micro::net::Dial(loops_[0], "127.0.0.1:" + std::to_string(server_->port())).value();
  }

  // All until the server ends the connection.
  static std::string ReadToTheEnd(BlockingSocket& socket) {
    std::string all;
    while (true) {
      auto part = socket.Read();
      if (!part.ok()) return all;
      all += *part;
    }
  }

  // The server's answer to a handshake, when it is none.
  std::string Refusal(const std::string& request) {
    BlockingSocket socket = Dial();
    EXPECT_THAT(socket.Write(request), IsOk());
    return ReadToTheEnd(socket);
  }

  BlockingSocket Open() {
    BlockingSocket socket = Dial();
    EXPECT_THAT(socket.Write(Request()), IsOk());
    EXPECT_THAT(socket.ReadAll(kAnswer.size()).value(), kAnswer);
    return socket;
  }

  // That the server answers `sent` with `wanted`, and still echoes.
  void ExpectAnswer(const std::string& sent, const std::string& wanted, size_t chop = 0) {
    BlockingSocket socket = Open();
    const std::string all = sent + Whole(kBinary, kPacket);
    if (chop == 0) chop = all.size();
    for (size_t at = 0; at < all.size(); at += chop)
      ASSERT_THAT(socket.Write(all.substr(at, chop)), IsOk());
    const std::string expected = wanted + Unmasked(kBinary, kPacket);
    EXPECT_EQ(socket.ReadAll(expected.size()).value(), expected);
  }

  // That `sent` ends the connection with this code, and what was wanted before.
  void ExpectClose(const std::string& sent, int code, const std::string& before = "") {
    BlockingSocket socket = Open();
    ASSERT_THAT(socket.Write(sent + Whole(kBinary, kPacket)), IsOk());
    EXPECT_EQ(ReadToTheEnd(socket), before + Unmasked(kClose, CloseBody(code)));
  }

  int64_t Ended(Cause cause) const { return server_->counts().ended[static_cast<size_t>(cause)]; }

  const std::string kAnswer =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";  // RFC 6455 §1.3
  micro::net::Loops loops_{1};
  std::unique_ptr<Server> server_;
};

// ---- The handshake ----

TEST_F(WebSocketTest, TakesFramesThatComeWithTheHandshake) {
  BlockingSocket socket = Dial();
  ASSERT_THAT(socket.Write(Request() + Whole(kBinary, kPacket)), IsOk());
  const std::string expected = kAnswer + Unmasked(kBinary, kPacket);
  EXPECT_EQ(socket.ReadAll(expected.size()).value(), expected);
}

TEST_F(WebSocketTest, TakesAHandshakeByteByByte) {
  BlockingSocket socket = Dial();
  for (const char c : Request()) ASSERT_THAT(socket.Write(std::string(1, c)), IsOk());
  EXPECT_EQ(socket.ReadAll(kAnswer.size()).value(), kAnswer);
}

std::string Without(std::string text, std::string_view line) {
  const size_t at = text.find(line);
  return text.erase(at, text.find("\r\n", at) + 2 - at);
}

TEST_F(WebSocketTest, RefusesWhatIsNoHandshake) {
  std::string post = Request();
  post.replace(0, 3, "POST");
  EXPECT_THAT(Refusal(post), StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(Refusal(Without(Request(), "Upgrade:")), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Refusal(Without(Request(), "Connection:")), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Refusal(Without(Request(), "Sec-WebSocket-Key:")), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Refusal(Without(Request("Sec-WebSocket-Key: short\r\n"), "Sec-WebSocket-Key: d")),
              HasSubstr("Sec-WebSocket-Key is no key"));
  EXPECT_THAT(Refusal(Without(Request(), "Sec-WebSocket-Version:")), StartsWith("HTTP/1.1 426 "));
  EXPECT_THAT(Refusal("nonsense\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Refusal(std::string(40, '\0') + "\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Refusal("GET / HTTP/1.0\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Refusal(Request("X: " + std::string(20000, 'x') + "\r\n")),
              StartsWith("HTTP/1.1 431 "));
  EXPECT_TRUE(Eventually([&] { return server_->counts().unopened == 10; }));
  EXPECT_EQ(server_->counts().accepted, 0);
}

TEST_F(WebSocketTest, DropsWhoseHandshakeTakesTooLong) {
  Listen({.handshake_timeout = absl::Milliseconds(50)});
  BlockingSocket socket = Dial();
  ASSERT_THAT(socket.Write("GET / HTTP/1.1\r\n"), IsOk());
  EXPECT_EQ(ReadToTheEnd(socket), "");
  EXPECT_TRUE(Eventually([&] { return server_->counts().unopened == 1; }));
}

TEST_F(WebSocketTest, AsksForThePathAndTheOrigin) {
  Listen({.path = "/game", .origins = {"https://game.test"}});
  EXPECT_THAT(Refusal(Request("Origin: https://game.test\r\n", "/other")),
              StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(Refusal(Request("Origin: https://evil.test\r\n", "/game")),
              StartsWith("HTTP/1.1 403 "));
  EXPECT_THAT(Refusal(Request("", "/game")), StartsWith("HTTP/1.1 403 "));
  BlockingSocket socket = Dial();
  ASSERT_THAT(socket.Write(Request("Origin: https://game.test\r\n", "/game?token=1")), IsOk());
  EXPECT_EQ(socket.ReadAll(kAnswer.size()).value(), kAnswer);
}

TEST_F(WebSocketTest, AsksTheHook) {
  Listen({}, {.on_upgrade = [](const UpgradeRequest& request) {
           EXPECT_EQ(request.path, "/play");
           EXPECT_EQ(request.Get("HOST"), "game.test");
           EXPECT_THAT(request.remote_address, StartsWith("127.0.0.1:"));
           return request.query == "token=good";
         }});
  EXPECT_THAT(Refusal(Request("", "/play?token=bad")), StartsWith("HTTP/1.1 403 "));
  BlockingSocket socket = Dial();
  ASSERT_THAT(socket.Write(Request("", "/play?token=good")), IsOk());
  EXPECT_EQ(socket.ReadAll(kAnswer.size()).value(), kAnswer);
}

// ---- Frames: Autobahn's categories ----

TEST_F(WebSocketTest, Category1EchoesMessagesOfEverySize) {
  for (const size_t body : {0, 116, 117, 118, 119, 126, 127, 247, 65526}) {
    const std::string packet = Packet(body);
    ExpectAnswer(Whole(kBinary, packet), Unmasked(kBinary, packet));
  }
  const std::string large = Packet(65526);
  ExpectAnswer(Whole(kBinary, large), Unmasked(kBinary, large), 997);
  for (const size_t size : {0, 125, 126, 127, 128, 65535})
    ExpectAnswer(Whole(kText, std::string(size, '*')), "");
}

TEST_F(WebSocketTest, Category2AnswersPings) {
  ExpectAnswer(Whole(kPing, ""), Unmasked(kPong, ""));
  ExpectAnswer(Whole(kPing, "Hello, world!"), Unmasked(kPong, "Hello, world!"));
  const std::string binary("\x00\xff\xfe\xfd\xfc\xfb\x00\xff", 8);
  ExpectAnswer(Whole(kPing, binary), Unmasked(kPong, binary));
  ExpectAnswer(Whole(kPing, std::string(125, '\xfe')), Unmasked(kPong, std::string(125, '\xfe')));
  ExpectAnswer(Whole(kPing, std::string(125, '\xfe')), Unmasked(kPong, std::string(125, '\xfe')),
               1);
  ExpectClose(Whole(kPing, std::string(126, '\xfe')), 1002);
  ExpectAnswer(Whole(kPong, ""), "");
  ExpectAnswer(Whole(kPong, "unsolicited"), "");
  ExpectAnswer(Whole(kPong, "unsolicited") + Whole(kPing, "x"), Unmasked(kPong, "x"));
  std::string pings, pongs;
  for (int i = 0; i < 10; ++i) {
    pings += Whole(kPing, "payload-" + std::to_string(i));
    pongs += Unmasked(kPong, "payload-" + std::to_string(i));
  }
  ExpectAnswer(pings, pongs);
  ExpectAnswer(pings, pongs, 1);
}

TEST_F(WebSocketTest, Category3RefusesReservedBits) {
  ExpectClose(Frame(kFinal | 0x40 | kText, "Hello"), 1002);
  const std::string first = Whole(kBinary, kPacket), echo = Unmasked(kBinary, kPacket);
  ExpectClose(first + Frame(kFinal | 0x20 | kText, "Hello"), 1002, echo);
  ExpectClose(first + Frame(kFinal | 0x30 | kBinary, kPacket), 1002, echo);
  ExpectClose(Frame(kFinal | 0x50 | kBinary, kPacket), 1002);
  ExpectClose(Frame(kFinal | 0x60 | kPing, "x"), 1002);
  ExpectClose(Frame(kFinal | 0x70 | kClose, ""), 1002);
}

TEST_F(WebSocketTest, Category4RefusesUnknownOpcodes) {
  for (const int opcode : {3, 4, 5, 6, 7, 11, 12, 13, 14, 15}) {
    ExpectClose(Frame(kFinal | opcode, ""), 1002);
    ExpectClose(Whole(kBinary, kPacket) + Frame(kFinal | opcode, "x") + Whole(kPing, ""), 1002,
                Unmasked(kBinary, kPacket));
  }
}

TEST_F(WebSocketTest, Category5PutsFragmentsTogether) {
  const std::string front = kPacket.substr(0, 3), rest = kPacket.substr(3);
  const std::string echo = Unmasked(kBinary, kPacket);
  const std::string begin = Frame(kBinary, front), end = Frame(kFinal | kContinuation, rest);
  ExpectClose(Frame(kPing, "frag") + Frame(kFinal | kContinuation, "ment"), 1002);
  ExpectClose(Frame(kPong, "frag") + Frame(kFinal | kContinuation, "ment"), 1002);
  ExpectAnswer(begin + end, echo);
  ExpectAnswer(begin + end, echo, 1);
  ExpectAnswer(begin + Whole(kPing, "between") + end, Unmasked(kPong, "between") + echo);
  ExpectAnswer(begin + Whole(kPing, "between") + end, Unmasked(kPong, "between") + echo, 1);
  // A continuation of nothing; with and without its end.
  ExpectClose(Frame(kFinal | kContinuation, "x") + begin + end, 1002);
  ExpectClose(Frame(kContinuation, "x") + begin + end, 1002);
  ExpectClose(begin + end + Frame(kFinal | kContinuation, "x"), 1002, echo);
  // A message inside of another.
  ExpectClose(begin + Whole(kText, "x"), 1002);
  ExpectClose(begin + Whole(kBinary, kPacket), 1002);
  // Many fragments, empty ones, pings between.
  std::string sent = Frame(kBinary, ""), wanted;
  for (const char c : kPacket) {
    sent += Frame(kContinuation, std::string(1, c)) + Whole(kPing, "p") + Frame(kContinuation, "");
    wanted += Unmasked(kPong, "p");
  }
  ExpectAnswer(sent + Frame(kFinal | kContinuation, ""), wanted + echo);
}

TEST_F(WebSocketTest, Category6WantsUtf8InTexts) {
  const std::string good[] = {
      "κόσμε",        "\xc2\x80",          "\xdf\xbf",         "\xe0\xa0\x80",     "\xed\x9f\xbf",
      "\xee\x80\x80", "\xef\xbf\xbf",      "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "Hello-µ@ßöäüàá",
      "\x7f",         std::string(1, '\0')};
  for (const std::string& text : good) {
    ExpectAnswer(Whole(kText, text), "");
    std::string fragments = Frame(kText, "");
    for (const char c : text) fragments += Frame(kContinuation, std::string(1, c));
    ExpectAnswer(fragments + Frame(kFinal | kContinuation, ""), "");
  }
  const std::string bad[] = {
      "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80"
      "edited",
      "\x80",
      "\xbf",
      "\xc0\xaf",
      "\xc1\xbf",
      "\xe0\x80\xaf",
      "\xe0\x9f\xbf",
      "\xf0\x80\x80\xaf",
      "\xf0\x8f\xbf\xbf",
      "\xf8\x88\x80\x80\x80",
      "\xfc\x84\x80\x80\x80\x80",
      "\xfe",
      "\xff",
      "\xed\xa0\x80",
      "\xed\xbf\xbf",
      "\xf4\x90\x80\x80",
      "\xf5\x80\x80\x80",
      "\xc2",
      "\xe1\x80",
      "\xf1\x80\x80",
      "\xe1\x80\xc0"};
  for (const std::string& text : bad) {
    ExpectClose(Whole(kText, text), 1007);
    ExpectClose(Frame(kText, text.substr(0, 1)) + Frame(kFinal | kContinuation, text.substr(1)),
                1007);
  }
  // At once, when a part can be no UTF-8 whatever follows.
  BlockingSocket socket = Open();
  ASSERT_THAT(socket.Write(Frame(kText, "\xf4\x90")), IsOk());
  EXPECT_EQ(ReadToTheEnd(socket), Unmasked(kClose, CloseBody(1007)));
}

TEST_F(WebSocketTest, Category7ShakesHandsAtTheEnd) {
  const auto close = [&](const std::string& body) {
    BlockingSocket socket = Open();
    EXPECT_THAT(socket.Write(Whole(kClose, body) + Whole(kBinary, kPacket) + Whole(kPing, "x")),
                IsOk());
    return ReadToTheEnd(socket);  // and nothing is said to what came behind it
  };
  EXPECT_EQ(close(""), Unmasked(kClose, ""));
  EXPECT_EQ(close(CloseBody(1000, "bye")), Unmasked(kClose, CloseBody(1000)));
  EXPECT_EQ(close(CloseBody(1000, std::string(123, 'x'))), Unmasked(kClose, CloseBody(1000)));
  EXPECT_EQ(close("x"), Unmasked(kClose, CloseBody(1002)));
  EXPECT_EQ(close(CloseBody(1000, std::string(124, 'x'))), Unmasked(kClose, CloseBody(1002)));
  EXPECT_EQ(close(CloseBody(1000, "\xce\xba\xe1\xbd\xed\xa0\x80")),
            Unmasked(kClose, CloseBody(1007)));
  for (const int code :
       {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999})
    EXPECT_EQ(close(CloseBody(code)), Unmasked(kClose, CloseBody(code))) << code;
  for (const int code : {0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535})
    EXPECT_EQ(close(CloseBody(code)), Unmasked(kClose, CloseBody(1002))) << code;
  // In the middle of a message.
  BlockingSocket socket = Open();
  ASSERT_THAT(socket.Write(Frame(kText, "half") + Whole(kClose, CloseBody(1000))), IsOk());
  EXPECT_EQ(ReadToTheEnd(socket), Unmasked(kClose, CloseBody(1000)));
}

// ---- Beyond them ----

TEST_F(WebSocketTest, RefusesFramesWithoutMask) {
  ExpectClose(Frame(kFinal | kBinary, kPacket, /*masked=*/false), 1002);
  EXPECT_TRUE(Eventually([&] { return Ended(Cause::kMalformed) == 1; }));
}

TEST_F(WebSocketTest, RefusesLengthsAboveItsBound) {
  Listen({.packet = {.receive_bytes = 100}});
  ExpectClose(std::string("\x82\xfe\x00\x69mask", 8), 1009);  // 105 bytes
  ExpectClose(std::string("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xffmask", 14), 1009);
  ExpectClose(std::string("\x82\xff\xff\xff\xff\xff\xff\xff\xff\xffmask", 14), 1009);
  ExpectClose(Frame(kBinary, std::string(60, 'x')) + Frame(kContinuation, std::string(60, 'x')),
              1009);  // in parts
  ExpectClose(Whole(kBinary, Packet(96)), 1009);
  ExpectAnswer(Whole(kBinary, Packet(95)), Unmasked(kBinary, Packet(95)));
  EXPECT_TRUE(Eventually([&] { return Ended(Cause::kTooLarge) == 5; }));
}

TEST_F(WebSocketTest, DropsMessagesThatHoldNoPacket) {
  const std::string wrong_size("\0\0\0\x09\0\0\1\0\1", 9);
  ExpectAnswer(Whole(kBinary, "") + Whole(kBinary, "abc") + Whole(kBinary, wrong_size) +
                   Whole(kBinary, kPacket + kPacket) + Whole(kText, "hello"),
               "");
  EXPECT_EQ(server_->counts().dropped, 5);
}

TEST_F(WebSocketTest, HearsOnlyPacketsAsSignsOfLife) {
  Listen({.heartbeat_interval = absl::Milliseconds(50)});
  BlockingSocket socket = Open();
  auto read = socket.StartRead();
  while (server_->counts().open > 0) {  // until it is found silent
    if (!socket.Write(Whole(kText, "alive") + Whole(kPong, "")).ok()) break;
    absl::SleepFor(absl::Milliseconds(5));
  }
  EXPECT_FALSE(read.get().ok());
  EXPECT_TRUE(Eventually([&] { return Ended(Cause::kSilent) == 1; }));
}

TEST_F(WebSocketTest, SaysGoodbyeWhenItStops) {
  BlockingSocket socket = Open();
  auto read = socket.StartRead();
  micro::BlockOn(server_->Stop(micro::WithTimeout(micro::Context(), absl::Milliseconds(100))));
  EXPECT_EQ(read.get().value(), Unmasked(kClose, CloseBody(1000)));
}

TEST_F(WebSocketTest, OneWhoPingsAndReadsNothingIsBounded) {
  Listen({.stall_timeout = absl::Milliseconds(50)});
  BlockingSocket deaf = Open();
  std::string pings;
  for (int i = 0; i < 500000; ++i) pings += Whole(kPing, std::string(100, 'p'));
  auto writing = deaf.StartWrite(pings);
  EXPECT_TRUE(Eventually([&] { return Ended(Cause::kStalled) == 1; }));
  EXPECT_FALSE(writing.get().ok());
}

}  // namespace
}  // namespace due
