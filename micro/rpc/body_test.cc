#include "micro/rpc/body.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codec/codec_test.pb.h"
#include "core/testing/status_matchers.h"

namespace micro::rpc {
namespace {

using codec::test::User;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr size_t kNoLimit = 1 << 20;

User John() {
  User user;
  user.set_user_name("John");
  return user;
}

std::string Written(std::string_view content_type, codec::ConstBody message) {
  std::string body;
  const absl::Status status = BodyFormat::Of(content_type).value().Append(message, kNoLimit, body);
  return status.ok() ? body : std::string(status.message());
}

absl::StatusOr<std::string> NameIn(std::string_view content_type, std::string_view body) {
  User user = John();
  const absl::Status status = BodyFormat::Of(content_type).value().Read(body, user);
  if (!status.ok()) return status;
  return user.user_name();
}

const std::string kProto = "\x0a\x04John";
const std::string kGrpcProto = std::string("\0\0\0\0\x06", 5) + kProto;
const std::string kJson = "{\"userName\":\"John\"}";
const std::string kGrpcJson = std::string("\0\0\0\0\x13", 5) + kJson;

TEST(BodyFormat, WritesAndReadsEveryContentType) {
  for (const auto& [type, body] :
       {std::pair<std::string, std::string>("application/protobuf", kProto),
        {"", kProto},
        {"application/proto", kProto},
        {"application/octet-stream", kProto},
        {"application/json", kJson + "\n"},
        {"application/grpc", kGrpcProto},
        {"application/grpc+proto", kGrpcProto},
        {"application/grpc+json", kGrpcJson},
        {"Application/JSON; charset=utf-8", kJson + "\n"},
        {"application/grpc+proto ; x=y", kGrpcProto}}) {
    EXPECT_EQ(Written(type, John()), body) << type;
    EXPECT_THAT(NameIn(type, body), IsOkAndHolds("John")) << type;
    EXPECT_THAT(NameIn(type, ""), IsOkAndHolds("")) << type;
  }
}

TEST(BodyFormat, PassesFramesThrough) {
  const codec::Frame frame{.data = "raw"};
  for (const auto& [type, body] :
       {std::pair<std::string, std::string>("application/octet-stream", "raw"),
        {"application/json", "raw"},
        {"application/grpc", std::string("\0\0\0\0\x03raw", 8)}}) {
    EXPECT_EQ(Written(type, frame), body);
    codec::Frame read;
    EXPECT_THAT(BodyFormat::Of(type)->Read(body, read), IsOk());
    EXPECT_EQ(read.data, "raw");
    EXPECT_THAT(BodyFormat::Of(type)->Read("", read), IsOk());
    EXPECT_EQ(read.data, "");
  }
}

TEST(BodyFormat, ReadsJsonWithAndWithoutItsLineEnd) {
  EXPECT_THAT(NameIn("application/json", "{\"user_name\":\"A\"}"), IsOkAndHolds("A"));
  EXPECT_THAT(NameIn("application/json", " {\"userName\":\"A\"}\r\n"), IsOkAndHolds("A"));
}

TEST(BodyFormat, RefusesOtherContentTypesByName) {
  for (const std::string type : {"application/foo", "text/plain", "json", "application/grpc+foo"}) {
    EXPECT_THAT(BodyFormat::Of(type).status(),
                StatusIs(absl::StatusCode::kInvalidArgument, "unsupported Content-Type: " + type));
  }
}

TEST(BodyFormat, RefusesBodiesThatAreNone) {
  const std::string grpc = "application/grpc";
  for (const auto& [type, body] :
       {std::pair<std::string, std::string>("application/protobuf", "\x0a\x05John"),
        {"application/json", "{\"userName\":"},
        {"application/json", "\n"},
        {grpc, std::string("\0\0\0\0", 4)},
        {grpc, std::string("\0\0\0\0\x07\x0a\x04John", 11)},
        {grpc, std::string("\0\xff\xff\xff\xff\x0a\x04John", 11)},
        {grpc, std::string("\0\0\0\0\x05\x0a\x04John", 11)},
        {grpc, std::string("\x01\0\0\0\x06\x0a\x04John", 11)}}) {
    EXPECT_THAT(NameIn(type, body), StatusIs(absl::StatusCode::kInvalidArgument)) << type;
  }
}

TEST(BodyFormat, HoldsTheLimitAndLeavesTheBodyAsItWas) {
  User large;
  large.set_user_name(std::string(100, 'x'));
  for (const std::string type : {"application/protobuf", "application/json", "application/grpc"}) {
    std::string body = "before";
    EXPECT_THAT(BodyFormat::Of(type)->Append(large, 99, body),
                StatusIs(absl::StatusCode::kResourceExhausted,
                         HasSubstr("the limit of 99 (max_send_message_size)")));
    EXPECT_EQ(body, "before");
    EXPECT_THAT(BodyFormat::Of(type)->Append(large, 200, body), IsOk());
    EXPECT_THAT(body, StartsWith("before"));
  }
}

}  // namespace
}  // namespace micro::rpc
