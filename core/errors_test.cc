#include "core/errors.h"

#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "core/errors.pb.h"
#include "core/testdata/errors.pb.h"
#include "core/testing/status_matchers.h"
#include "gtest/gtest.h"

namespace micro::errors {
namespace {

using absl::StatusCode;
using namespace std::string_literals;

const Error kBadName = {
    .id = "greeter", .code = 400, .detail = "bad name", .status = "Bad Request"};
constexpr char kBadNameJson[] =
    R"({"id":"greeter","code":400,"detail":"bad name","status":"Bad Request"})";
constexpr char kBadNameHex[] =
    "0a07677265657465721090031a08626164206e616d65220b4261642052657175657374";

Error DetailAlone(std::string detail) {
  return {.id = "", .code = 0, .detail = std::move(detail), .status = ""};
}

TEST(Errors, MapEveryCodeOfGoMicrosServerTable) {
  EXPECT_EQ(ToStatusCode(400), StatusCode::kInvalidArgument);
  EXPECT_EQ(ToStatusCode(401), StatusCode::kUnauthenticated);
  EXPECT_EQ(ToStatusCode(403), StatusCode::kPermissionDenied);
  EXPECT_EQ(ToStatusCode(404), StatusCode::kNotFound);
  EXPECT_EQ(ToStatusCode(408), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(ToStatusCode(409), StatusCode::kAlreadyExists);
  EXPECT_EQ(ToStatusCode(412), StatusCode::kFailedPrecondition);
  EXPECT_EQ(ToStatusCode(500), StatusCode::kInternal);
  EXPECT_EQ(ToStatusCode(501), StatusCode::kUnimplemented);
  EXPECT_EQ(ToStatusCode(503), StatusCode::kUnavailable);
  for (const int other : {0, -1, 1, 201, 402, 405, 429, 502, 504, 1000}) {
    EXPECT_EQ(ToStatusCode(other), StatusCode::kUnknown) << other;
  }
}

TEST(Errors, MapEveryCodeOfGoMicrosClientTable) {
  EXPECT_EQ(FromStatusCode(StatusCode::kOk), 200);
  EXPECT_EQ(FromStatusCode(StatusCode::kInvalidArgument), 400);
  EXPECT_EQ(FromStatusCode(StatusCode::kDeadlineExceeded), 408);
  EXPECT_EQ(FromStatusCode(StatusCode::kNotFound), 404);
  EXPECT_EQ(FromStatusCode(StatusCode::kAlreadyExists), 409);
  EXPECT_EQ(FromStatusCode(StatusCode::kPermissionDenied), 403);
  EXPECT_EQ(FromStatusCode(StatusCode::kFailedPrecondition), 412);
  EXPECT_EQ(FromStatusCode(StatusCode::kUnimplemented), 501);
  EXPECT_EQ(FromStatusCode(StatusCode::kInternal), 500);
  EXPECT_EQ(FromStatusCode(StatusCode::kUnavailable), 503);
  EXPECT_EQ(FromStatusCode(StatusCode::kUnauthenticated), 401);
  for (const StatusCode other :
       {StatusCode::kCancelled, StatusCode::kUnknown, StatusCode::kResourceExhausted,
        StatusCode::kAborted, StatusCode::kOutOfRange, StatusCode::kDataLoss}) {
    EXPECT_EQ(FromStatusCode(other), 500) << other;
  }
}

TEST(Errors, EveryConstructorHasItsCodeAndPhrase) {
  const struct {
    absl::Status status;
    int code;
    const char* phrase;
  } kConstructors[] = {
      {BadRequest("id", "detail"), 400, "Bad Request"},
      {Unauthorized("id", "detail"), 401, "Unauthorized"},
      {Forbidden("id", "detail"), 403, "Forbidden"},
      {NotFound("id", "detail"), 404, "Not Found"},
      {MethodNotAllowed("id", "detail"), 405, "Method Not Allowed"},
      {Timeout("id", "detail"), 408, "Request Timeout"},
      {Conflict("id", "detail"), 409, "Conflict"},
      {TooManyRequests("id", "detail"), 429, "Too Many Requests"},
      {InternalServerError("id", "detail"), 500, "Internal Server Error"},
      {NotImplemented("id", "detail"), 501, "Not Implemented"},
      {ServiceUnavailable("id", "detail"), 503, "Service Unavailable"},
  };
  for (const auto& [status, code, phrase] : kConstructors) {
    EXPECT_EQ(FromStatus(status),
              (Error{.id = "id", .code = code, .detail = "detail", .status = phrase}));
    EXPECT_THAT(status, StatusIs(ToStatusCode(code), "detail"));
    EXPECT_TRUE(HasError(status));
  }
}

TEST(Errors, NewTakesAnyCode) {
  EXPECT_EQ(FromStatus(New("id", "detail", 418)).status, "I'm a teapot");
  EXPECT_EQ(FromStatus(New("id", "detail", 1234)),
            (Error{.id = "id", .code = 1234, .detail = "detail", .status = ""}));
  EXPECT_THAT(New("id", "detail", 1234), StatusIs(StatusCode::kUnknown, "detail"));
}

TEST(Errors, NoErrorIsOk) {
  EXPECT_THAT(New("id", "detail", 200), IsMicroError(500, "id", "detail"));
  EXPECT_THAT(New("id", "detail", 0), StatusIs(StatusCode::kUnknown));
}

TEST(Errors, APercentSignInAPlainDetailIsSafe) {
  EXPECT_EQ(FromStatus(BadRequest("id", "100%s of %d %")).detail, "100%s of %d %");
  const std::string detail = "50%n";
  EXPECT_EQ(FromStatus(BadRequest("id", detail)).detail, "50%n");
}

TEST(Errors, ADetailIsFormattedWithItsArguments) {
  const std::string_view view = "view";
  EXPECT_EQ(FromStatus(NotFound("id", "no user %s (%d of %d)", std::string("x"), 1, 2)).detail,
            "no user x (1 of 2)");
  EXPECT_EQ(FromStatus(Conflict("id", "%s and %s", view, "literal")).detail, "view and literal");
}

TEST(Errors, AKeptPhraseIsNotReplaced) {
  EXPECT_EQ(FromStatus(ToStatus({.id = "id", .code = 404, .detail = "", .status = "Lost"})).status,
            "Lost");
}

TEST(Errors, AStatusWithoutAnErrorStandsForOne) {
  const absl::Status plain = absl::UnavailableError("down");
  EXPECT_FALSE(HasError(plain));
  EXPECT_EQ(FromStatus(plain), (Error{.id = "go.micro.client",
                                      .code = 503,
                                      .detail = "down",
                                      .status = "Service Unavailable"}));
  EXPECT_EQ(FromStatus(plain, "greeter").id, "greeter");
  EXPECT_EQ(FromStatus(absl::DataLossError("")).code, 500);
}

TEST(Errors, JsonFormIsGos) {
  EXPECT_EQ(ToJson(kBadName), kBadNameJson);
  EXPECT_EQ(ToJson({}), "{}");
  EXPECT_EQ(ToJson(DetailAlone("x")), R"({"detail":"x"})");
  EXPECT_EQ(ToJson({.id = "", .code = -5, .detail = "", .status = "s"}),
            R"({"code":-5,"status":"s"})");
}

TEST(Errors, JsonFormIsEscapedAsGoDoes) {
  const std::string detail =
      "<b> & \xe2\x80\xa8\xe2\x80\xa9 \0\x01\b\f\n\r\t\"\\/\x7f \xc3\xa9 \xe6\x97\xa5"s;
  EXPECT_EQ(
      ToJson(DetailAlone(detail)),
      "{\"detail\":\"\\u003cb\\u003e \\u0026 \\u2028\\u2029 \\u0000\\u0001\\b\\f\\n\\r\\t\\\"\\\\/"
      "\x7f \xc3\xa9 \xe6\x97\xa5\"}");
  EXPECT_EQ(Parse(ToJson(DetailAlone(detail))), DetailAlone(detail));
}

TEST(Errors, WhatIsNotUtf8BecomesAReplacementCharacter) {
  const std::string replaced = "\xef\xbf\xbd\xef\xbf\xbd(";
  EXPECT_EQ(Parse(ToJson(DetailAlone("\xff\xc3("))), DetailAlone(replaced));
  EXPECT_THAT(NotFound("id", "\xff\xc3("), IsMicroError(404, "id", replaced));
}

TEST(Errors, ParseReadsWhatToJsonWrites) {
  EXPECT_EQ(Parse(kBadNameJson), kBadName);
  EXPECT_EQ(Parse("{}"), Error());
  EXPECT_EQ(Parse(" \t\r\n{\"id\" : \"x\"} \n"),
            (Error{.id = "x", .code = 0, .detail = "", .status = ""}));
  EXPECT_EQ(Parse(R"({"code":-5})").code, -5);
  EXPECT_EQ(Parse(R"({"code":2147483647})").code, INT32_MAX);
  EXPECT_EQ(Parse(R"({"code":-2147483648})").code, INT32_MIN);
}

TEST(Errors, ParsePassesOverFieldsThatItDoesNotKnow) {
  EXPECT_EQ(Parse(R"({"id":"x","cause":{"deep":[[1,{"id":"y"}],2]},"code":400,"more":null})"),
            (Error{.id = "x", .code = 400, .detail = "", .status = ""}));
}

TEST(Errors, ParseTakesAnyOtherTextAsTheDetail) {
  for (const std::string text : {"",
                                 "plain text",
                                 "no {json}",
                                 "[]",
                                 "null",
                                 "7",
                                 "\"text\"",
                                 "{",
                                 "{\"id\":}",
                                 "{\"id\":\"x\"} junk",
                                 "{\"id\":7}",
                                 "{\"id\":\"\xff\"}",
                                 "{\"detail\":[\"x\"]}",
                                 "{\"code\":\"400\"}",
                                 "{\"code\":4.5}",
                                 "{\"code\":1e300}",
                                 "{\"code\":2147483648}",
                                 "{\"code\":-2147483649}",
                                 "{\"code\":18446744073709551615}",
                                 "{\"code\":99999999999999999999999}"}) {
    EXPECT_EQ(Parse(text), DetailAlone(text));
  }
}

TEST(Errors, ParseSurvivesHostileNesting) {
  const std::string arrays =
      "{\"id\":\"x\",\"deep\":" + std::string(30'000, '[') + std::string(30'000, ']') + "}";
  EXPECT_EQ(Parse(arrays).id, "x");
  std::string objects;
  for (int i = 0; i < 10'000; ++i) objects += "{\"a\":";
  EXPECT_EQ(Parse(objects), DetailAlone(objects)) << "never closed";
}

TEST(Errors, ParseSurvivesHostileBreadth) {
  std::string array = "{\"id\":\"x\",\"wide\":[{}", object = "{\"id\":\"x\"";
  while (array.size() < 65'000) array += ",{}";
  while (object.size() < 65'000) object += ",\"" + std::to_string(object.size()) + "\":{}";
  EXPECT_EQ(Parse(array + "]}").id, "x");
  EXPECT_EQ(Parse(object + "}").id, "x");
}

TEST(Errors, ParseDoesNotReadHugeTexts) {
  const std::string huge = "{\"id\":\"" + std::string(1 << 20, 'x') + "\"}";
  EXPECT_EQ(Parse(huge), DetailAlone(huge));
}

TEST(Errors, ProtobufFormIsGos) {
  EXPECT_EQ(absl::BytesToHexString(ToAbsl(ToProto(kBadName))), kBadNameHex);
  Error error;
  ASSERT_TRUE(FromProto(absl::HexStringToBytes(kBadNameHex), &error));
  EXPECT_EQ(error, kBadName);
}

TEST(Errors, AProgramMayLinkGoMicrosOwnMessageToo) {
  EXPECT_EQ(wire::Error::descriptor()->full_name(), "micro.wire.Error");
  EXPECT_EQ(::errors::Error::descriptor()->full_name(), "errors.Error");
  ::errors::Error theirs;
  ASSERT_TRUE(theirs.ParseFromString(ToProto(kBadName)));
  EXPECT_EQ(theirs.id(), kBadName.id);
  EXPECT_EQ(theirs.code(), kBadName.code);
  EXPECT_EQ(theirs.detail(), kBadName.detail);
  EXPECT_EQ(theirs.status(), kBadName.status);
  EXPECT_EQ(theirs.SerializeAsString(), ToProto(kBadName));
}

TEST(Errors, JunkIsNoProtobufForm) {
  Error error = kBadName;
  EXPECT_FALSE(FromProto("\xff\xff\xff", &error));
  EXPECT_FALSE(FromProto(absl::HexStringToBytes(kBadNameHex).substr(0, 20), &error));
  EXPECT_EQ(error, kBadName) << "a failed FromProto changed its result";
}

TEST(Errors, AStatusWhoseErrorIsJunkStandsForItself) {
  absl::Status status = absl::NotFoundError("lost");
  status.SetPayload("type.googleapis.com/errors.Error", absl::Cord("\xff\xff\xff"));
  EXPECT_THAT(status, IsMicroError(404, "go.micro.client", "lost"));
}

TEST(Errors, AStatusCarriesItsErrorWhereGrpcLooksForIt) {
  const auto payload = ToStatus(kBadName).GetPayload("type.googleapis.com/errors.Error");
  ASSERT_TRUE(payload.has_value());
  EXPECT_EQ(absl::BytesToHexString(std::string(*payload)), kBadNameHex);
}

TEST(Errors, HttpPhrasesAreGos) {
  EXPECT_EQ(HttpPhrase(100), "Continue");
  EXPECT_EQ(HttpPhrase(200), "OK");
  EXPECT_EQ(HttpPhrase(413), "Request Entity Too Large");
  EXPECT_EQ(HttpPhrase(416), "Requested Range Not Satisfiable");
  EXPECT_EQ(HttpPhrase(511), "Network Authentication Required");
  for (const int unknown : {-1, 0, 99, 306, 419, 420, 430, 499, 509, 600}) {
    EXPECT_EQ(HttpPhrase(unknown), "") << unknown;
  }
}

TEST(Errors, TextFormIsOneForPeople) {
  EXPECT_EQ(ToText(ToStatus(kBadName)),
            R"(error id="greeter" code=400 detail="bad name" status="Bad Request")");
  EXPECT_EQ(ToText(absl::OkStatus()), "ok");
}

}  // namespace
}  // namespace micro::errors
