// The codec "proto": protobuf's binary form.
#include <fmt/format.h>
#include <google/protobuf/message.h>

#include "codec/codec.h"
#include "core/plugin_table.h"

namespace micro::codec {
namespace {

class ProtoCodec final : public Codec {
 public:
  std::string_view name() const override { return "proto"; }

 protected:
  absl::Status MarshalMessage(const google::protobuf::Message& message,
                              google::protobuf::io::ZeroCopyOutputStream& out) const override {
    if (message.SerializeToZeroCopyStream(&out)) return absl::OkStatus();
    return absl::InvalidArgumentError(
        fmt::format("{} cannot be written as protobuf", message.GetTypeName()));
  }

  absl::Status UnmarshalMessage(google::protobuf::io::ZeroCopyInputStream& in,
                                google::protobuf::Message& message) const override {
    if (message.ParseFromZeroCopyStream(&in)) return absl::OkStatus();
    return absl::InvalidArgumentError(
        fmt::format("the body is not a protobuf {}", message.GetTypeName()));
  }
};

MICRO_PLUGIN(Codec, "proto",
             [](const Codec::PluginOptions&) { return std::make_unique<ProtoCodec>(); });

}  // namespace
}  // namespace micro::codec
