#include "micro/rpc/legacy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/escaping.h"
#include "codec/codec_test.pb.h"
#include "core/strings.h"
#include "core/testing/status_matchers.h"

namespace micro::rpc {
namespace {

using codec::test::User;

constexpr size_t kNoLimit = 1 << 20;

User John() {
  User user;
  user.set_user_name("John");
  return user;
}

LegacyFormat JsonRpc() { return LegacyFormat::Of("application/json").value(); }
LegacyFormat ProtoRpc() { return LegacyFormat::Of("application/protobuf").value(); }

std::string FromHex(std::string_view hex) { return absl::HexStringToBytes(ToAbsl(hex)); }

std::string NameOf(const LegacyFormat& format, const LegacyCall& call) {
  User user;
  const absl::Status status = format.ReadMessage(call, user);
  return status.ok() ? user.user_name() : std::string(status.message());
}

TEST(LegacyFormat, KnowsItsContentTypes) {
  for (const char* type : {"application/json", "application/json-rpc", "application/JSON; q=1"})
    EXPECT_EQ(LegacyFormat::Of(type)->content_type(), "application/json-rpc");
  for (const char* type : {"application/protobuf", "application/proto-rpc", ""})
    EXPECT_EQ(LegacyFormat::Of(type)->content_type(), "application/proto-rpc");
  EXPECT_THAT(
      LegacyFormat::Of("application/grpc").status(),
      StatusIs(absl::StatusCode::kInvalidArgument, "unsupported Content-Type: application/grpc"));
}

TEST(JsonRpc, WritesAndReadsACall) {
  std::string body;
  ASSERT_THAT(JsonRpc().AppendRequest("Greeter.Hello", 7, John(), kNoLimit, body), IsOk());
  EXPECT_EQ(body,
            "{\"id\":\"7\",\"method\":\"Greeter.Hello\",\"params\":[{\"userName\":\"John\"}]}\n");
  const LegacyCall call = JsonRpc().ReadRequest(body).value();
  EXPECT_EQ(call.endpoint, "Greeter.Hello");
  EXPECT_EQ(call.id, "7");
  EXPECT_EQ(NameOf(JsonRpc(), call), "John");

  std::string answer;
  ASSERT_THAT(JsonRpc().AppendResponse(call, John(), kNoLimit, answer), IsOk());
  EXPECT_EQ(answer, "{\"id\":\"7\",\"result\":{\"userName\":\"John\"},\"error\":null}\n");
  User response;
  EXPECT_THAT(JsonRpc().ReadResponse(answer, response), IsOkAndHolds(""));
  EXPECT_EQ(response.user_name(), "John");
}

TEST(JsonRpc, AnswersAnyIdWithAText) {
  EXPECT_EQ(JsonRpc().ReadRequest("{\"id\":7,\"method\":\"A.B\"}")->id, "7");
  EXPECT_EQ(JsonRpc().ReadRequest("{\"id\":null,\"method\":\"A.B\"}")->id, "");
  EXPECT_EQ(JsonRpc().ReadRequest("{\"method\":\"A.B\",\"params\":[]}")->id, "");
}

TEST(JsonRpc, CarriesErrors) {
  std::string answer;
  JsonRpc().AppendError({.id = "7"}, "no \"user\"", answer);
  EXPECT_EQ(answer, "{\"id\":\"7\",\"result\":null,\"error\":\"no \\\"user\\\"\"}\n");
  User response;
  EXPECT_THAT(JsonRpc().ReadResponse(answer, response), IsOkAndHolds("no \"user\""));
}

TEST(JsonRpc, AMissingMessageIsOneWithoutFields) {
  for (const char* body : {"{\"method\":\"A.B\"}", "{\"method\":\"A.B\",\"params\":[]}",
                           "{\"method\":\"A.B\",\"params\":[null]}"}) {
    EXPECT_EQ(NameOf(JsonRpc(), JsonRpc().ReadRequest(body).value()), "") << body;
  }
}

TEST(JsonRpc, RefusesWhatIsNoCall) {
  const std::string deep(100'000, '[');
  for (const std::string& body :
       {std::string(), std::string("[]"), std::string("{"), std::string("{\"id\":1}"),
        std::string("{\"method\":1}"), std::string("{\"method\":\"A.B\",\"params\":{}}"),
        std::string("{\"method\":\"A.B\",\"params\":[{},{}]}"),
        "{\"method\":\"A.B\",\"params\":" + deep + std::string(100'000, ']') + "}"}) {
    EXPECT_THAT(JsonRpc().ReadRequest(body).status(), StatusIs(absl::StatusCode::kInvalidArgument))
        << body.substr(0, 50);
  }
  User response;
  EXPECT_THAT(JsonRpc().ReadResponse("nothing", response),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(ProtoRpc, WritesAndReadsACall) {
  std::string body;
  ASSERT_THAT(ProtoRpc().AppendRequest("Greeter.Hello", 7, John(), kNoLimit, body), IsOk());
  EXPECT_EQ(body, FromHex("000000180a0d477265657465722e48656c6c6f110700000000000000"
                          "000000060a044a6f686e"));
  const LegacyCall call = ProtoRpc().ReadRequest(body).value();
  EXPECT_EQ(call.endpoint, "Greeter.Hello");
  EXPECT_EQ(call.id, "7");
  EXPECT_EQ(NameOf(ProtoRpc(), call), "John");

  std::string answer;
  ASSERT_THAT(ProtoRpc().AppendResponse(call, John(), kNoLimit, answer), IsOk());
  EXPECT_EQ(answer, body);
  User response;
  EXPECT_THAT(ProtoRpc().ReadResponse(answer, response), IsOkAndHolds(""));
  EXPECT_EQ(response.user_name(), "John");
}

TEST(ProtoRpc, CarriesErrors) {
  std::string answer;
  ProtoRpc().AppendError({.endpoint = "Greeter.Hello", .id = "7"}, "boom", answer);
  EXPECT_EQ(answer, FromHex("0000001e0a0d477265657465722e48656c6c6f1107000000000000001a04626f6f6d"
                            "00000000"));
  User response;
  EXPECT_THAT(ProtoRpc().ReadResponse(answer, response), IsOkAndHolds("boom"));
}

TEST(ProtoRpc, RefusesWhatIsNoCall) {
  const std::string call =
      FromHex("000000180a0d477265657465722e48656c6c6f110700000000000000000000060a044a6f686e");
  for (size_t size = 0; size < call.size(); ++size) {
    EXPECT_THAT(ProtoRpc().ReadRequest(call.substr(0, size)).status(),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
  for (const std::string& body : {call + "x", FromHex("00000002ffff00000000"),
                                  FromHex("ffffffff00"), FromHex("00000000ffffffff")}) {
    EXPECT_THAT(ProtoRpc().ReadRequest(body).status(),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

TEST(LegacyFormats, HoldTheLimit) {
  for (const LegacyFormat& format : {JsonRpc(), ProtoRpc()}) {
    std::string body = "before";
    EXPECT_THAT(format.AppendResponse({}, John(), 3, body),
                StatusIs(absl::StatusCode::kResourceExhausted));
    EXPECT_EQ(body, "before");
  }
}

}  // namespace
}  // namespace micro::rpc
