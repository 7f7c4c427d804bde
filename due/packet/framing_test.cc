#include "due/packet/framing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_replace.h"
#include "core/testing/status_matchers.h"

namespace due {
namespace {

using ::micro::IsOk;
using ::micro::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Bytes(const std::string& hex) {
  return absl::HexStringToBytes(absl::StrReplaceAll(hex, {{" ", ""}}));
}

Framing With(Carrier carrier, PacketOptions options = {}) {
  return Framing(Packer::New(options).value(), carrier);
}

const std::string kData = Bytes("00 00 00 0a 00 00 01 00 01 68 65 6c 6c 6f");
const std::string kHeartbeat = Bytes("00 00 00 01 80");
const std::string kEmpty = Bytes("00 00 00 00");

TEST(StreamFraming, TakesPacketsOneAfterTheOther) {
  const Framing framing = With(Carrier::kStream);
  const std::string bytes = kData + kHeartbeat + kEmpty + kData + "\0\0";
  std::string_view rest = bytes;
  std::vector<std::string> packets;
  std::string scratch;
  while (true) {
    const auto packet = framing.Take(rest, scratch);
    ASSERT_THAT(packet, IsOk());
    if (!packet->has_value()) break;
    packets.emplace_back(**packet);
  }
  EXPECT_THAT(packets, ElementsAre(kData, kHeartbeat, kEmpty, kData));
  EXPECT_EQ(rest, std::string_view());
}

TEST(StreamFraming, TakesNothingOfAPacketThatIsNotWhole) {
  const Framing framing = With(Carrier::kStream);
  std::string scratch;
  for (size_t size = 0; size < kData.size(); ++size) {
    std::string_view part = std::string_view(kData).substr(0, size);
    const auto packet = framing.Take(part, scratch);
    ASSERT_THAT(packet, IsOk());
    EXPECT_FALSE(packet->has_value()) << size;
    EXPECT_EQ(part.size(), size);
  }
}

TEST(StreamFraming, RefusesAPacketAboveTheBoundBeforeItCame) {
  const Framing framing = With(Carrier::kStream, {.receive_bytes = 100});
  std::string scratch;
  for (const char* size : {"00 00 00 65", "ff ff ff ff", "80 00 00 00", "ff ff ff fc"}) {
    const std::string bytes = Bytes(size);
    std::string_view rest = bytes;
    EXPECT_THAT(framing.Take(rest, scratch),
                StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("at most 100")));
  }
  const std::string largest = Bytes("00 00 00 64") + std::string(100, '\0');
  std::string_view rest = largest;
  EXPECT_EQ(**framing.Take(rest, scratch), largest);
}

TEST(MessageFraming, AMessageIsOnePacket) {
  const Framing framing = With(Carrier::kMessages, {.receive_bytes = 100});
  std::string scratch;
  EXPECT_EQ(*framing.Open(kData, scratch), kData);
  EXPECT_EQ(*framing.Open(kHeartbeat, scratch), kHeartbeat);
  for (const std::string& bad : {std::string(), kEmpty, kData + kData, kData.substr(0, 10)})
    EXPECT_THAT(framing.Open(bad, scratch), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(framing.Open(std::string(200, '\0'), scratch),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

// What v2.0's clients sent and were sent.
TEST(OldFraming, WebSocketMessagesHaveNoSize) {
  const Framing framing =
      With(Carrier::kMessages, {.heartbeat_time = true, .dialect = Dialect::kV20});
  std::string scratch, wire;
  framing.Put(kData, wire);
  EXPECT_EQ(wire, Bytes("00 00 01 00 01 68 65 6c 6c 6f"));
  EXPECT_EQ(*framing.Open(wire, scratch), kData);
  wire.clear();
  framing.Put(framing.packer().Heartbeat(absl::FromUnixMillis(1700000000123)), wire);
  EXPECT_EQ(wire, Bytes("80 00 00 01 8b cf e5 68 7b"));
  EXPECT_EQ(framing.packer().TimeOf(*framing.Open(wire, scratch)),
            absl::FromUnixMillis(1700000000123));
  wire.clear();
  framing.Put(framing.packer().ClientHeartbeat(), wire);
  EXPECT_EQ(wire, Bytes("80"));
  EXPECT_EQ(*framing.Open(wire, scratch), kHeartbeat);
  EXPECT_THAT(framing.Open("", scratch), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(OldFraming, StreamsHaveNoHeaderByte) {
  const Framing framing =
      With(Carrier::kStream, {.heartbeat_time = true, .dialect = Dialect::kV20});
  std::string scratch, wire;
  framing.Put(kData, wire);
  EXPECT_EQ(wire, Bytes("00 00 00 09 00 01 00 01 68 65 6c 6c 6f"));
  std::string_view rest = wire;
  EXPECT_EQ(**framing.Take(rest, scratch), kData);
  wire.clear();
  framing.Put(framing.packer().Heartbeat(absl::Now()), wire);
  EXPECT_EQ(wire, kEmpty);
  rest = wire;
  EXPECT_EQ(**framing.Take(rest, scratch), kHeartbeat);
}

TEST(OldFraming, SizesAndTimesAreBigEndianWhateverTheRest) {
  const PacketOptions little = {
      .byte_order = ByteOrder::kLittle, .heartbeat_time = true, .dialect = Dialect::kV20};
  const Framing stream = With(Carrier::kStream, little);
  std::string packet, scratch, wire;
  ASSERT_THAT(stream.packer().Pack({1, 1, "hello"}, packet), IsOk());
  stream.Put(packet, wire);
  EXPECT_EQ(wire, Bytes("00 00 00 09 01 00 01 00 68 65 6c 6c 6f"));
  std::string_view rest = wire;
  EXPECT_EQ(**stream.Take(rest, scratch), packet);
  const Framing messages = With(Carrier::kMessages, little);
  wire.clear();
  messages.Put(messages.packer().Heartbeat(absl::FromUnixMillis(1700000000123)), wire);
  EXPECT_EQ(wire, Bytes("80 00 00 01 8b cf e5 68 7b"));
  EXPECT_EQ(messages.packer().TimeOf(*messages.Open(wire, scratch)),
            absl::FromUnixMillis(1700000000123));
}

}  // namespace
}  // namespace due
