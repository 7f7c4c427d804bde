#include "micro/rpc/body.h"

#include <fmt/format.h>
#include <google/protobuf/io/zero_copy_stream.h>
#include <google/protobuf/message.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "codec/grpc_prefix.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace micro::rpc {
namespace {

constexpr std::string_view kGrpc = "application/grpc";

bool IsGrpc(std::string_view content_type) {
  return EqualsIgnoreCase(content_type.substr(0, kGrpc.size()), kGrpc);
}

// What the message takes: exact for protobuf, a beginning for other codecs.
size_t SizeOf(codec::ConstBody message) {
  return message.frame() != nullptr ? message.frame()->data.size()
                                    : message.message()->ByteSizeLong();
}

// Adds to a text what protobuf writes; the first block is as large as the message is expected to be,
// so that little is made only to be cut off.
class TextSink final : public google::protobuf::io::ZeroCopyOutputStream {
 public:
  TextSink(std::string& text, size_t expected)
      : text_(text), next_(std::max<size_t>(expected, 16)) {}

  bool Next(void** block, int* size) override {
    const size_t before = text_.size();
    if (next_ > INT32_MAX - before) return false;
    text_.resize(before + next_);
    *block = text_.data() + before;
    *size = static_cast<int>(next_);
    next_ *= 2;
    return true;
  }
  void BackUp(int count) override { text_.resize(text_.size() - static_cast<size_t>(count)); }
  int64_t ByteCount() const override { return static_cast<int64_t>(text_.size()); }

 private:
  std::string& text_;
  size_t next_;
};

absl::Status TooLarge(size_t size, size_t limit) {
  return absl::ResourceExhaustedError(fmt::format(
      "a message of {} bytes is larger than the limit of {} (max_send_message_size)", size, limit));
}

}  // namespace

std::string_view BareContentType(std::string_view content_type) {
  const std::string_view bare =
      ToStd(absl::StripAsciiWhitespace(ToAbsl(content_type.substr(0, content_type.find(';')))));
  return bare.empty() ? "application/protobuf" : bare;
}

absl::StatusOr<BodyFormat> BodyFormat::Of(std::string_view content_type) {
  if (content_type.empty()) content_type = BareContentType(content_type);
  ASSIGN_OR_RETURN(const codec::Codec* codec, codec::ForContentType(content_type));
  if (IsGrpc(content_type)) return BodyFormat(*codec, Frame::kGrpc);
  return BodyFormat(*codec, codec->name() == "json" ? Frame::kLine : Frame::kNone);
}

absl::Status BodyFormat::Append(codec::ConstBody message, size_t limit, std::string& body) const {
  const size_t before = body.size(), expected = SizeOf(message);
  const bool binary = codec_->name() == "proto" || message.frame() != nullptr;
  if (binary && expected > limit) return TooLarge(expected, limit);
  body.reserve(before + codec::kGrpcPrefix + expected);
  if (frame_ == Frame::kGrpc) body.append(codec::kGrpcPrefix, '\0');
  const size_t begin = body.size();
  TextSink out(body, expected);
  absl::Status status = codec_->Marshal(message, out);
  const size_t size = body.size() - begin;
  if (status.ok() && size > limit) status = TooLarge(size, limit);
  if (!status.ok()) {
    body.resize(before);
    return status;
  }
  if (frame_ == Frame::kGrpc) codec::PutGrpcLength(&body[begin - codec::kGrpcPrefix], size);
  if (frame_ == Frame::kLine && message.frame() == nullptr) body += '\n';
  return absl::OkStatus();
}

absl::Status BodyFormat::Read(std::string_view body, codec::Body message) const {
  if (body.empty()) {
    if (message.message() != nullptr) message.message()->Clear();
    if (message.frame() != nullptr) message.frame()->data.clear();
    return absl::OkStatus();
  }
  if (frame_ == Frame::kGrpc) {
    if (body.size() < codec::kGrpcPrefix) return absl::InvalidArgumentError("unexpected EOF");
    if (body[0] != 0)
      return absl::InvalidArgumentError("a compressed gRPC frame, which this wire does not carry");
    const size_t length = codec::GrpcLength(body);
    body.remove_prefix(codec::kGrpcPrefix);
    if (length > body.size()) return absl::InvalidArgumentError("unexpected EOF");
    if (length < body.size())
      return absl::InvalidArgumentError("there are bytes behind the gRPC frame");
  }
  return codec_->UnmarshalFromString(body, message);
}

}  // namespace micro::rpc
