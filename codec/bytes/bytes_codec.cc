// The codec "bytes": Frames alone.
#include <fmt/format.h>
#include <google/protobuf/message.h>

#include "codec/codec.h"
#include "core/plugin_table.h"

namespace micro::codec {
namespace {

class BytesCodec final : public Codec {
 public:
  std::string_view name() const override { return "bytes"; }

 protected:
  absl::Status MarshalMessage(const google::protobuf::Message& message,
                              google::protobuf::io::ZeroCopyOutputStream&) const override {
    return Refusal(message);
  }
  absl::Status UnmarshalMessage(google::protobuf::io::ZeroCopyInputStream&,
                                google::protobuf::Message& message) const override {
    return Refusal(message);
  }

 private:
  static absl::Status Refusal(const google::protobuf::Message& message) {
    return absl::InvalidArgumentError(
        fmt::format("the codec \"bytes\" takes a codec::Frame, not a {}", message.GetTypeName()));
  }
};

MICRO_PLUGIN(Codec, "bytes",
             [](const Codec::PluginOptions&) { return std::make_unique<BytesCodec>(); });

}  // namespace
}  // namespace micro::codec
