#include "registry/mdns/dns_message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/escaping.h"
#include "core/strings.h"
#include "core/testing/status_matchers.h"

namespace micro::registry::dns {
namespace {

using testing::HasSubstr;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

std::string Bytes(std::string_view hex) { return absl::HexStringToBytes(ToAbsl(hex)); }

std::string Hex(const absl::StatusOr<std::string>& packet) {
  return packet.ok() ? absl::BytesToHexString(*packet) : packet.status().ToString();
}

// A packet of `body` behind a header that counts one question, and `answers` answers.
std::string Packet(std::string_view body, std::string_view questions, std::string_view answers) {
  return Bytes("00000000") + Bytes(questions) + Bytes(answers) + Bytes("00000000") + Bytes(body);
}

const Message kQuery{.id = 0x1234, .questions = {{.name = "greeter.micro."}}};
constexpr std::string_view kQueryHex =
    "1234000000010000000000000767726565746572056d6963726f00000c0001";

// What go-micro v5.30.0 answers for a node at 192.168.1.10:8080.
const Message kAnswer{.flags = kResponse | kAuthoritative,
                      .questions = {{.name = "greeter.micro."}},
                      .answers = {{"greeter.micro.", 120, Ptr{"greeter-1111.greeter.micro."}},
                                  {"greeter-1111.greeter.micro.", 120, Srv{10, 1, 8080, "myhost."}},
                                  {"myhost.", 120, A{{192, 168, 1, 10}}},
                                  {"greeter-1111.greeter.micro.", 120, Txt{{"789c00", "ff"}}}}};
constexpr std::string_view kAnswerHex =
    "0000840000010004000000000767726565746572056d6963726f00000c0001"
    "c00c000c000100000078000f0c677265657465722d31313131c00c"
    "c02b0021000100000078000e000a00011f90066d79686f737400"
    "c04c00010001000000780004c0a8010a"
    "c02b0010000100000078000a06373839633030026666";

TEST(DnsMessage, WritesTheQueryThatGoMicroWrites) { EXPECT_EQ(Hex(Pack(kQuery)), kQueryHex); }

TEST(DnsMessage, WritesTheAnswerThatGoMicroWrites) { EXPECT_EQ(Hex(Pack(kAnswer)), kAnswerHex); }

TEST(DnsMessage, WritesTheListingThatGoMicroWrites) {
  const Message listing{.flags = kResponse | kAuthoritative,
                        .questions = {{.name = "_services.micro."}},
                        .answers = {{"_services.micro.", 120, Ptr{"greeter._services.micro."}},
                                    {"greeter._services.micro.", 120, Srv{10, 1, 9999, "myhost."}},
                                    {"myhost.", 120, A{}},
                                    {"greeter._services.micro.", 120, Txt{}}}};
  EXPECT_EQ(Hex(Pack(listing)),
            "000084000001000400000000095f7365727669636573056d6963726f00000c0001"
            "c00c000c000100000078000a0767726565746572c00c"
            "c02d0021000100000078000e000a0001270f066d79686f737400"
            "c0490001000100000078000400000000c02d00100001000000780000");
}

TEST(DnsMessage, ReadsWhatItWrites) {
  Message message = kAnswer;
  message.authorities = {{"v6.", 1, Aaaa{{0x20, 1, 0xd, 0xb8}}, 0x8001}};
  message.additionals = {{".", 0xfffffffe, Unknown{41, std::string("\0\1", 2)}}};
  for (const Message& each : {kQuery, kAnswer, message}) {
    const auto packet = Pack(each);
    ASSERT_THAT(packet, IsOk());
    const auto read = Parse(*packet);
    ASSERT_THAT(read, IsOk());
    EXPECT_TRUE(*read == each);
  }
}

TEST(DnsMessage, ReadsUncompressedPacketsToo) {
  // An announcement of go-micro v5.30.0.
  const auto read = Parse(Bytes(
      "0000800000000003000000000c677265657465722d313131310767726565746572056d6963726f00002100010000"
      "0078000e000a00011f90066d79686f737400066d79686f73740000010001000000780004c0a8010a0c6772656574"
      "65722d313131310767726565746572056d6963726f000010000100000078000a06373839633030026666"));
  ASSERT_THAT(read, IsOk());
  EXPECT_TRUE(read->answers ==
              std::vector<Record>(kAnswer.answers.begin() + 1, kAnswer.answers.end()));
}

TEST(DnsMessage, DotsInsideOfALabelAreEscaped) {
  const Message message{.questions = {{.name = "a\\.b\\\\.größe c."}}};
  const auto packet = Pack(message);
  ASSERT_THAT(packet, IsOk());
  EXPECT_EQ(packet->substr(12, 5), std::string("\4a.b\\", 5));
  EXPECT_EQ(Parse(*packet)->questions[0].name, message.questions[0].name);
}

TEST(DnsMessage, EveryTruncationIsRefused) {
  const std::string whole = Bytes(kAnswerHex);
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THAT(Parse(whole.substr(0, size)), StatusIs(kInvalid)) << size << " bytes";
  }
  EXPECT_THAT(Parse(whole + "more"), IsOk());
}

TEST(DnsMessage, APointerToItselfOrForwardsIsRefused) {
  EXPECT_THAT(Parse(Packet("c00c000c0001", "0001", "0000")),
              StatusIs(kInvalid, HasSubstr("forwards")));
  EXPECT_THAT(Parse(Packet("c010000c00010161c00c", "0001", "0000")), StatusIs(kInvalid));
  EXPECT_THAT(Parse(Packet("0161c00c000c0001", "0001", "0000")),
              StatusIs(kInvalid, HasSubstr("forwards")));
  EXPECT_THAT(Parse(Packet("c0ff000c0001", "0001", "0000")), StatusIs(kInvalid));
}

TEST(DnsMessage, AnUnknownKindOfLabelIsRefused) {
  EXPECT_THAT(Parse(Packet("4161000c0001", "0001", "0000")),
              StatusIs(kInvalid, HasSubstr("label")));
  EXPECT_THAT(Parse(Packet("8161000c0001", "0001", "0000")),
              StatusIs(kInvalid, HasSubstr("label")));
}

TEST(DnsMessage, CountsThatThePacketCannotHoldAreRefused) {
  EXPECT_THAT(Parse(Packet("00000c0001", "ffff", "ffff")), StatusIs(kInvalid, HasSubstr("counts")));
  EXPECT_THAT(Parse(Packet("00000c0001", "0001", "0001")), StatusIs(kInvalid, HasSubstr("counts")));
}

TEST(DnsMessage, DataThatDoesNotFitItsLengthIsRefused) {
  for (const std::string_view record : {
           "0000010001000000780003010203",          // an address of three bytes
           "00000100010000007800050102030405",      // and of five
           "00000c00010000007800020000",            // a name and a byte
           "0000100001000000780002056100000000",    // a text longer than its record
           "0000210001000000780004000a0001001f90",  // SRV without a target
       }) {
    EXPECT_THAT(Parse(Packet(record, "0000", "0001")), StatusIs(kInvalid)) << record;
  }
}

TEST(DnsMessage, NamesBeyondTheLimitsAreRefused) {
  const std::string label(63, 'a');
  EXPECT_THAT(CheckName(label + "." + label + "." + label + "." + std::string(61, 'b') + "."),
              IsOk());
  EXPECT_THAT(CheckName(label + "." + label + "." + label + "." + std::string(62, 'b') + "."),
              StatusIs(kInvalid, HasSubstr("at most 255")));
  EXPECT_THAT(CheckName(label + "a.micro."), StatusIs(kInvalid, HasSubstr("at most 63")));
  EXPECT_THAT(CheckName("a..micro."), StatusIs(kInvalid, HasSubstr("empty label")));
  EXPECT_THAT(CheckName(".micro."), StatusIs(kInvalid, HasSubstr("empty label")));
  EXPECT_THAT(Pack({.questions = {{.name = "a..b."}}}), StatusIs(kInvalid));
}

TEST(DnsMessage, APointerCannotMakeANameTooLong) {
  // Each name is one label of 63 bytes and the name before it: the fifth has more than 255 bytes.
  std::string body;
  size_t before = 0;
  for (int i = 0; i < 5; ++i) {
    const size_t start = 12 + body.size();
    body += static_cast<char>(63) + std::string(63, 'a');
    if (i == 0) {
      body.push_back('\0');
    } else {
      body += {static_cast<char>(0xc0 | before >> 8), static_cast<char>(before & 0xff)};
    }
    body += Bytes("000c0001");
    before = start;
  }
  const std::string packet = Bytes("000000000005000000000000") + body;
  EXPECT_THAT(Parse(packet), StatusIs(kInvalid, HasSubstr("more than 255")));
}

TEST(DnsMessage, PacketsAndTextsBeyondTheLimitsAreNotWritten) {
  Message message{.answers = {{"a.", 1, Txt{std::vector<std::string>(34, std::string(255, 'x'))}}}};
  EXPECT_THAT(Pack(message), IsOk());
  std::get<Txt>(message.answers[0].data).strings.push_back(std::string(255, 'x'));
  EXPECT_THAT(Pack(message), StatusIs(kInvalid, HasSubstr("at most 8972")));
  EXPECT_THAT(Pack({.answers = {{"a.", 1, Txt{{std::string(256, 'x')}}}}}), StatusIs(kInvalid));
}

}  // namespace
}  // namespace micro::registry::dns
