#include "due/kcp/segment.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "core/strings.h"

namespace due {
namespace {

std::string Bytes(std::string_view hex) {
  std::string packed;
  for (const char c : hex) {
    if (c != ' ') packed += c;
  }
  return absl::HexStringToBytes(packed);
}

std::string Written(const Segment& segment) {
  std::string bytes(kSegmentHead, '\0');
  WriteHead(segment, bytes.data());
  return bytes + std::string(segment.bytes);
}

// conv command fragment window ts sn una size bytes
const std::string kPush = Bytes("78563412 51 00 8000 04030201 05000000 07000000 03000000 616263");
const std::string kAck = Bytes("78563412 52 00 2000 ffffffff 00010000 09000000 00000000");

TEST(Segment, IsWrittenLittleEndianFieldByField) {
  EXPECT_EQ(Written({.conv = 0x12345678,
                     .command = Segment::kPush,
                     .window = 128,
                     .ts = 0x01020304,
                     .sn = 5,
                     .una = 7,
                     .bytes = "abc"}),
            kPush);
  EXPECT_EQ(Written({.conv = 0x12345678,
                     .command = Segment::kAck,
                     .window = 32,
                     .ts = 0xffffffff,
                     .sn = 256,
                     .una = 9}),
            kAck);
}

TEST(Segment, IsReadAsItWasWritten) {
  const std::string both = kPush + kAck;
  std::string_view rest = both;
  const auto push = TakeSegment(rest);
  ASSERT_TRUE(push.has_value());
  EXPECT_EQ(push->conv, 0x12345678u);
  EXPECT_EQ(push->command, Segment::kPush);
  EXPECT_EQ(push->window, 128);
  EXPECT_EQ(push->ts, 0x01020304u);
  EXPECT_EQ(push->sn, 5u);
  EXPECT_EQ(push->una, 7u);
  EXPECT_EQ(push->bytes, "abc");
  const auto ack = TakeSegment(rest);
  ASSERT_TRUE(ack.has_value());
  EXPECT_EQ(ack->command, Segment::kAck);
  EXPECT_EQ(ack->ts, 0xffffffffu);
  EXPECT_EQ(ack->sn, 256u);
  EXPECT_EQ(ack->bytes, "");
  EXPECT_EQ(rest, "");
}

TEST(Segment, HasItsFragmentInASingleByte) {
  std::string bytes = kPush;
  bytes[5] = '\xff';
  std::string_view rest = bytes;
  EXPECT_EQ(TakeSegment(rest)->fragment, 255);
}

TEST(Distance, GoesRoundAtTheEndOfTheNumbers) {
  EXPECT_EQ(Distance(2, 0xfffffffe), 4);
  EXPECT_EQ(Distance(0xfffffffe, 2), -4);
  EXPECT_EQ(Distance(7, 7), 0);
}

TEST(Datagram, CarriesSegmentsOfOneConversation) {
  const std::string both = kPush + kAck;
  std::string_view segments = both;
  EXPECT_EQ(Open(segments), Carried::kSegments);
  EXPECT_EQ(segments, both);
}

TEST(Datagram, CarriesSegmentsBehindAHeadOfErrorCorrection) {
  const std::string datagram = Bytes("2a000000 f100 1d00") + kPush;
  std::string_view segments = datagram;
  EXPECT_EQ(Open(segments), Carried::kSegments);
  EXPECT_EQ(segments, kPush);
}

TEST(Datagram, OfParityIsTold) {
  const std::string datagram = Bytes("2a000000 f200") + kPush;
  std::string_view segments = datagram;
  EXPECT_EQ(Open(segments), Carried::kParity);
}

TEST(Datagram, ThatIsNotKcpIsMalformed) {
  std::vector<std::string> malformed = {
      "",
      "x",
      std::string(23, 'Q'),
      std::string(1500, '\0'),
      std::string(1500, '\xff'),
      Bytes("2a000000 f100"),
      Bytes("2a000000 f100 02"),
      Bytes("2a000000 f100 0200"),
      Bytes("2a000000 f100 1d00") + kPush.substr(0, 26),
      kPush + "x",                                                      // something behind the last
      kPush + kAck.substr(0, 23),                                       // the last cut short
      Bytes("78563413") + kAck.substr(4) + kAck,                        // two conversations
      Bytes("78563412 50") + kAck.substr(5),                            // unknown commands
      Bytes("78563412 55") + kAck.substr(5),                            //
      kAck.substr(0, 20) + Bytes("01000000"),                           // more bytes than there are
      kAck.substr(0, 20) + Bytes("ffffffff") + "abc",                   //
      kAck.substr(0, 20) + Bytes("00000080") + "abc",                   //
      kAck.substr(0, 20) + Bytes("c5050000") + std::string(1477, 'x'),  // more than anybody sends
  };
  for (size_t size = 0; size < kPush.size(); ++size) malformed.push_back(kPush.substr(0, size));
  for (const std::string& datagram : malformed) {
    std::string_view segments = datagram;
    EXPECT_EQ(Open(segments), Carried::kMalformed)
        << absl::BytesToHexString(micro::ToAbsl(datagram));
  }
}

}  // namespace
}  // namespace due
