#include "micro/grpc/frames.h"

#include <fmt/format.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "codec/grpc_prefix.h"
#include "core/status_macros.h"

namespace micro::grpc_wire {

using codec::kGrpcPrefix;

absl::StatusOr<std::string> Framed(const codec::Codec& codec, codec::ConstBody body, int limit) {
  std::string bytes(kGrpcPrefix, '\0');
  {
    google::protobuf::io::StringOutputStream out(&bytes);
    RETURN_IF_ERROR(codec.Marshal(body, out));
  }
  const size_t size = bytes.size() - kGrpcPrefix;
  if (size > static_cast<size_t>(limit)) {
    return absl::ResourceExhaustedError(
        fmt::format("the message has {} bytes, more than the {} that may be sent", size, limit));
  }
  codec::PutGrpcLength(bytes.data(), size);
  return bytes;
}

absl::Status FrameReader::Take(std::string_view bytes,
                               absl::FunctionRef<void(std::string message)> add) {
  partial_.append(bytes);
  size_t begin = 0;
  while (partial_.size() - begin >= kGrpcPrefix) {
    if (partial_[begin] != 0) {
      return absl::UnimplementedError("the answer is compressed, which was not asked for");
    }
    const size_t size = codec::GrpcLength(std::string_view(partial_).substr(begin));
    if (size > static_cast<size_t>(limit_)) {
      return absl::ResourceExhaustedError(
          fmt::format("the answer has {} bytes, more than the {} that are taken", size, limit_));
    }
    if (partial_.size() - begin - kGrpcPrefix < size) break;
    add(partial_.substr(begin + kGrpcPrefix, size));
    begin += kGrpcPrefix + size;
  }
  partial_.erase(0, begin);
  return absl::OkStatus();
}

std::string TimeoutText(absl::Duration left) {
  const std::pair<absl::Duration, char> units[] = {
      {absl::Nanoseconds(1), 'n'}, {absl::Microseconds(1), 'u'}, {absl::Milliseconds(1), 'm'},
      {absl::Seconds(1), 'S'},     {absl::Minutes(1), 'M'},      {absl::Hours(1), 'H'}};
  for (const auto& [unit, letter] : units) {
    const int64_t count = std::max<int64_t>(left / unit, 1);
    if (count <= 99'999'999) return fmt::format("{}{}", count, letter);
  }
  return "99999999H";
}

std::string PercentDecoded(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned byte = 0;
    if (text[i] == '%' && i + 2 < text.size()) {
      const char* const end = text.data() + i + 3;
      if (std::from_chars(text.data() + i + 1, end, byte, 16).ptr == end) {
        decoded.push_back(static_cast<char>(byte));
        i += 2;
        continue;
      }
    }
    decoded.push_back(text[i]);
  }
  return decoded;
}

}  // namespace micro::grpc_wire
