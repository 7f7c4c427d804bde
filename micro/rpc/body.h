// A BodyFormat puts one message into the body of an HTTP message, as a content type says, and takes
// it out again; both sides of the wire use it.
//
//   ASSIGN_OR_RETURN(const BodyFormat format, BodyFormat::Of("application/json"));
//   RETURN_IF_ERROR(format.Append(response, limit, body));
//
//   application/protobuf, /proto          protobuf
//   application/octet-stream              a codec::Frame's bytes; a message as protobuf
//   application/json                      protobuf's JSON mapping and a line end
//   application/grpc, grpc+proto          protobuf behind gRPC's five bytes: a flag and the length
//   application/grpc+json                 JSON behind these
//   application/<codec>, grpc+<codec>     any other codec that is linked
//
// A small value without state; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "codec/codec.h"

namespace micro::rpc {

// A content type as it is sent: without parameters, and protobuf's where there is none.
std::string_view BareContentType(std::string_view content_type);

class BodyFormat {
 public:
  // The format of a Content-Type header: its parameters and case do not matter, and without one it
  // is protobuf. INVALID_ARGUMENT: `unsupported Content-Type: …`.
  static absl::StatusOr<BodyFormat> Of(std::string_view content_type);

  // Adds `message` to `body`. RESOURCE_EXHAUSTED: it would be more than `limit` bytes
  // (max_send_message_size). On an error `body` is as it was.
  absl::Status Append(codec::ConstBody message, size_t limit, std::string& body) const;

  // Reads all of `body`; an empty one is a message without fields. INVALID_ARGUMENT.
  absl::Status Read(std::string_view body, codec::Body message) const;

 private:
  enum class Frame { kNone, kLine, kGrpc };
  BodyFormat(const codec::Codec& codec, Frame frame) : codec_(&codec), frame_(frame) {}

  const codec::Codec* codec_;
  Frame frame_;
};

}  // namespace micro::rpc
