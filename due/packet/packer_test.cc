#include "due/packet/packer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "absl/strings/escaping.h"
#include "absl/strings/str_replace.h"
#include "core/strings.h"
#include "core/testing/status_matchers.h"
#include "due/packet/framing.h"

namespace due {
namespace {

using ::micro::IsOk;
using ::micro::StatusIs;
using ::testing::HasSubstr;

// "00 0a" → two bytes.
std::string Bytes(const std::string& hex) {
  return absl::HexStringToBytes(absl::StrReplaceAll(hex, {{" ", ""}}));
}

Packer With(PacketOptions options) { return Packer::New(options).value(); }

std::string Packed(const PacketOptions& options, const Message& message) {
  std::string packet;
  EXPECT_THAT(With(options).Pack(message, packet), IsOk());
  return packet;
}

// The worked examples of reference/due.md §1.5, which are bytes of the Go packer.
struct Example {
  PacketOptions options;
  Message message;
  std::string bytes;
};

TEST(Packer, WritesAndReadsTheBytesThatDueDoes) {
  const std::vector<Example> examples = {
      {{}, {1, 1, "hello"}, "00 00 00 0a 00 00 01 00 01 68 65 6c 6c 6f"},
      {{}, {1, 0, ""}, "00 00 00 05 00 00 01 00 00"},
      {{},
       {1, 1, R"({"message":"hi"})"},
       "00 00 00 15 00 00 01 00 01 7b 22 6d 65 73 73 61 67 65 22 3a 22 68 69 22 7d"},
      {{.route_bytes = 4, .seq_bytes = 4},
       {1, 7, "hello"},
       "00 00 00 0e 00 00 00 00 01 00 00 00 07 68 65 6c 6c 6f"},
      {{.route_bytes = 1, .seq_bytes = 0}, {1, 0, "hello"}, "00 00 00 07 00 01 68 65 6c 6c 6f"},
      {{.route_bytes = 4, .seq_bytes = 0},
       {1001, 0, "hello"},
       "00 00 00 0a 00 00 00 03 e9 68 65 6c 6c 6f"},
      {{.route_bytes = 2, .seq_bytes = 1},
       {300, 5, "hello"},
       "00 00 00 09 00 01 2c 05 68 65 6c 6c 6f"},
      {{.byte_order = ByteOrder::kLittle},
       {1, 1, "hello"},
       "0a 00 00 00 00 01 00 01 00 68 65 6c 6c 6f"},
      {{}, {-2, -1, ""}, "00 00 00 05 00 ff fe ff ff"},
      {{}, {32767, 32767, "x"}, "00 00 00 06 00 7f ff 7f ff 78"},
  };
  for (const Example& example : examples) {
    EXPECT_EQ(Packed(example.options, example.message), Bytes(example.bytes)) << example.bytes;
    const std::string bytes = Bytes(example.bytes);
    const auto message = With(example.options).Unpack(bytes);
    ASSERT_THAT(message, IsOk()) << example.bytes;
    EXPECT_EQ(message->route, example.message.route);
    EXPECT_EQ(message->seq, example.message.seq);
    EXPECT_EQ(message->body, example.message.body);
    EXPECT_EQ(*With(example.options).RouteOf(bytes), example.message.route);
    EXPECT_FALSE(Packer::IsHeartbeat(bytes));
  }
}

TEST(Packer, WritesTheHeartbeatsThatDueDoes) {
  const absl::Time now = absl::FromUnixNanos(1700000000123456789);
  const PacketOptions little{.byte_order = ByteOrder::kLittle};
  EXPECT_EQ(With({}).Heartbeat(now), Bytes("00 00 00 01 80"));
  EXPECT_EQ(With(little).Heartbeat(now), Bytes("01 00 00 00 80"));
  EXPECT_EQ(With({}).ClientHeartbeat(), Bytes("00 00 00 01 80"));
  EXPECT_EQ(With(little).ClientHeartbeat(), Bytes("01 00 00 00 80"));
  const Packer timed = With({.heartbeat_time = true});
  EXPECT_EQ(timed.Heartbeat(now), Bytes("00 00 00 09 80 17 97 9c fe 3d 85 cd 15"));
  EXPECT_EQ(timed.TimeOf(timed.Heartbeat(now)), now);
  EXPECT_TRUE(Packer::IsHeartbeat(timed.Heartbeat(now)));
  EXPECT_EQ(With({.byte_order = ByteOrder::kLittle, .heartbeat_time = true}).Heartbeat(now),
            Bytes("09 00 00 00 80 15 cd 85 3d fe 9c 97 17"));
  EXPECT_EQ(timed.ClientHeartbeat(), Bytes("00 00 00 01 80"));
  EXPECT_EQ(timed.TimeOf(timed.ClientHeartbeat()), absl::InfinitePast());
}

TEST(Packer, AHeartbeatOfAnySizeIsOne) {
  EXPECT_TRUE(Packer::IsHeartbeat(Bytes("00 00 00 03 ff 01 02")));
  EXPECT_FALSE(Packer::IsHeartbeat(Bytes("00 00 00 01 7f")));
  EXPECT_FALSE(Packer::IsHeartbeat(Bytes("00 00 00 00")));
  EXPECT_FALSE(Packer::IsHeartbeat(""));
}

TEST(Packer, RefusesWhatItsBytesCannotHold) {
  std::string out = "before";
  const auto pack = [&out](const PacketOptions& options, const Message& message) {
    return With(options).Pack(message, out);
  };
  for (const int32_t route : {128, -129})
    EXPECT_THAT(pack({.route_bytes = 1}, {route}),
                StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("route overflow")));
  for (const int32_t seq : {32768, -32769})
    EXPECT_THAT(pack({}, {1, seq}),
                StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("seq overflow")));
  EXPECT_THAT(pack({.buffer_bytes = 4}, {1, 1, "hello"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("message too large: 5")));
  EXPECT_EQ(out, "before");
  EXPECT_THAT(pack({.buffer_bytes = 5}, {1, 1, "hello"}), IsOk());
  EXPECT_THAT(pack({.seq_bytes = 0}, {1, 99999}), IsOk());  // left out, as due does
  EXPECT_THAT(pack({.route_bytes = 1}, {-128}), IsOk());
  EXPECT_THAT(pack({.route_bytes = 4, .seq_bytes = 4},
                   {std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()}),
              IsOk());
}

TEST(Packer, RefusesWhatIsNoPacket) {
  const Packer packer = With({});
  const std::string whole = Packed({}, {1, 1, "hello"});
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THAT(packer.Unpack(whole.substr(0, size)),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("invalid message")));
  }
  EXPECT_THAT(packer.Unpack(whole + "x"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(packer.Unpack(Bytes("ff ff ff ff 00 00 01 00 01")),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(packer.RouteOf("short"), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(Packer, EveryPacketThatIsWrittenIsReadAgain) {
  std::mt19937 random(1);
  for (int round = 0; round < 5000; ++round) {
    const PacketOptions options{
        .byte_order = random() % 2 == 0 ? ByteOrder::kBig : ByteOrder::kLittle,
        .route_bytes = std::array{1, 2, 4}[random() % 3],
        .seq_bytes = std::array{0, 1, 2, 4}[random() % 4],
        .dialect = random() % 2 == 0 ? Dialect::kV21 : Dialect::kV20};
    const auto within = [&random](int bytes) {
      const int shift = 32 - 8 * bytes;
      return bytes == 0 ? 0 : static_cast<int32_t>(random()) >> shift;
    };
    std::string body(random() % 200, '\0');
    for (char& c : body) c = static_cast<char>(random());
    const Message message{within(options.route_bytes), within(options.seq_bytes), body};
    const std::string packet = Packed(options, message);
    for (const Carrier carrier : {Carrier::kStream, Carrier::kMessages}) {
      const Framing framing(With(options), carrier);
      std::string wire, scratch;
      framing.Put(packet, wire);
      std::string_view rest = wire;
      std::string_view got;
      if (carrier == Carrier::kStream) {
        const auto taken = framing.Take(rest, scratch);
        ASSERT_THAT(taken, IsOk());
        ASSERT_TRUE(taken->has_value());
        EXPECT_EQ(rest, "");
        got = **taken;
      } else {
        const auto opened = framing.Open(wire, scratch);
        ASSERT_THAT(opened, IsOk());
        got = *opened;
      }
      EXPECT_EQ(got, packet);
      const auto read = framing.packer().Unpack(got);
      ASSERT_THAT(read, IsOk());
      EXPECT_EQ(read->route, message.route);
      EXPECT_EQ(read->seq, message.seq);
      EXPECT_EQ(read->body, body);
    }
  }
}

TEST(PacketOptions, NameWhatHasNoMeaning) {
  const auto refused = [](const PacketOptions& options, const std::string& name) {
    EXPECT_THAT(Packer::New(options),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(name)));
  };
  refused({.route_bytes = 3}, "route_bytes is 3");
  refused({.route_bytes = 0}, "route_bytes is 0");
  refused({.seq_bytes = 3}, "seq_bytes is 3");
  refused({.seq_bytes = -1}, "seq_bytes is -1");
  refused({.buffer_bytes = size_t{1} << 32}, "buffer_bytes");
  refused({.receive_bytes = 0}, "receive_bytes");
  EXPECT_EQ(*ParseByteOrder("Little"), ByteOrder::kLittle);
  EXPECT_THAT(ParseByteOrder("middle"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"middle\"")));
  EXPECT_EQ(*ParseDialect("v2.1+"), Dialect::kV21);
  EXPECT_EQ(*ParseDialect("v2.0"), Dialect::kV20);
  EXPECT_THAT(ParseDialect("v1"), StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace due
