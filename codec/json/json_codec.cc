// The codec "json": protobuf's JSON mapping. It writes lowerCamelCase names and 64-bit integers as text; it reads either form of
// names, and skips fields that it does not know.
#include <fmt/format.h>
#include <google/protobuf/message.h>
#include <google/protobuf/util/json_util.h>

#include "codec/codec.h"
#include "core/plugin_table.h"
#include "core/status_macros.h"

namespace micro::codec {
namespace {

class JsonCodec final : public Codec {
 public:
  std::string_view name() const override { return "json"; }

 protected:
  absl::Status MarshalMessage(const google::protobuf::Message& message,
                              google::protobuf::io::ZeroCopyOutputStream& out) const override {
    Frame text;
    const auto status = google::protobuf::util::MessageToJsonString(message, &text.data);
    if (!status.ok()) {
      return absl::InvalidArgumentError(fmt::format("{} cannot be written as JSON: {}", message.GetTypeName(),
                                                    status.message().ToString()));
    }
    return Marshal(text, out);
  }

  absl::Status UnmarshalMessage(google::protobuf::io::ZeroCopyInputStream& in,
                                google::protobuf::Message& message) const override {
    Frame text;
    RETURN_IF_ERROR(Unmarshal(in, text));
    google::protobuf::util::JsonParseOptions options;
    options.ignore_unknown_fields = true;
    message.Clear();
    const auto status = google::protobuf::util::JsonStringToMessage(text.data, &message, options);
    if (status.ok()) return absl::OkStatus();
    return absl::InvalidArgumentError(
        fmt::format("the body is not JSON of {}: {}", message.GetTypeName(), status.message().ToString()));
  }
};

MICRO_PLUGIN(Codec, "json", [](const Codec::PluginOptions&) { return std::make_unique<JsonCodec>(); });

}  // namespace
}  // namespace micro::codec
