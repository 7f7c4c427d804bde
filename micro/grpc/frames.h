// gRPC's own forms inside HTTP/2: messages with their prefix, timeouts and status texts.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "codec/codec.h"

namespace micro::grpc_wire {

// A message with its five bytes of prefix. RESOURCE_EXHAUSTED: it has more than `limit` bytes.
absl::StatusOr<std::string> Framed(const codec::Codec& codec, codec::ConstBody body, int limit);

// Puts messages together again from the bytes of a stream.
class FrameReader {
 public:
  explicit FrameReader(int limit) : limit_(limit) {}

  // Takes bytes and gives each message that is whole to `add`. UNIMPLEMENTED: one is compressed;
  // RESOURCE_EXHAUSTED: one has more than `limit` bytes.
  absl::Status Take(std::string_view bytes, absl::FunctionRef<void(std::string message)> add);

  // Of a message that is not whole yet.
  size_t partial() const { return partial_.size(); }

 private:
  const int limit_;
  std::string partial_;
};

// For grpc-timeout: "2998717u", at most eight digits, in the finest unit that holds the time.
std::string TimeoutText(absl::Duration left);

// What grpc-message holds: %XX stands for a byte; anything else for itself.
std::string PercentDecoded(std::string_view text);

}  // namespace micro::grpc_wire
