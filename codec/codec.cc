#include "codec/codec.h"

#include <fmt/format.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "absl/strings/ascii.h"
#include "core/plugin_table.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace micro::codec {
namespace {

namespace io = google::protobuf::io;

absl::Status WriteBytes(std::string_view bytes, io::ZeroCopyOutputStream& out) {
  while (!bytes.empty()) {
    void* block = nullptr;
    int size = 0;
    if (!out.Next(&block, &size)) return absl::ResourceExhaustedError("no room to write the body");
    const size_t taken = std::min(bytes.size(), static_cast<size_t>(size));
    std::memcpy(block, bytes.data(), taken);
    bytes.remove_prefix(taken);
    if (taken < static_cast<size_t>(size)) out.BackUp(size - static_cast<int>(taken));
  }
  return absl::OkStatus();
}

// Every linked codec, made on the first call and never changed: what reads it takes no lock.
const std::vector<std::unique_ptr<Codec>>& LinkedCodecs() {
  static const auto& codecs = *new std::vector<std::unique_ptr<Codec>>([] {
    std::vector<std::unique_ptr<Codec>> made;
    for (const std::string& name : PluginTable<Codec>::Names()) {
      auto codec = PluginTable<Codec>::Create(name, {});
      if (codec.ok()) made.push_back(*std::move(codec));
    }
    return made;
  }());
  return codecs;
}

// The name of the codec for a content type without parameters; empty for none.
std::string_view NameOf(std::string_view type) {
  for (const std::string_view proto :
       {"application/grpc", "application/protobuf", "application/octet-stream"}) {
    if (EqualsIgnoreCase(type, proto)) return "proto";
  }
  for (const std::string_view prefix : {"application/grpc+", "application/"}) {
    if (EqualsIgnoreCase(type.substr(0, prefix.size()), prefix)) return type.substr(prefix.size());
  }
  return "";
}

}  // namespace

absl::Status Codec::Marshal(ConstBody body, io::ZeroCopyOutputStream& out) const {
  if (body.frame() != nullptr) return WriteBytes(body.frame()->data, out);
  return MarshalMessage(*body.message(), out);
}

absl::Status Codec::Unmarshal(io::ZeroCopyInputStream& in, Body body) const {
  if (body.message() != nullptr) return UnmarshalMessage(in, *body.message());
  body.frame()->data.clear();
  const void* block = nullptr;
  for (int size = 0; in.Next(&block, &size);) {
    body.frame()->data.append(static_cast<const char*>(block), static_cast<size_t>(size));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Codec::MarshalToString(ConstBody body) const {
  std::string bytes;
  // What protobuf takes: exact for its own codec, a beginning for the others.
  bytes.reserve(body.frame() != nullptr ? body.frame()->data.size()
                                        : body.message()->ByteSizeLong());
  io::StringOutputStream out(&bytes);
  RETURN_IF_ERROR(Marshal(body, out));
  return bytes;
}

absl::Status Codec::UnmarshalFromString(std::string_view bytes, Body body) const {
  if (bytes.size() > INT32_MAX)
    return absl::InvalidArgumentError("a body of 2 GiB or more cannot be read");
  io::ArrayInputStream in(bytes.data(), static_cast<int>(bytes.size()));
  return Unmarshal(in, body);
}

absl::StatusOr<const Codec*> ForContentType(std::string_view content_type) {
  const std::string_view type = content_type.substr(0, content_type.find(';'));
  const std::string_view name = NameOf(ToStd(absl::StripAsciiWhitespace(ToAbsl(type))));
  for (const std::unique_ptr<Codec>& codec : LinkedCodecs()) {
    if (EqualsIgnoreCase(codec->name(), name)) return codec.get();
  }
  return absl::InvalidArgumentError(fmt::format("unsupported Content-Type: {}", content_type));
}

}  // namespace micro::codec
