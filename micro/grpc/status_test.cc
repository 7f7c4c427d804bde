#include "micro/grpc/status.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/escaping.h"
#include "core/errors.h"
#include "core/testing/status_matchers.h"

namespace micro::grpc_wire {
namespace {

constexpr char kBadNameJson[] =
    R"({"id":"greeter","code":400,"detail":"bad name","status":"Bad Request"})";

// google.rpc.Status, as go-micro's server writes it: code 3, the JSON as message, and an Any of
// type.googleapis.com/errors.Error.
std::string BadNameDetails() {
  const std::string error = absl::HexStringToBytes(
      "0a07677265657465721090031a08626164206e616d65220b4261642052657175657374");
  const std::string url = "type.googleapis.com/errors.Error";
  const auto field = [](char tag, const std::string& bytes) {
    return std::string{tag, static_cast<char>(bytes.size())} + bytes;
  };
  return std::string("\x08\x03") + field('\x12', kBadNameJson) +
         field('\x1a', field('\x0a', url) + field('\x12', error));
}

TEST(Status, WritesTheErrorObjectAsGoMicroDoes) {
  const grpc::Status status = ToGrpc(errors::BadRequest("greeter", "bad name"), "other");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), kBadNameJson);
  EXPECT_EQ(absl::BytesToHexString(status.error_details()),
            absl::BytesToHexString(BadNameDetails()));
}

TEST(Status, ReadsTheErrorObjectThatGoMicroWrites) {
  EXPECT_THAT(
      FromGrpc(grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, kBadNameJson, BadNameDetails())),
      IsMicroError(400, "greeter", "bad name"));
  EXPECT_THAT(
      FromGrpc(grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "its message", BadNameDetails())),
      IsMicroError(400, "greeter", "bad name"));
}

}  // namespace
}  // namespace micro::grpc_wire
