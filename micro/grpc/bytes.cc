#include "micro/grpc/bytes.h"

#include <fmt/format.h>
#include <google/protobuf/message.h>
#include <grpc/slice.h>
#include <grpcpp/support/proto_buffer_reader.h>

#include <algorithm>

#include "absl/container/inlined_vector.h"

namespace micro::grpc_wire {
namespace {

// A zero-copy stream into gRPC slices: the first of the expected size, later ones doubling.
class SliceOutputStream final : public google::protobuf::io::ZeroCopyOutputStream {
 public:
  SliceOutputStream(size_t expected, size_t limit)
      : next_size_(std::max<size_t>(expected, 16)), limit_(limit) {}
  ~SliceOutputStream() override {
    if (open_) grpc_slice_unref(last_);
  }

  bool Next(void** data, int* size) override {
    if (written_ >= limit_) return false;
    Close();
    last_ = grpc_slice_malloc(next_size_);
    open_ = true;
    next_size_ = std::min<size_t>(next_size_ * 2, 64 * 1024);
    *data = GRPC_SLICE_START_PTR(last_);
    *size = static_cast<int>(GRPC_SLICE_LENGTH(last_));
    written_ += GRPC_SLICE_LENGTH(last_);
    return true;
  }

  void BackUp(int count) override {
    if (!open_) return;  // protobuf gives back nothing of a message without bytes
    written_ -= static_cast<size_t>(count);
    GRPC_SLICE_SET_LENGTH(last_, GRPC_SLICE_LENGTH(last_) - static_cast<size_t>(count));
  }

  int64_t ByteCount() const override { return static_cast<int64_t>(written_); }

  void MoveTo(grpc::ByteBuffer* buffer) {
    Close();
    *buffer = grpc::ByteBuffer(slices_.data(), slices_.size());
  }

 private:
  void Close() {
    if (open_) slices_.emplace_back(last_, grpc::Slice::STEAL_REF);
    open_ = false;
  }

  size_t next_size_;
  const size_t limit_;
  size_t written_ = 0;
  bool open_ = false;
  grpc_slice last_ = grpc_empty_slice();
  absl::InlinedVector<grpc::Slice, 2> slices_;
};

absl::Status TooLarge(size_t size, int limit) {
  return absl::ResourceExhaustedError(fmt::format(
      "a message of {} bytes is larger than the limit of {} (max_send_message_size)", size, limit));
}

}  // namespace

absl::Status Write(const codec::Codec& codec, codec::ConstBody body, int limit,
                   grpc::ByteBuffer* buffer) {
  const size_t expected =
      body.frame() != nullptr ? body.frame()->data.size() : body.message()->ByteSizeLong();
  if (expected > static_cast<size_t>(limit)) return TooLarge(expected, limit);
  SliceOutputStream out(expected, static_cast<size_t>(limit) + 1);
  if (absl::Status status = codec.Marshal(body, out); !status.ok()) {
    if (out.ByteCount() > limit) return TooLarge(static_cast<size_t>(out.ByteCount()), limit);
    return status;
  }
  if (out.ByteCount() > limit) return TooLarge(static_cast<size_t>(out.ByteCount()), limit);
  out.MoveTo(buffer);
  return absl::OkStatus();
}

absl::Status Read(const codec::Codec& codec, const grpc::ByteBuffer& buffer, codec::Body body) {
  if (!buffer.Valid()) return codec.UnmarshalFromString("", body);
  // The reader does not change the buffer, but has no const form.
  grpc::ProtoBufferReader in(const_cast<grpc::ByteBuffer*>(&buffer));
  return codec.Unmarshal(in, body);
}

absl::StatusOr<const codec::Codec*> CodecOf(std::string_view x_content_type,
                                            const grpc::ByteBuffer& first_message) {
  if (!x_content_type.empty()) return codec::ForContentType(x_content_type);
  if (first_message.Valid()) {
    grpc::ProtoBufferReader in(const_cast<grpc::ByteBuffer*>(&first_message));
    const void* block = nullptr;
    int size = 0;
    if (in.Next(&block, &size) && size > 0 && *static_cast<const char*>(block) == '{') {
      return codec::ForContentType("application/grpc+json");
    }
  }
  return codec::ForContentType("application/grpc");
}

}  // namespace micro::grpc_wire
