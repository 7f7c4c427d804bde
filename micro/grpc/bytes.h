// Messages to and from gRPC's byte buffers, through codecs, without flattening.
#pragma once

#include <grpcpp/support/byte_buffer.h>

#include "codec/codec.h"

namespace micro::grpc_wire {

// Writes `body` with `codec` into `buffer`; RESOURCE_EXHAUSTED when it would pass `limit` bytes.
absl::Status Write(const codec::Codec& codec, codec::ConstBody body, int limit,
                   grpc::ByteBuffer* buffer);

// Reads `body` from `buffer`. The buffer keeps its bytes.
absl::Status Read(const codec::Codec& codec, const grpc::ByteBuffer& buffer, codec::Body body);

// The codec of a call. go-micro's callers name it in x-content-type. gRPC's core keeps the subtype
// of content-type (application/grpc+json) to itself, so that, where the header is missing, the
// first byte decides: '{' opens JSON and, as a protobuf tag, a group of field 15, which proto3
// cannot have.
absl::StatusOr<const codec::Codec*> CodecOf(std::string_view x_content_type,
                                            const grpc::ByteBuffer& first_message);

}  // namespace micro::grpc_wire
