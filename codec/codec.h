// A Codec turns a message into the bytes of one content type, and back.
//
//   ASSIGN_OR_RETURN(const Codec* codec, codec::ForContentType("application/grpc+json"));
//   std::string bytes; google::protobuf::io::StringOutputStream out(&bytes);
//   RETURN_IF_ERROR(codec->Marshal(request, out));
//
// It reads and writes through protobuf's zero-copy streams, so that the buffers of a wire are never
// flattened. Codecs have no state: every method may be called from any thread and none waits.
// Mirrors go-micro's codec.Marshaler.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace google::protobuf {
class Message;
namespace io {
class ZeroCopyInputStream;
class ZeroCopyOutputStream;
}  // namespace io
}  // namespace google::protobuf

namespace micro::codec {

// Bytes that pass through every codec as they are. Mirrors go-micro's bytes.Frame.
struct Frame {
  std::string data;
};

// What is written: a protobuf message or a Frame, lent for the call.
class ConstBody {
 public:
  ConstBody(const google::protobuf::Message& message) : message_(&message) {}  // NOLINT: implicit
  ConstBody(const Frame& frame) : frame_(&frame) {}                            // NOLINT: implicit
  const google::protobuf::Message* message() const { return message_; }
  const Frame* frame() const { return frame_; }

 private:
  const google::protobuf::Message* message_ = nullptr;
  const Frame* frame_ = nullptr;
};

// What is read into: a protobuf message or a Frame, lent for the call.
class Body {
 public:
  Body(google::protobuf::Message& message) : message_(&message) {}  // NOLINT: implicit
  Body(Frame& frame) : frame_(&frame) {}                            // NOLINT: implicit
  google::protobuf::Message* message() const { return message_; }
  Frame* frame() const { return frame_; }

 private:
  google::protobuf::Message* message_ = nullptr;
  Frame* frame_ = nullptr;
};

class Codec {
 public:
  static constexpr std::string_view kPluginKind = "codec";
  struct PluginOptions {};

  virtual ~Codec() = default;

  // "proto", "json", "bytes": also the subtype in application/grpc+<name>.
  virtual std::string_view name() const = 0;

  // Writes `body`. INVALID_ARGUMENT when this codec has no form for it.
  absl::Status Marshal(ConstBody body, google::protobuf::io::ZeroCopyOutputStream& out) const;

  // Reads all of `in` into `body`, in place of what it held. INVALID_ARGUMENT names what could not
  // be read.
  absl::Status Unmarshal(google::protobuf::io::ZeroCopyInputStream& in, Body body) const;

  // The same from and to text.
  absl::StatusOr<std::string> MarshalToString(ConstBody body) const;
  absl::Status UnmarshalFromString(std::string_view bytes, Body body) const;

 protected:
  virtual absl::Status MarshalMessage(const google::protobuf::Message& message,
                                      google::protobuf::io::ZeroCopyOutputStream& out) const = 0;
  virtual absl::Status UnmarshalMessage(google::protobuf::io::ZeroCopyInputStream& in,
                                        google::protobuf::Message& message) const = 0;
};

// The codec for a content type, from the linked ones; it lives as long as the process. Parameters
// ("; charset=utf-8") and case do not matter. INVALID_ARGUMENT: `unsupported Content-Type: …`.
// Known are
//   proto: application/protobuf, application/proto, application/octet-stream, application/grpc
//   any linked codec: application/<name>, application/grpc+<name>
// Takes no lock. The first call makes every linked codec: a ScopedPlugin<Codec> that a test wants
// found here stands before it.
absl::StatusOr<const Codec*> ForContentType(std::string_view content_type);

}  // namespace micro::codec
